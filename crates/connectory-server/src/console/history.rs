//! The history of a connector: who changed what and when, what a change changed, and the way back. A deleted connector
//! keeps its history, and comes back from it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::document::DocumentKind;
use connectory_model::folder::locale_file;
use connectory_model::translations::Properties;
use connectory_model::{Connector, Locale, ScriptName, Status};
use connectory_store::{Action, Change, Edit, Refusal, Revision, RevisionId, RevisionNumber};
use maud::{Markup, html};

use super::connector::{Tab, page as connector_page, url};
use super::diff;
use super::form::Submitted;
use super::metadata::pretty;
use super::page::{Place, SignedIn, View, done, parameter, time};
use crate::api::edit::{self, Answer};
use crate::api::parameters::ScriptNamePath;
use crate::app::App;
use crate::auth::Caller;
use crate::catalog::Source;
use crate::error::ApiError;

/// How many revisions a page has (our decision).
const PAGE: u32 = 50;

/// A table of revisions, where they are of several connectors with their names.
pub fn table(view: &View, revisions: &[Revision], of_several: bool) -> Markup {
    html! {
        table.revisions {
            thead { tr {
                th scope="col" { (view.t("history.revision")) }
                th scope="col" { (view.t("history.when")) }
                th scope="col" { (view.t("history.who")) }
                @if of_several { th scope="col" { (view.t("history.connector")) } }
                th scope="col" { (view.t("history.what")) }
            } }
            tbody {
                @for revision in revisions {
                    tr {
                        th scope="row" { a href=(url(&revision.script_name, &format!("/history/{}", revision.number))) { (revision.number) } }
                        td data-label=(view.t("history.when")) { (time(revision.created_at)) }
                        td data-label=(view.t("history.who")) {
                            @let author = &revision.author;
                            span title=(author.id) { (author.name.as_ref().unwrap_or(&author.id)) }
                        }
                        @if of_several {
                            td data-label=(view.t("history.connector")) { a href=(url(&revision.script_name, "/history")) { (revision.script_name) } }
                        }
                        td data-label=(view.t("history.what")) {
                            span.change data-action=(revision.action.as_str()) { (view.t(&format!("action.{}", revision.action.as_str()))) }
                            " " (revision.changed.join(", "))
                        }
                    }
                }
            }
        }
    }
}

/// Part of a list of revisions, with ways to the newer and the older ones.
fn part(view: &View, of: &str, before: Option<RevisionNumber>, revisions: &[Revision], table: &Markup) -> Markup {
    html! {
        (table)
        nav.pages aria-label=(view.t("list.pages")) {
            @if before.is_some() { a.button href=(of) { (view.t("activity.newest")) } }
            @if let Some(last) = revisions.last().filter(|_| revisions.len() == PAGE as usize) {
                a.button rel="next" href=(format!("{of}?before={}", last.number)) { (view.t("activity.older")) }
            }
        }
    }
}

/// The revision that a query wants to see what came before of.
fn before(query: &str) -> Option<RevisionNumber> {
    parameter(query, "before").parse().ok().and_then(RevisionNumber::new)
}

/// Where a connector is at a revision.
fn stored(caller: &Caller, revision: &Revision) -> Source {
    Source::Stored(RevisionId { tenant: caller.tenant().id(), number: revision.number })
}

/// A connector and its past, which may be all that is left of it.
struct Past {
    /// As it is, or was when it was deleted.
    newest: Arc<Connector>,
    /// Where it is now.
    current: Option<Source>,
}

impl Past {
    async fn find(app: &App, caller: &Caller, script_name: &ScriptName) -> Result<Self, ApiError> {
        let current = edit::find(caller, script_name).ok().map(|entry| entry.source);
        let source = match current {
            Some(source) => source,
            None => {
                match app.store.revisions(caller.tenant().id(), Some(script_name.clone()), None, 1).await?.first() {
                    Some(last) => stored(caller, last),
                    None => return Err(ApiError::no_connector(script_name.as_str())),
                }
            }
        };
        Ok(Self { newest: app.catalog.connector(source).await?, current })
    }

