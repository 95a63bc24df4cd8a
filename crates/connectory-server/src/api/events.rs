//! `GET /connectory/v1/events`: what changes in a tenant, as server-sent events (D54).
//!
//! The log of revisions is the queue. A stream reads some revisions after the last one that it sent, when its client has
//! taken those before. So a slow reader costs no memory, and a stream goes on where another one ended, on any server.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use connectory_model::limits::{
    CLIENT_LOOK, EVENT_STREAMS_PER_CLIENT, EVENT_STREAMS_PER_TENANT, EVENTS_HEARTBEAT, EVENTS_LOOK, EVENTS_READ,
};
use connectory_model::wire::{EVENTS_PATH, EventKind, EventReset};
use connectory_store::{Action, Revision, RevisionId, RevisionNumber, StoreError};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use utoipa::IntoParams;
use uuid::Uuid;

use super::history::item;
use super::openapi::Refusals;
use super::parameters::expect_no_parameters;
use crate::auth::{AuthError, Caller};
use crate::catalog::TenantCatalog;
use crate::http::error::ApiError;
use crate::state::ServerState;
use crate::work::Turn;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The header of a stream that goes on, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `stream` reads")]
pub struct LastEventId {
    /// The id of the last event that the client has. The stream goes on after it. Without it, the stream begins now.
    #[param(
        rename = "Last-Event-ID",
        example = "42-8e03978e40d543ddbc936894a57f9324-5b1c0f6a2d9e4c7f8a3b6d1e0f2c4a5b"
    )]
    last_event_id: Option<String>,
}

/// Streams what changes
///
/// Server-sent events: `connector.created`, `connector.updated` and `connector.deleted`, each with the revision as its data.
/// The id of an event, sent as `Last-Event-ID`, lets a stream go on after it without a gap or a repetition, on any server and
/// after a restart. If that is not possible, `reset` comes first: then read anew what you keep. The stream ends when its token
/// expires or its client is deleted.
#[utoipa::path(
    get, path = EVENTS_PATH, operation_id = "streamEvents", tag = "History", params(LastEventId),
    responses(
        (status = 200, description = "The events, until the client ends the connection.", body = String,
         content_type = "text/event-stream"),
        Refusals,
    ),
    security(("oauth2" = ["idn:connector-config:read"]))
)]
pub async fn stream(
    State(server): State<Arc<ServerState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    expect_no_parameters(request.uri())?;
    let turn = server.work.events_turn().ok_or_else(|| ApiError {
        status: StatusCode::TOO_MANY_REQUESTS,
        ..ApiError::unavailable(format!(
            "there are as many streams of events as there may be: {EVENT_STREAMS_PER_CLIENT} of a client, and \
             {EVENT_STREAMS_PER_TENANT} of a tenant; close one"
        ))
    })?;
    let last = request.headers().get(LAST_EVENT_ID);
    let last = last.map(|value| value.to_str().ok().and_then(|text| text.parse::<EventId>().ok()));
    let incarnation = server.store.incarnation().await?;
    let mut events = Events::new(server, caller, request.headers(), (turn, incarnation));
    match last {
        None => events.begin().await?,
        Some(Some(id)) if id.incarnation == events.incarnation => events.cursor = id.cursor,
        // What is no id is the id of another database.
        Some(_) => events.reset("the last event is one of another database, or a backup was restored").await?,
    }
    let events = stream::unfold(events, async |mut events| Some((events.next().await?, events)));
    let keep_alive = KeepAlive::new().interval(EVENTS_HEARTBEAT);
    let mut response =
        Sse::new(stream::StreamExt::map(events, Ok::<_, Infallible>)).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold the events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// A place in the log: the last revision that was sent, and the id of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    number: RevisionNumber,
    commit: Option<Uuid>,
}

/// The id of an event: a place, and the incarnation of the database. A restored backup is another incarnation, although it
/// may have the place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EventId {
    cursor: Cursor,
    incarnation: String,
}

