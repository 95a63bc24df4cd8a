//! The activity of a tenant, under `/connectory/v1` (D97).

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::access::Permission;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;
use connectory_model::wire::{ACTIVITY_PATH, AccessActivity, ActivityEntry, ChangeActivity, RefusedActivity};
use connectory_store::Who;
use utoipa::IntoParams;

use super::history::{LIMIT, author, item, limit, linked_page, moment, parsed};
use super::openapi::{IfNoneMatch, NotModified, Refusals};
use super::parameters::expect_utf8;
use crate::auth::Caller;
use crate::http::error::ApiError;
use crate::registry::{ActivityCursor, ActivityItem, ActivityWanted, What, time};
use crate::state::ServerState;

/// The query, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `Query` reads")]
pub struct Parameters {
    /// How many entries to answer at most.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u32>,
    /// Where the page begins. The header `Link` of an answer has the next value.
    cursor: Option<String>,
    /// Only that of the author with this id or name. Refused sign-ins have an id only.
    author: Option<String>,
    /// Only this: `changes`, an action of a revision such as `create`, a member that changed such as `sourceConfigXml` or
    /// `translations`, `access`, the action of an access event such as `sign_in`, or `refused`.
    #[param(example = "translations")]
    what: Option<String>,
    /// Only changes of the connector with this script name.
    script_name: Option<String>,
    /// Only that of this time or later (RFC 3339).
    #[param(example = "2026-05-04T00:00:00Z")]
    since: Option<String>,
    /// Only that of this time or earlier (RFC 3339).
    until: Option<String>,
}

/// The parameters that this operation has.
const KNOWN: [&str; 7] = ["limit", "cursor", "author", "what", "scriptName", "since", "until"];

#[derive(Default)]
struct Query {
    limit: Option<usize>,
    cursor: Option<ActivityCursor>,
    wanted: ActivityWanted,
}

impl Query {
    fn read(query: &str) -> Result<Self, ApiError> {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if KNOWN.contains(&&*name) {
                expect_utf8(query, &name, &value)?;
            }
            match &*name {
                "limit" => read.limit = Some(limit(&value)?),
                "cursor" => read.cursor = Some(cursor(&value)?),
                "author" => read.wanted.author = Some(Who::Exactly(value.into_owned())),
                "what" => read.wanted.what = Some(what(&value)?),
                "scriptName" => read.wanted.script_name = Some(parsed("scriptName", &value)?),
                "since" => read.wanted.since = Some(moment("since", &value)?),
                "until" => read.wanted.until = Some(moment("until", &value)?),
                _ => {
                    let (unknown, known) = (shown(&name, QUOTED_CHARS), KNOWN.join("`, `"));
                    return Err(ApiError::bad_request(format!(
                        "the parameter `{unknown}` is unknown; this operation has `{known}`"
                    )));
                }
            }
        }
        Ok(read)
    }
}

fn cursor(value: &str) -> Result<ActivityCursor, ApiError> {
    value.parse().map_err(|()| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!("`cursor` must be that of the header `Link` of an answer; got `{value}`"))
    })
}

fn what(value: &str) -> Result<What, ApiError> {
    value.parse().map_err(|()| {
        let (value, all) = (shown(value, QUOTED_CHARS), What::words().collect::<Vec<_>>().join("`, `"));
        ApiError::bad_request(format!("`what` must be one of `{all}`, or such as `translations/de`; got `{value}`"))
    })
}

/// Makes the representation of an item.
fn entry(of: ActivityItem) -> ActivityEntry {
    let created = time(of.created_at());
    match of {
        ActivityItem::Change(change) => ActivityEntry::Change(ChangeActivity {
            created,
            change: change.change.get().unsigned_abs(),
            size: change.size,
            revisions: change.revisions.into_iter().map(item).collect(),
        }),
        ActivityItem::Access(event) => ActivityEntry::Access(AccessActivity {
            created,
            action: event.action.as_str().to_owned(),
            subject: event.subject,
            author: author(event.by.origin.author),
            address: event.by.address.map(|address| address.to_string()),
            tracking_id: event.by.origin.tracking_id.map(|id| id.simple().to_string()),
        }),
        ActivityItem::Refused(refused) => ActivityEntry::Refused(RefusedActivity {
            created,
            client_id: refused.client_id,
            address: refused.address.to_string(),
            count: refused.count,
        }),
    }
}

/// Lists the activity of a tenant
///
/// The newest first. One change is one entry, however many connectors it changed. Changes of access, sign-ins and refused
/// sign-ins are there for those who may manage API clients. A page may have fewer entries than its limit, even none, where
/// more follow: a request looks at 5,000 revisions at most. The header `Link` says where to go on.
#[utoipa::path(
    get, path = ACTIVITY_PATH, operation_id = "listActivity", tag = "History", params(Parameters, IfNoneMatch),
    responses(
        (status = 200, description = "A page of the activity.", body = Vec<ActivityEntry>,
         headers(("Link" = String, description = "The address of the next page, with `rel=\"next\"`, if there may be one."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn list(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let read = Query::read(&query)?;
    if read.wanted.what.as_ref().is_some_and(What::is_access) {
        caller.has(Permission::ManageClients)?;
    }
    let with_access = caller.has(Permission::ManageClients).is_ok();
    let limit = read.limit.unwrap_or(LIMIT);
    let page = server.registry.activity(caller.tenant(), &read.wanted, with_access, read.cursor, limit).await?;
    let next = page.next.map(|next| ("cursor", next.to_string()));
    Ok(linked_page(&page.items.into_iter().map(entry).collect::<Vec<_>>(), ACTIVITY_PATH, &query, next))
}