    fn status(&self) -> Option<Status> {
        self.current.map(|_| self.newest.status)
    }

    /// The revision of this number and the one before it: of this connector of this tenant, or it is not found.
    async fn at(&self, app: &App, caller: &Caller, number: i64) -> Result<(Revision, Option<Revision>), ApiError> {
        let read = async |number| match number {
            Some(number) => app.store.revision(caller.tenant().id(), self.newest.script_name.clone(), number).await,
            None => Ok(None),
        };
        let revision = read(RevisionNumber::new(number)).await?;
        let revision =
            revision.ok_or_else(|| ApiError::not_found(format!("the connector has no revision {number}")))?;
        // Before a creation there was another connector of the same name, or none.
        let before = read(revision.previous.filter(|_| revision.action != Action::Create)).await?;
        Ok((revision, before))
    }

    fn page(&self, view: &View, content: &Markup) -> Response {
        connector_page(view, &self.newest.name, &self.newest.script_name, self.status(), Tab::History, content)
    }
}

/// The page.
pub async fn page(
    State(app): State<Arc<App>>,
    SignedIn { view, caller }: SignedIn,
    ScriptNamePath(script_name): ScriptNamePath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let past = Past::find(&app, &caller, &script_name).await?;
    let query = query.unwrap_or_default();
    let before = before(&query);
    let revisions = app.store.revisions(caller.tenant().id(), Some(script_name.clone()), before, PAGE).await?;
    let content = html! {
        (done(&view, &query))
        @if revisions.is_empty() { p.empty { (view.t("overview.no_revisions")) } }
        @else { (part(&view, &url(&script_name, "/history"), before, &revisions, &table(&view, &revisions, false))) }
    };
    Ok(past.page(&view, &content))
}

/// A script name and a revision's number.
type RevisionPath = Path<(ScriptName, i64)>;

/// What a revision changed.
pub async fn revision(
    State(app): State<Arc<App>>,
    SignedIn { view, caller }: SignedIn,
    path: Result<RevisionPath, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    let Path((script_name, number)) = path.map_err(|_| ApiError::not_found("there is no such revision"))?;
    let past = Past::find(&app, &caller, &script_name).await?;
    let (revision, before) = past.at(&app, &caller, number).await?;
    let after = app.catalog.connector(stored(&caller, &revision)).await?;
    let deleted = revision.action == Action::Delete;
    let old = match before {
        Some(before) => Some(app.catalog.connector(stored(&caller, &before)).await?),
        None => None,
    };
    let is_current = past.current == Some(stored(&caller, &revision));
    let can_restore = view.may_write() && !is_current && !matches!(past.current, Some(Source::BuiltIn(_)));
    let bytes = after.size() + old.as_ref().map_or(0, |old| old.size());
    let page = app.work.run(bytes, move |stop| {
        let mut budget = diff::Budget::of(stop);
        let differences =
            if deleted { differences(Some(&after), None) } else { differences(old.as_deref(), Some(&after)) };
        let content = html! {
            p { a href=(url(&script_name, "/history")) { "← " (view.t("tab.history")) } }
            h2 { (view.f("list.revision", &[&number])) }
            (table(&view, std::slice::from_ref(&revision), false))
            @if can_restore {
                form method="post" action=(url(&script_name, &format!("/history/{number}/restore"))) {
                    (view.token())
                    p { button type="submit" { (view.f("history.restore", &[&number])) } }
                }
            } @else if is_current { p.note { (view.t("history.current")) } }
            @if differences.is_empty() { p.empty { (view.t("history.no_difference")) } }
            @for (part, old, new) in differences.iter().take_while(|_| !stop.has_left()) {
                section.part-of-diff {
                    h3 { (part) }
                    (diff::side_by_side(&view, old, new, ["history.before", "history.after"], &mut budget))
                }
            }
        };
        past.page(&view, &content)
    });
    Ok(page.await?)
}