impl Cursor {
    /// The place before the first revision.
    const START: Self = Self { number: RevisionNumber::ZERO, commit: None };

    fn of(revision: &Revision) -> Self {
        // Where a revision without one was restored into PostgreSQL, the id is zero.
        Self { number: revision.number, commit: revision.commit.filter(|commit| !commit.is_nil()) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { number, commit } = self.cursor;
        write!(f, "{number}-{}-{}", commit.unwrap_or_default().simple(), self.incarnation)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, rest) = text.split_once('-').ok_or(())?;
        let (commit, incarnation) = rest.split_once('-').ok_or(())?;
        let number = number.parse().ok().and_then(RevisionNumber::new).ok_or(())?;
        let commit = Uuid::try_parse(commit).map_err(|_| ())?;
        let cursor = Cursor { number, commit: (!commit.is_nil()).then_some(commit) };
        Ok(Self { cursor, incarnation: incarnation.to_owned() })
    }
}

/// A stream of events.
struct Events {
    server: Arc<ServerState>,
    caller: Caller,
    incarnation: String,
    /// The token, which is checked again and again.
    headers: HeaderMap,
    shown: watch::Receiver<RevisionNumber>,
    cursor: Cursor,
    /// Whether the revision at the cursor must be looked at, because the history may be another one.
    is_unsure: bool,
    ready: VecDeque<Event>,
    looked: Option<Instant>,
    found_client: Instant,
    _turn: Turn,
}

impl Events {
    fn new(server: Arc<ServerState>, caller: Caller, headers: &HeaderMap, (turn, incarnation): (Turn, String)) -> Self {
        let token = headers.get(header::AUTHORIZATION).cloned();
        let headers = token.map(|token| (header::AUTHORIZATION, token)).into_iter().collect();
        let shown = caller.tenant().shown();
        let (ready, found_client) = (VecDeque::new(), Instant::now());
        Self {
            server,
            caller,
            incarnation,
            headers,
            shown,
            cursor: Cursor::START,
            is_unsure: true,
            ready,
            looked: None,
            found_client,
            _turn: turn,
        }
    }

    fn tenant(&self) -> &Arc<TenantCatalog> {
        self.caller.tenant()
    }

    /// Begins with what comes after this. The client gets the id of this place without an event.
    async fn begin(&mut self) -> Result<(), StoreError> {
        self.cursor = self.newest().await?;
        self.ready.push_back(Event::default().id(self.id()));
        Ok(())
    }

    /// The id of the event at the cursor.
    fn id(&self) -> String {
        EventId { cursor: self.cursor, incarnation: self.incarnation.clone() }.to_string()
    }

    /// Says that what came before is not known, and goes on from here.
    async fn reset(&mut self, reason: &str) -> Result<(), StoreError> {
        self.cursor = self.newest().await?;
        let reset = EventReset { revision: self.cursor.number.get().unsigned_abs(), reason: reason.to_owned() };
        self.push(EventKind::Reset, &reset);
        Ok(())
    }

    /// The newest place that is visible.
    async fn newest(&self) -> Result<Cursor, StoreError> {
        let visible = self.tenant().revision();
        let newest = self.server.store.revisions(self.tenant().id(), None, RevisionNumber::new(visible.get() + 1), 1);
        Ok(newest.await?.first().map_or(Cursor::START, Cursor::of))
    }

    fn push(&mut self, kind: EventKind, data: &impl Serialize) {
        let data = serde_json::to_string(data).expect("events are JSON");
        self.ready.push_back(Event::default().id(self.id()).event(kind.as_str()).data(data));
    }

