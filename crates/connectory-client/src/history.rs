//! The history of connectors. Only connectory has these operations.

use std::fmt;
use std::sync::Arc;

use connectory_model::ScriptName;
use connectory_model::wire::{CONNECTORS_PATH, ConnectorDetail, ConnectorRevision, REVISIONS_PATH, RevisionAction};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::Method;
use reqwest::header::LINK;
use url::Url;

use crate::error::Error;
use crate::http::Answer;
use crate::transport::Transport;

/// The revisions of a tenant or of a connector, the newest first: first the methods that select revisions, then the methods
/// that read them.
#[derive(Clone)]
#[must_use = "revisions are read by `all`, `stream` or `page`"]
pub struct Revisions {
    transport: Arc<Transport>,
    /// The connector whose path is read. None for the path of the tenant.
    of: Option<String>,
    query: Vec<(&'static str, String)>,
}

impl fmt::Debug for Revisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revisions").field("of", &self.of).field("query", &self.query).finish_non_exhaustive()
    }
}

impl Revisions {
    pub(crate) fn new(transport: Arc<Transport>, of: Option<String>) -> Self {
        Self { transport, of, query: Vec::new() }
    }

    /// Only those of the author with this id or name. Only for the revisions of a tenant, as the next six.
    pub fn author(self, author: &str) -> Self {
        self.with("author", author.to_owned())
    }

    /// Only those with this action.
    pub fn action(self, action: RevisionAction) -> Self {
        self.with("action", action.to_string())
    }

    /// Only those that changed this member, such as `sourceConfigXml` or `translations/de`; `translations` stands for the texts
    /// of all locales. Needs [`Capability::Activity`](crate::Capability::Activity), as the next one.
    pub fn changed(self, member: &str) -> Self {
        self.with("changed", member.to_owned())
    }

    /// Only those of the change with this number, which is [`ConnectorRevision::change`].
    pub fn change(self, number: u64) -> Self {
        self.with("change", number.to_string())
    }

    /// Only those of the connector with this script name.
    pub fn script_name(self, script_name: &ScriptName) -> Self {
        self.with("scriptName", script_name.to_string())
    }

    /// Only those of this time or later, such as `2026-05-04T00:00:00Z` (RFC 3339).
    pub fn since(self, time: &str) -> Self {
        self.with("since", time.to_owned())
    }

    /// Only those of this time or earlier.
    pub fn until(self, time: &str) -> Self {
        self.with("until", time.to_owned())
    }

    /// Only those with numbers below this one.
    pub fn before(self, revision: u64) -> Self {
        self.with("before", revision.to_string())
    }

    /// The number of revisions in a page: 1 to 250, 50 by default.
    pub fn page_size(self, revisions: usize) -> Self {
        self.with("limit", revisions.clamp(1, 250).to_string())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.query.retain(|(other, _)| *other != name);
        self.query.push((name, value));
        self
    }

    /// The first page.
    pub async fn page(&self) -> Result<Vec<ConnectorRevision>, Error> {
        self.fetch().await?.json()
    }

    /// All revisions. The stream fetches a page when the one before it has been read.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use std::pin::pin;
    ///
    /// use futures_util::TryStreamExt;
    ///
    /// let mut revisions = pin!(client.history("hr-system").stream());
    /// while let Some(revision) = revisions.try_next().await? {
    ///     println!("{} {} {}", revision.revision, revision.created, revision.action);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Result<ConnectorRevision, Error>> + Send {
        stream::try_unfold(Some(self), |next| async {
            let Some(revisions) = next else { return Ok(None) };
            let answer = revisions.fetch().await?;
            let page: Vec<ConnectorRevision> = answer.json()?;
            let next = before(&answer)?.map(|number| revisions.before(number));
            Ok::<_, Error>(Some((stream::iter(page).map(Ok), next)))
        })
        .try_flatten()
    }

    /// All revisions.
    pub async fn all(self) -> Result<Vec<ConnectorRevision>, Error> {
        self.stream().try_collect().await
    }

    async fn fetch(&self) -> Result<Answer, Error> {
        let with = |request: reqwest::RequestBuilder| request.query(&self.query);
        match &self.of {
            Some(of) => self.transport.call_below(CONNECTORS_PATH, Method::GET, &[of, "revisions"], &with).await,
            None => self.transport.call_below(REVISIONS_PATH, Method::GET, &[], &with).await,
        }
    }
}

/// The number below which the next page is, if there is one. The link's address is not followed: it is only read.
fn before(answer: &Answer) -> Result<Option<u64>, Error> {
    let links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(link) = links.flat_map(|value| value.split(", ")).find(|link| link.contains("rel=\"next\"")) else {
        return Ok(None);
    };
    let address = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    let number = address.and_then(|address| {
        let url: Url = answer.url.join(address).ok()?;
        url.query_pairs().find(|(name, _)| name == "before")?.1.parse().ok()
    });
    number.map(Some).ok_or_else(|| answer.unreadable(format!("its link `{link}` has no `before`")))
}

/// The connector at a revision.
pub(crate) async fn at(transport: &Transport, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
    let path = [script_name, "revisions", &revision.to_string()];
    transport.call_below(CONNECTORS_PATH, Method::GET, &path, &|request| request).await?.json()
}

/// The difference between two revisions.
pub(crate) async fn diff(
    transport: &Transport,
    script_name: &str,
    (from, to): (Option<u64>, Option<u64>),
) -> Result<String, Error> {
    let with = |request: reqwest::RequestBuilder| {
        let sides = [("from", from), ("to", to)];
        sides.into_iter().fold(request, |request, (name, number)| match number {
            Some(number) => request.query(&[(name, number)]),
            None => request,
        })
    };
    let answer = transport.call_below(CONNECTORS_PATH, Method::GET, &[script_name, "diff"], &with).await?;
    String::from_utf8(answer.body.clone()).map_err(|error| answer.unreadable(error.to_string()))
}

/// Restores a connector to a revision.
pub(crate) async fn restore(transport: &Transport, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
    let path = [script_name, "revisions", &revision.to_string(), "restore"];
    transport.call_below(CONNECTORS_PATH, Method::POST, &path, &|request| request).await?.json()
}
