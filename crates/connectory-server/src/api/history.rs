//! The history of connectors, under `/connectory/v1` (D53): revisions, the connector at a revision, differences, and
//! restoring one.

use std::borrow::Cow;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connectory_model::limits::QUOTED_CHARS;
use connectory_model::wire::{
    ConnectorDetail, ConnectorRevision, DELETED_PATH, DIFF_TYPE, DeletedConnector, Open, REVISIONS_PATH,
    RevisionAction, RevisionAuthor, RevisionAuthorKind,
};
use connectory_model::{Locale, ScriptName, Search, shown};
use connectory_store::{Action, Author, AuthorKind, Deleted, DeletedKind, Revision, RevisionNumber, Who};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::IntoParams;

use super::errors;
use super::once::{self, IdempotencyKey, Outcome};
use super::openapi::{IfMatch, IfNoneMatch, NotModified, Refusals, Reused, Unexpected};
use super::parameters::{expect_no_fields, expect_utf8, search_text};
use crate::auth::Caller;
use crate::catalog::{Detail, Source};
use crate::http::conditional::Condition;
use crate::http::error::ApiError;
use crate::http::etag::ETag;
use crate::http::path::{ScriptNamePath, path_parameter};
use crate::http::response::tagged_json;
use crate::registry::{Edited, MEMBERS, RegistryError, RevisionsPage, RevisionsWanted, is_member, time};
use crate::state::ServerState;

/// The largest number of revisions in a page.
const MAX_LIMIT: usize = 250;
/// The number of revisions in a page whose request does not say how many.
pub(super) const LIMIT: usize = 50;

/// The query of a history, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Query` reads")]
pub struct PageParameters {
    /// How many revisions to answer at most.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u32>,
    /// Only revisions with numbers below this one. The header `Link` of an answer has the next value.
    #[param(minimum = 1, example = 42)]
    before: Option<u64>,
}

/// The filters of the tenant's revisions, as they are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents what `Query` reads")]
pub struct FilterParameters {
    /// Only those of the connector with this script name.
    script_name: Option<String>,
    /// Only those of the author with this id or name.
    author: Option<String>,
    /// Only those with this action.
    action: Option<RevisionAction>,
    /// Only those that changed this member. `translations` stands for the texts of all locales.
    #[param(example = "translations/de")]
    changed: Option<String>,
    /// Only those of the change with this number, which is `change` of each of its revisions.
    #[param(minimum = 1)]
    change: Option<u64>,
    /// Only those of this time or later (RFC 3339).
    #[param(example = "2026-05-04T00:00:00Z")]
    since: Option<String>,
    /// Only those of this time or earlier (RFC 3339).
    until: Option<String>,
}

/// The search in deleted connectors, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Query` reads")]
pub struct SearchParameters {
    /// Only those whose name, type or script name contains this text, compared as names are. A blank text selects all.
    #[param(example = "directory", max_length = 255)]
    q: Option<String>,
}

/// The query of a difference, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Query` reads")]
pub struct DiffParameters {
    /// The older revision. Without it, the state before `to` is compared.
    #[param(minimum = 1)]
    from: Option<u64>,
    /// The newer revision. Without it, the connector as it is now is compared.
    #[param(minimum = 1)]
    to: Option<u64>,
}

/// A parameter of a query: its name and its value.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a query. One that the operation does not have is refused (D41).
pub(super) fn known_parameters<'a>(query: &'a str, known: &[&str]) -> Result<Vec<Parameter<'a>>, ApiError> {
    let parameters: Vec<Parameter<'a>> = form_urlencoded::parse(query.as_bytes()).collect();
    for (name, value) in &parameters {
        if !known.contains(&&**name) {
            let (unknown, known) = (shown(name, QUOTED_CHARS), known.join("`, `"));
            return Err(ApiError::bad_request(format!(
                "the parameter `{unknown}` is unknown; this operation has `{known}`"
            )));
        }
        expect_utf8(query, name, value)?;
    }
    Ok(parameters)
}

/// The query of an operation of the history. A parameter that the operation does not have is refused (D41).
#[derive(Default)]
struct Query {
    limit: Option<usize>,
    before: Option<RevisionNumber>,
    from: Option<RevisionNumber>,
    to: Option<RevisionNumber>,
    search: Option<Search>,
    wanted: RevisionsWanted,
}

