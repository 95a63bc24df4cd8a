//! What changes in a tenant, as it happens. Only connectory has this operation.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backon::ExponentialBackoff;
use bytes::Bytes;
use connectory_model::wire::{ConnectorRevision, EVENTS_PATH, EventKind, EventReset};
use futures_util::{Stream, StreamExt, stream};
use reqwest::Response;
use sse_stream::{Sse, SseByteStream};
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::transport::Transport;

/// How long nothing may come. A service sends something every 15 seconds, so the connection is lost then.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a connection may last. The service ends it when its token expires.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// The shortest time before a stream connects again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of one event. More would fill the memory.
const LARGEST_EVENT: usize = 1 << 20;

/// Something that happened in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connector was created, changed, restored or deleted.
    Changed {
        /// The id of the event. [`Events::after`] goes on after it.
        id: String,
        /// Whether the connector was created, updated or deleted.
        kind: EventKind,
        /// The revision.
        revision: Box<ConnectorRevision>,
    },
    /// The service does not have the event with the given id: for example, a backup was restored. Read anew what you keep.
    /// Events go on after the revision.
    Reset {
        /// The id of the event.
        id: String,
        /// The newest revision, and why.
        reset: EventReset,
    },
}

impl Event {
    /// The id of the event. [`Events::after`] goes on after it.
    pub fn id(&self) -> &str {
        match self {
            Self::Changed { id, .. } | Self::Reset { id, .. } => id,
        }
    }
}

/// The events of a tenant: first where to begin, then the stream.
#[derive(Clone)]
#[must_use = "events are read by `stream`"]
pub struct Events {
    transport: Arc<Transport>,
    after: Option<String>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, after: None }
    }

    /// Begins after the event with this id, which a stream had before. Without it, a stream begins now.
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after = Some(id.into());
        self
    }

    /// The events. If the connection ends, the stream connects again, for as long as it takes, and goes on after the last event
    /// without a gap or a repetition. It ends with an error if the service refuses it, or if the first connection fails as often
    /// as [`Retries`](crate::Retries) allows.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use std::pin::pin;
    ///
    /// use connectory_client::Event;
    /// use futures_util::TryStreamExt;
    ///
    /// let mut events = pin!(client.events().stream());
    /// while let Some(event) = events.try_next().await? {
    ///     match event {
    ///         Event::Changed { kind, revision, .. } => println!("{kind} {}", revision.script_name),
    ///         _ => println!("read everything anew"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Result<Event, Error>> + Send {
        let state = Following { transport: self.transport, last: self.after, open: None, pauses: None };
        stream::try_unfold(state, |mut state| async { Ok(Some((state.next().await?, state))) })
    }
}

/// The blocks of one connection.
type Blocks = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

/// A stream that connects again.
struct Following {
    transport: Arc<Transport>,
    /// The id of the last event.
    last: Option<String>,
    open: Option<Blocks>,
    /// The pauses before the next connections, since the last event. None before the first connection.
    pauses: Option<ExponentialBackoff>,
}

impl Following {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let Some(open) = &mut self.open else {
                let last = self.last.clone();
                match self.transport.open(EVENTS_PATH, LONGEST, last.as_deref()).await {
                    Ok(response) => {
                        self.open = Some(blocks(response));
                        self.pauses.get_or_insert_with(|| self.transport.retries.endless_pauses(SHORTEST_PAUSE));
                    }
                    Err(error) if self.pauses.is_some() && error.is_temporary() => self.pause().await,
                    Err(error) => return Err(error),
                }
                continue;
            };
            if let Ok(Some(Ok(block))) = timeout(SILENCE, open.next()).await {
                if let Some(id) = &block.id {
                    self.last = Some(id.clone());
                }
                if let Some(event) = self.event(block)? {
                    self.pauses = Some(self.transport.retries.endless_pauses(SHORTEST_PAUSE));
                    return Ok(event);
                }
            } else {
                // It ended, broke or is silent.
                self.open = None;
                self.pause().await;
            }
        }
    }

    /// Waits before the next connection, the longer the more of them have failed.
    async fn pause(&mut self) {
        let pause = self.pauses.as_mut().and_then(Iterator::next);
        sleep(pause.unwrap_or(SHORTEST_PAUSE)).await;
    }

    /// The event of a block. None for one that this version does not know, and for one that only has an id.
    fn event(&self, block: Sse) -> Result<Option<Event>, Error> {
        let (Some(name), Some(data)) = (block.event, block.data) else { return Ok(None) };
        let Some(kind) = EventKind::ALL.iter().copied().find(|kind| kind.as_str() == name) else { return Ok(None) };
        let id = self.last.clone().unwrap_or_default();
        let unreadable =
            |error: serde_json::Error| Error::Decoding { url: EVENTS_PATH.to_owned(), reason: error.to_string() };
        Ok(Some(match kind {
            EventKind::Reset => Event::Reset { id, reset: serde_json::from_str(&data).map_err(unreadable)? },
            kind => {
                let revision = Box::new(serde_json::from_str(&data).map_err(unreadable)?);
                Event::Changed { id, kind, revision }
            }
        }))
    }
}

/// Reads the blocks of an answer. One that is too large ends them.
fn blocks(response: Response) -> Blocks {
    let unread = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&unread);
    let parts = stream::try_unfold((response, counted), |(mut response, unread)| async move {
        let Some(part) = response.chunk().await.map_err(io::Error::other)? else { return Ok(None) };
        if unread.fetch_add(part.len(), Ordering::Relaxed) + part.len() > LARGEST_EVENT {
            return Err(io::Error::other("an event is too large"));
        }
        Ok::<_, io::Error>(Some((part, (response, unread))))
    });
    let parts: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>> = Box::pin(parts);
    Box::pin(SseByteStream::new(parts).inspect(move |_| unread.store(0, Ordering::Relaxed)))
}