    /// The next event. None when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.looked.is_none_or(|looked| looked.elapsed() >= EVENTS_LOOK) {
                self.look().await?;
            }
            if self.is_unsure || self.cursor.number != self.tenant().revision() {
                match self.read().await {
                    Ok(()) if !self.ready.is_empty() => continue,
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "could not read events"),
                }
            }
            if let Ok(Err(_)) = timeout(EVENTS_LOOK, self.shown.changed()).await {
                // The tenant was lost. The next look finds it as it is loaded anew.
                sleep(EVENTS_LOOK).await;
            }
        }
    }

    /// Looks whether the stream may go on, and what other servers committed. None if it ends.
    async fn look(&mut self) -> Option<()> {
        self.looked = Some(Instant::now());
        if self.server.options.stopping.load(Ordering::Relaxed) {
            return None;
        }
        // A token that was verified some seconds ago is not verified again, so its client is looked for by itself.
        if self.found_client.elapsed() >= CLIENT_LOOK {
            match self.server.store.client(self.caller.client_id().to_owned()).await {
                Ok(None) => return None,
                Ok(Some(_)) => self.found_client = Instant::now(),
                Err(error) => tracing::debug!(%error, "could not look for the client of a stream of events"),
            }
        }
        match self.server.auth.caller(self.caller.version(), &self.headers).await {
            Ok(caller) => {
                if !Arc::ptr_eq(caller.tenant(), self.tenant()) {
                    // The tenant was loaded anew: its history may be another one.
                    self.shown = caller.tenant().shown();
                    self.is_unsure = true;
                }
                self.caller = caller;
            }
            Err(AuthError::Store(StoreError::Suspended)) => return None,
            Err(AuthError::Store(error)) => tracing::debug!(%error, "could not check a token"),
            Err(_) => return None,
        }
        if self.server.catalog.is_shared()
            && let Err(error) = self.server.catalog.fresh(self.tenant()).await
        {
            tracing::debug!(%error, "could not ask for what other servers committed");
        }
        Some(())
    }

    /// Makes events of the revisions after the cursor.
    async fn read(&mut self) -> Result<(), StoreError> {
        if self.is_unsure {
            let incarnation = self.server.store.incarnation().await?;
            if incarnation != self.incarnation {
                (self.incarnation, self.is_unsure) = (incarnation, false);
                return self.reset("a backup was restored").await;
            }
        }
        let (tenant, visible) = (self.tenant().id(), self.tenant().revision());
        // The revision at the cursor comes with them. If it is another one, so is the history.
        let before = RevisionNumber::new(self.cursor.number.get() - 1).unwrap_or(RevisionNumber::ZERO);
        let after = RevisionId { tenant, number: before };
        let mut revisions = self.server.store.revisions_after(after, EVENTS_READ).await?.into_iter().peekable();
        self.is_unsure = false;
        if self.cursor != Cursor::START && revisions.next_if(|first| Cursor::of(first) == self.cursor).is_none() {
            return self.reset("the history of this server does not have the last event").await;
        }
        for revision in revisions.take_while(|revision| revision.number <= visible) {
            let kind = match revision.action {
                Action::Create => EventKind::Created,
                Action::Delete => EventKind::Deleted,
                Action::Restore if self.was_deleted(&revision).await? => EventKind::Created,
                Action::Update | Action::Restore => EventKind::Updated,
            };
            self.cursor = Cursor::of(&revision);
            self.push(kind, &item(revision));
        }
        Ok(())
    }

    /// Whether a restore made a deleted connector anew.
    async fn was_deleted(&self, restored: &Revision) -> Result<bool, StoreError> {
        let Some(previous) = restored.previous else { return Ok(true) };
        let before = self.server.store.revision(self.tenant().id(), restored.script_name.clone(), previous).await?;
        Ok(before.is_none_or(|before| before.action == Action::Delete))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(number in 0..RevisionNumber::MAX.get(), commit: u128, incarnation in "[0-9a-f]{32}") {
            let commit = Some(Uuid::from_u128(commit)).filter(|commit| !commit.is_nil());
            let cursor = Cursor { number: RevisionNumber::new(number).unwrap(), commit };
            let id = EventId { cursor, incarnation };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_is_an_id_or_not(text: String) {
            let _ = text.parse::<EventId>();
        }
    }
}