impl Query {
    fn read(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        let mut read = Self::default();
        for (name, value) in known_parameters(query, known)? {
            match &*name {
                "limit" => read.limit = Some(limit(&value)?),
                "before" => read.before = Some(number("before", &value)?),
                "from" => read.from = Some(number("from", &value)?),
                "to" => read.to = Some(number("to", &value)?),
                "q" => read.search = search_text(query, &value)?,
                "scriptName" => read.wanted.script_name = Some(parsed("scriptName", &value)?),
                "author" => read.wanted.filter.author = Some(Who::Exactly(value.into_owned())),
                "action" => read.wanted.filter.action = Some(action(&value)?),
                "changed" => read.wanted.filter.changed = Some(member(&value)?),
                "change" => read.wanted.change = Some(number("change", &value)?),
                "since" => read.wanted.since = Some(moment("since", &value)?),
                _ => read.wanted.until = Some(moment("until", &value)?),
            }
        }
        Ok(read)
    }
}

pub(super) fn limit(value: &str) -> Result<usize, ApiError> {
    value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!("`limit` must be an integer from 1 to {MAX_LIMIT}, got `{value}`"))
    })
}

/// A number that is written in one way only.
fn digits(text: &str) -> Option<RevisionNumber> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (!text.starts_with('0') || text == "0");
    RevisionNumber::new(text.parse().ok().filter(|_| is_plain)?)
}

pub(super) fn number(name: &str, value: &str) -> Result<RevisionNumber, ApiError> {
    let number = digits(value).filter(|number| *number > RevisionNumber::ZERO);
    number.ok_or_else(|| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!("`{name}` must be the number of a revision, such as 42; got `{value}`"))
    })
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, ApiError> {
    value.parse().map_err(|error| ApiError::bad_request(format!("`{name}`: {error}")))
}

fn action(value: &str) -> Result<Action, ApiError> {
    let action = Action::ALL.iter().find(|action| action.as_str() == value);
    action.copied().ok_or_else(|| {
        let (value, all) = (shown(value, QUOTED_CHARS), Action::ALL.iter().map(|action| action.as_str()));
        let all = all.collect::<Vec<_>>().join("`, `");
        ApiError::bad_request(format!("`action` must be one of `{all}`; got `{value}`"))
    })
}

fn member(value: &str) -> Result<String, ApiError> {
    is_member(value).then(|| value.to_owned()).ok_or_else(|| {
        let (value, all) = (shown(value, QUOTED_CHARS), MEMBERS.join("`, `"));
        ApiError::bad_request(format!("`changed` must be one of `{all}`, or such as `translations/de`; got `{value}`"))
    })
}

pub(super) fn moment(name: &str, value: &str) -> Result<i64, ApiError> {
    value.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| {
        let value = shown(value, QUOTED_CHARS);
        ApiError::bad_request(format!(
            "`{name}` must be a time of RFC 3339 with its offset, such as 2026-05-04T03:02:01Z; got `{value}`"
        ))
    })
}

/// The number of a revision in a path. What is no number is an error 404, like the number of no revision.
pub struct RevisionPath(pub(super) RevisionNumber);

impl<S: Send + Sync> FromRequestParts<S> for RevisionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_parameter(parts, state, "revision").await;
        digits(&text).map(Self).ok_or_else(|| {
            ApiError::not_found(format!("`{}` is not the number of a revision, such as 42", shown(&text, QUOTED_CHARS)))
        })
    }
}

/// Makes the representation of a revision.
pub fn item(revision: Revision) -> ConnectorRevision {
    let number = |number: RevisionNumber| number.get().unsigned_abs();
    let action = match revision.action {
        Action::Create => RevisionAction::Create,
        Action::Update => RevisionAction::Update,
        Action::Delete => RevisionAction::Delete,
        Action::Restore => RevisionAction::Restore,
    };
    ConnectorRevision {
        revision: number(revision.number),
        change: number(revision.change),
        script_name: revision.script_name,
        action: Open::Known(action),
        changed: revision.changed,
        author: author(revision.author),
        tracking_id: revision.tracking_id.map(|id| id.simple().to_string()),
        created: time(revision.created_at),
        body: revision.has_body,
    }
}

/// Makes the representation of an author.
pub(super) fn author(author: Author) -> RevisionAuthor {
    let kind = match author.kind {
        AuthorKind::Client => RevisionAuthorKind::Client,
        AuthorKind::Person => RevisionAuthorKind::Person,
        AuthorKind::Operator => RevisionAuthorKind::Operator,
    };
    RevisionAuthor { kind: Open::Known(kind), id: author.id, name: author.name }
}

/// Makes the response for a page of revisions.
fn page(path: &str, query: &str, page: RevisionsPage) -> Response {
    let revisions: Vec<_> = page.revisions.into_iter().map(item).collect();
    linked_page(&revisions, path, query, page.next.map(|next| ("before", next.to_string())))
}

