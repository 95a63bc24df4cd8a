//! The activity as a file for a spreadsheet: a row for each connector that a change names, and one for each other item.
//!
//! A spreadsheet runs a cell as a formula if it begins with `=`, `+`, `-` or `@`, and some do so after a tab or a line break.
//! Names are free text, so such a cell gets an apostrophe in front, which makes it a text.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use connectory_model::Status;
use connectory_model::access::Permission;
use connectory_model::limits::{ACTIVITY_FILE_BYTES, ACTIVITY_FILE_PAGE, ACTIVITY_FILE_PAGES, ACTIVITY_FILE_ROWS};
use connectory_server::http::response::attachment;
use connectory_server::registry::{ActivityDetails, ActivityItem, What, time};
use connectory_server::work::reserve;
use connectory_store::{Author, Revision};
use csv::Writer;
use http::header;

use super::REFUSED_WORD;
use super::filters::Filters;
use crate::frame::badges::called;
use crate::frame::error::PageError;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// The columns. They are words of the API, in English as there.
const COLUMNS: [&str; 13] = [
    "created",
    "action",
    "subject",
    "name",
    "author",
    "authorId",
    "authorKind",
    "changed",
    "statusBefore",
    "statusAfter",
    "revision",
    "address",
    "count",
];
/// The word of the last row if more follows.
const MORE: &str = "more";

type Row<'a> = [Cow<'a, str>; COLUMNS.len()];

/// Sends the file.
pub async fn download(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let filters = Filters::read(&query.unwrap_or_default());
    let (wanted, errors) = filters.wanted();
    if wanted.what.as_ref().is_some_and(What::is_access) {
        caller.has(Permission::ManageClients)?;
    }
    if let Some(message) = errors.into_iter().next().map(|error| error.message) {
        return Err(PageError::bad_request(message));
    }
    reserve(&console.server.answers, ACTIVITY_FILE_BYTES)?;
    let (registry, tenant) = (&console.server.registry, caller.tenant());
    let with_access = view.may(Permission::ManageClients);
    let (mut file, mut cursor) = (File::new()?, None);
    for _ in 0..ACTIVITY_FILE_PAGES {
        let page = registry.activity(tenant, &wanted, with_access, cursor, ACTIVITY_FILE_PAGE).await?;
        let details = registry.activity_details(tenant, &page.items).await?;
        for item in &page.items {
            file.add(item, &details)?;
        }
        cursor = page.next;
        if cursor.is_none() || file.is_full() {
            break;
        }
    }
    let content = file.end(cursor.is_some())?;
    let headers = [
        (header::CONTENT_TYPE, http::HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, attachment("connectory-activity.csv")),
    ];
    Ok((headers, content).into_response())
}

/// The file, as far as it is written.
struct File {
    writer: Writer<Vec<u8>>,
    rows: usize,
    bytes: usize,
    is_cut: bool,
}

impl File {
    fn new() -> Result<Self, PageError> {
        let mut this = Self { writer: Writer::from_writer(Vec::new()), rows: 0, bytes: 0, is_cut: false };
        this.writer.write_record(COLUMNS).map_err(|error| PageError::internal(&error))?;
        Ok(this)
    }

    fn is_full(&self) -> bool {
        self.is_cut || self.rows == ACTIVITY_FILE_ROWS
    }

    fn add(&mut self, item: &ActivityItem, details: &ActivityDetails) -> Result<(), PageError> {
        let created = time(item.created_at());
        let name = |id: &str| details.clients.get(id).map(String::as_str).unwrap_or_default();
        let mut row: Row = Default::default();
        row[0] = created.into();
        match item {
            ActivityItem::Change(change) => {
                for revision in &change.revisions {
                    self.write(of_revision(row.clone(), revision, details))?;
                }
            }
            ActivityItem::Access(event) => {
                let subject = event.subject.as_deref().unwrap_or_default();
                row[1] = event.action.as_str().into();
                (row[2], row[3]) = (subject.into(), name(subject).into());
                of_author(&mut row, &event.by.origin.author);
                row[11] = event.by.address.map(|address| address.to_string()).unwrap_or_default().into();
                self.write(row)?;
            }
            ActivityItem::Refused(refused) => {
                row[1] = REFUSED_WORD.into();
                (row[2], row[3]) = (refused.client_id.as_str().into(), name(&refused.client_id).into());
                (row[11], row[12]) = (refused.address.to_string().into(), refused.count.to_string().into());
                self.write(row)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, row: Row<'_>) -> Result<(), PageError> {
        let row = row.map(harmless);
        let bytes: usize = row.iter().map(|cell| 2 * cell.len() + 3).sum();
        if self.rows == ACTIVITY_FILE_ROWS || self.bytes + bytes > ACTIVITY_FILE_BYTES {
            self.is_cut = true;
            return Ok(());
        }
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + bytes);
        self.writer.write_record(row.iter().map(|cell| cell.as_bytes())).map_err(|error| PageError::internal(&error))
    }

    /// The whole file. If more follows, its last row says so.
    fn end(mut self, has_more: bool) -> Result<Vec<u8>, PageError> {
        if has_more || self.is_cut {
            let mut row = [""; COLUMNS.len()];
            row[1] = MORE;
            self.writer.write_record(row).map_err(|error| PageError::internal(&error))?;
        }
        self.writer.into_inner().map_err(|error| PageError::internal(error.error()))
    }
}

fn of_revision<'a>(mut row: Row<'a>, revision: &'a Revision, details: &ActivityDetails) -> Row<'a> {
    row[1] = revision.action.as_str().into();
    row[2] = revision.script_name.as_str().into();
    of_author(&mut row, &revision.author);
    row[7] = revision.changed.join(" ").into();
    if let Some(statuses) = details.statuses.get(&revision.number) {
        [row[8], row[9]] = <[Status; 2]>::from(*statuses).map(|status| status.to_string().into());
    }
    row[10] = revision.number.to_string().into();
    row
}

fn of_author<'a>(row: &mut Row<'a>, author: &'a Author) {
    row[4] = called(author).into();
    (row[5], row[6]) = (author.id.as_str().into(), author.kind.as_str().into());
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: Cow<'_, str>) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}").into() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(formula.into()), format!("'{formula}"));
        }
        for text in ["", "a=1", "2026-05-04", "'=1"] {
            assert_eq!(harmless(text.into()), text);
        }
    }
}