/// A part of a connector, and its text before and after.
type Difference<'a> = (String, Cow<'a, str>, Cow<'a, str>);

/// The parts in which two states of a connector differ, as texts; without a state, from or to nothing.
fn differences<'a>(old: Option<&'a Connector>, new: Option<&'a Connector>) -> Vec<Difference<'a>> {
    let document = |connector: Option<&'a Connector>, kind| -> Cow<'a, str> {
        connector.map(|connector| connector.document(kind)).unwrap_or_default().into()
    };
    let metadata = |connector: Option<&Connector>| -> Cow<'a, str> {
        connector.map(|connector| pretty(&connector.connector_metadata)).unwrap_or_default().into()
    };
    let texts = |connector: Option<&'a Connector>, locale: Locale| -> Cow<'a, str> {
        let properties = connector.and_then(|connector| connector.translations.0.get(&locale));
        properties.map(Properties::text).unwrap_or_default().into()
    };
    let parts = [("connectorMetadata".to_owned(), metadata(old), metadata(new))].into_iter();
    let documents = DocumentKind::ALL
        .into_iter()
        .map(|kind| (kind.file_name().to_owned(), document(old, kind), document(new, kind)));
    let locales: BTreeSet<Locale> =
        [old, new].into_iter().flatten().flat_map(|connector| connector.translations.0.keys().copied()).collect();
    let translations = locales.into_iter().map(|locale| (locale_file(locale), texts(old, locale), texts(new, locale)));
    parts.chain(documents).chain(translations).filter(|(_, old, new)| old != new).collect()
}

/// Makes a connector again what it was at a revision, as a new revision.
pub async fn restore(
    State(app): State<Arc<App>>,
    path: Result<RevisionPath, axum::extract::rejection::PathRejection>,
    Submitted { caller, .. }: Submitted,
) -> Result<Response, ApiError> {
    let Path((script_name, number)) = path.map_err(|_| ApiError::not_found("there is no such revision"))?;
    let past = Past::find(&app, &caller, &script_name).await?;
    let (revision, _) = past.at(&app, &caller, number).await?;
    let old = app.catalog.connector(stored(&caller, &revision)).await?;
    let size = old.size();
    if past.current.is_none() {
        if caller.tenant().snapshot().has_name(&old.name) {
            return Err(Refusal::NameTaken { edit: 0 }.into());
        }
        let max_connector = app.options.max_connector;
        let make = move |_: &_| -> Result<Edit, ApiError> {
            old.check_bounds(max_connector).map_err(|error| ApiError::out_of_bounds(&error))?;
            let changed: Vec<_> = differences(None, Some(&old)).into_iter().map(|(part, ..)| part).collect();
            Ok(Edit::new(Change::Create, old, &changed, None).restoring())
        };
        let edit = app.work.run(size, make).await??;
        app.catalog.commit(caller.tenant(), edit, caller.origin()).await?;
    } else {
        let next = move |connector: &Connector| {
            let changed: Vec<_> = differences(Some(connector), Some(&old)).into_iter().map(|(part, ..)| part).collect();
            // The name of a connector that was deleted and created again may be another one.
            let next = Connector { name: connector.name.clone(), ..(*old).clone() };
            Ok((next != *connector).then_some((next, changed)))
        };
        edit::edit(&app, &caller, &script_name, (size, Answer::ShortToRestore), next).await?;
    }
    Ok(Redirect::to(&url(&script_name, "/history?done=restored")).into_response())
}

/// What changed lately in the tenant.
pub async fn activity(
    State(app): State<Arc<App>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let before = before(&query.unwrap_or_default());
    let revisions = app.store.revisions(caller.tenant().id(), None, before, PAGE).await?;
    let content = html! {
        h1 { (view.t("nav.activity")) }
        @if revisions.is_empty() { p.empty { (view.t("activity.none")) } }
        @else { (part(&view, "/console/activity", before, &revisions, &table(&view, &revisions, true))) }
    };
    Ok(view.page(Place::Activity, view.t("nav.activity"), &content))
}