/// Makes the response for a page, with a link to the next one (RFC 8288). `next` is the parameter of the next page.
pub(super) fn linked_page(items: &impl Serialize, path: &str, query: &str, next: Option<(&str, String)>) -> Response {
    let json = Bytes::from(serde_json::to_vec(items).expect("answers are JSON"));
    let etag = ETag::of(&json);
    let mut response = tagged_json(json, etag);
    if let Some((parameter, next)) = next {
        let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != parameter);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(parameter, &next);
        if let Ok(link) = HeaderValue::from_str(&format!("<{path}?{}>; rel=\"next\"", query.finish())) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    response
}

/// Lists the revisions of a tenant
///
/// The newest first. A page may have fewer revisions than its limit, even none, where more follow: a request looks at 20,000
/// revisions at most. The header `Link` says where to go on.
#[utoipa::path(
    get, path = REVISIONS_PATH, operation_id = "listRevisions", tag = "History", params(PageParameters, FilterParameters, IfNoneMatch),
    responses(
        (status = 200, description = "A page of revisions.", body = Vec<ConnectorRevision>,
         headers(("Link" = String, description = "The address of the next page, with `rel=\"next\"`, if there may be one."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn of_tenant(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let known = ["limit", "before", "scriptName", "author", "action", "changed", "change", "since", "until"];
    let read = Query::read(&query, &known)?;
    let limit = read.limit.unwrap_or(LIMIT);
    let found = server.registry.revisions(caller.tenant(), &read.wanted, read.before, limit).await?;
    Ok(page(REVISIONS_PATH, &query, found))
}

/// Lists the deleted connectors of a tenant
///
/// Those that are not there again, the last deleted first. To restore one, restore the revision of its deletion. A page may
/// have fewer connectors than its limit, even none, where more follow: a search looks at 2,000 connectors at most. The header
/// `Link` says where to go on.
#[utoipa::path(
    get, path = DELETED_PATH, operation_id = "listDeletedConnectors", tag = "History",
    params(PageParameters, SearchParameters, IfNoneMatch),
    responses(
        (status = 200, description = "A page of deleted connectors.", body = Vec<DeletedConnector>,
         headers(("Link" = String, description = "The address of the next page, with `rel=\"next\"`, if there may be one."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn deleted(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let read = Query::read(&query, &["limit", "before", "q"])?;
    let limit = read.limit.unwrap_or(LIMIT);
    let (registry, kind) = (&server.registry, DeletedKind::Free);
    let found = registry.deleted(caller.tenant(), kind, read.search.as_ref(), read.before, limit).await?;
    let connectors: Vec<_> = found.deleted.into_iter().map(deleted_item).collect();
    let next = found.next.map(|next| ("before", next.to_string()));
    Ok(linked_page(&connectors, DELETED_PATH, &query, next))
}

fn deleted_item(Deleted { deletion, name, connector_type, .. }: Deleted) -> DeletedConnector {
    DeletedConnector { script_name: deletion.script_name.clone(), name, connector_type, deletion: item(deletion) }
}

/// Lists the revisions of a connector
///
/// The newest first. A deleted connector keeps its history. A built-in connector has none.
#[utoipa::path(
    get, path = "/{scriptName}/revisions", operation_id = "listConnectorRevisions", tag = "History",
    params(("scriptName" = String, Path, description = "The connector's script name."), PageParameters, IfNoneMatch),
    responses(
        (status = 200, description = "A page of revisions.", body = Vec<ConnectorRevision>,
         headers(("Link" = String, description = "The address of the next page, with `rel=\"next\"`, if there may be one."))),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn of_connector(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let read = Query::read(&query, &["limit", "before"])?;
    let path = format!("{}/{}/revisions", caller.version().base, encoded(&script_name));
    let wanted = RevisionsWanted { script_name: Some(script_name.clone()), ..RevisionsWanted::default() };
    let limit = read.limit.unwrap_or(LIMIT);
    let found = server.registry.revisions(caller.tenant(), &wanted, read.before, limit).await?;
    if found.revisions.is_empty() && caller.tenant().entry(&script_name).is_none() {
        // One that was deleted has revisions, at least without `before`.
        let newest = server.registry.history(caller.tenant(), &script_name, None, 1).await?;
        newest.first().ok_or_else(|| RegistryError::NotFound(script_name.clone()))?;
    }
    Ok(page(&path, &query, found))
}

fn encoded(script_name: &ScriptName) -> String {
    percent_encoding::utf8_percent_encode(script_name.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Gets a connector as it was at a revision
///
/// At a deletion, it is the connector that was deleted. 410 if the retention of the server removed it.
#[utoipa::path(
    get, path = "/{scriptName}/revisions/{revision}", operation_id = "getConnectorRevision", tag = "History",
    params(
        ("scriptName" = String, Path, description = "The connector's script name."),
        ("revision" = u64, Path, description = "The number of the revision."),
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "The connector with its documents.", body = ConnectorDetail),
        (status = 410, description = "The retention of the server removed the connector at this revision."),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn get(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    RevisionPath(number): RevisionPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Query::read(&query.unwrap_or_default(), &[])?;
    let (_, source) = server.registry.revision(caller.tenant(), &script_name, number).await?;
    let key = (source, Locale::En, caller.version().detail_shape);
    let detail = server.catalog.detail(caller.tenant(), key).await?;
    Ok(tagged_json(detail.json, detail.etag))
}

/// Compares two states of a connector
///
/// Unified differences of the files of its folder, as `git diff` prints them: `connector.yaml` with name, type, metadata and
/// so on, the documents, and the texts of each locale.
#[utoipa::path(
    get, path = "/{scriptName}/diff", operation_id = "diffConnector", tag = "History",
    params(("scriptName" = String, Path, description = "The connector's script name."), DiffParameters, IfNoneMatch),
    responses(
        (status = 200, description = "The differences. Empty if there are none.", body = String, content_type = DIFF_TYPE),
        (status = 410, description = "The retention of the server removed the connector at one of the revisions."),
        NotModified, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn diff(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let read = Query::read(&query.unwrap_or_default(), &["from", "to"])?;
    let diff = server.registry.diff(caller.tenant(), &script_name, (read.from, read.to)).await?;
    Ok(diff_response(diff))
}

/// Makes the response for differences.
pub(super) fn diff_response(diff: String) -> Response {
    let content_type = HeaderValue::from_static("text/x-diff; charset=utf-8");
    (ETag::of(&diff), [(header::CONTENT_TYPE, content_type)], diff).into_response()
}

/// Restores a connector to a revision
///
/// A new revision gives the connector the state that it had. Nothing is rewritten. A deleted connector is there again, unless
/// another one has its name by now. One that exists keeps its name.
#[utoipa::path(
    post, path = "/{scriptName}/revisions/{revision}/restore", operation_id = "restoreConnector", tag = "History",
    params(
        ("scriptName" = String, Path, description = "The connector's script name."),
        ("revision" = u64, Path, description = "The number of the revision."),
        IfMatch, IdempotencyKey,
    ),
    responses(
        (status = 200, description = "The connector as it is now.", body = ConnectorDetail,
         headers(("Idempotency-Replayed" = bool, description = "Extension: `true` in the answer to a repeat."))),
        (status = 409, description = "Another connector has the name of the deleted one."),
        (status = 410, description = "The retention of the server removed the connector at this revision."),
        Unexpected, Reused, Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:manage"]))
)]
pub async fn restore(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    ScriptNamePath(script_name): ScriptNamePath,
    RevisionPath(number): RevisionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    expect_no_fields(&server, &head, body).await?;
    let once = once::read(&server, &caller, &head, &Bytes::new()).await?;
    let (tenant, shape) = (caller.tenant(), caller.version().detail_shape);
    let condition = Condition::of_change(&head.headers)?;
    let restored = |detail: Detail| tagged_json(detail.json, detail.etag);
    let restore = pin!(async {
        let edited = server.registry.restore(tenant, &caller.origin(), once, &script_name, (number, condition)).await;
        match edited {
            // A name that is taken is no fault of this request.
            Err(RegistryError::NameTaken) => Err(ApiError {
                status: StatusCode::CONFLICT,
                ..ApiError::bad_request(
                    "another connector has the name of the deleted one; rename or delete that first",
                )
            }),
            Err(error) => Err(Box::pin(errors::of_change(&server, &caller, error)).await),
            Ok(Edited::Changed(source, connector)) => {
                let detail = server.catalog.render(tenant, (source, Locale::En, shape), connector).await?;
                Ok(Outcome::Committed(restored(detail)))
            }
            Ok(Edited::Unchanged(source)) => {
                let detail = server.catalog.detail(tenant, (source, Locale::En, shape)).await?;
                Ok(Outcome::Nothing(restored(detail)))
            }
        }
    });
    let repeat =
        async |id, _| Ok(restored(server.catalog.detail(tenant, (Source::Stored(id), Locale::En, shape)).await?));
    once::respond(&server, &caller, once, restore, repeat).await
}
