//! The history of connectors. Only connectory has these operations.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use connectory_model::wire::{
    ACTIVITY_PATH, ActivityEntry, COMPARE_PATH, CONNECTORS_PATH, ConnectorDetail, ConnectorRevision, DELETED_PATH,
    DeletedConnector, REVISIONS_PATH, RevisionAction,
};
use connectory_model::{ScriptName, Search};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::Method;
use reqwest::header::LINK;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::http::Answer;
use crate::transport::Transport;

/// The revisions of a tenant or of a connector, the newest first.
pub type Revisions = Pages<ConnectorRevision>;

/// The deleted connectors of a tenant that are not there again, the last deleted first.
pub type DeletedConnectors = Pages<DeletedConnector>;

/// What happened in a tenant: changes, and for those who may manage API clients, changes of access, sign-ins and refused sign-ins.
/// Entries of a kind that this version does not know are left out.
pub type Activity = Pages<ActivityEntry>;

/// What the service answers page by page, the newest first: first the methods that select, then the methods that read.
#[must_use = "pages are read by `all`, `stream` or `page`"]
pub struct Pages<T> {
    transport: Arc<Transport>,
    path: &'static str,
    /// The part of the path below it.
    below: Vec<String>,
    query: Vec<(&'static str, String)>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Pages<T> {
    fn clone(&self) -> Self {
        let Self { transport, path, below, query, of } = self;
        Self { transport: Arc::clone(transport), path, below: below.clone(), query: query.clone(), of: *of }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, below, query, .. } = self;
        f.debug_struct("Pages").field("path", path).field("below", below).field("query", query).finish_non_exhaustive()
    }
}

impl Pages<ConnectorRevision> {
    /// Those of a tenant.
    pub(crate) fn of_tenant(transport: Arc<Transport>) -> Self {
        Self::new(transport, REVISIONS_PATH, Vec::new())
    }

    /// Those of a connector.
    pub(crate) fn of_connector(transport: Arc<Transport>, script_name: &str) -> Self {
        Self::new(transport, CONNECTORS_PATH, vec![script_name.to_owned(), "revisions".to_owned()])
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
}

impl Pages<DeletedConnector> {
    pub(crate) fn deleted(transport: Arc<Transport>) -> Self {
        Self::new(transport, DELETED_PATH, Vec::new())
    }

    /// Only those whose name, type or script name contains a text.
    pub fn search(self, search: &Search) -> Self {
        self.with("q", search.as_str().to_owned())
    }

    /// Only those that were deleted by a revision below this number.
    pub fn before(self, revision: u64) -> Self {
        self.with("before", revision.to_string())
    }
}

impl Pages<ActivityEntry> {
    pub(crate) fn activity(transport: Arc<Transport>) -> Self {
        Self::new(transport, ACTIVITY_PATH, Vec::new())
    }

    /// Only that of the author with this id or name. Refused sign-ins have an id only.
    pub fn author(self, author: &str) -> Self {
        self.with("author", author.to_owned())
    }

    /// Only this: `changes`, an action of a revision such as `create`, a member that changed such as `translations`, `access`,
    /// the action of an access event such as `sign_in`, or `refused`.
    pub fn what(self, what: &str) -> Self {
        self.with("what", what.to_owned())
    }

    /// Only changes of the connector with this script name.
    pub fn script_name(self, script_name: &ScriptName) -> Self {
        self.with("scriptName", script_name.to_string())
    }

    /// Only that of this time or later, such as `2026-05-04T00:00:00Z` (RFC 3339).
    pub fn since(self, time: &str) -> Self {
        self.with("since", time.to_owned())
    }

    /// Only that of this time or earlier.
    pub fn until(self, time: &str) -> Self {
        self.with("until", time.to_owned())
    }
}

/// An item of a page.
pub trait Item: DeserializeOwned + Send {
    /// The parameter that says where a page begins.
    const PLACE: &str = "before";

    /// Whether it is of a kind that this version knows.
    fn is_known(_item: &Value) -> bool {
        true
    }
}

impl Item for ConnectorRevision {}

impl Item for DeletedConnector {}

impl Item for ActivityEntry {
    const PLACE: &str = "cursor";

    fn is_known(item: &Value) -> bool {
        matches!(item["kind"].as_str(), Some("change" | "access" | "refused") | None)
    }
}

impl<T: Item> Pages<T> {
    fn new(transport: Arc<Transport>, path: &'static str, below: Vec<String>) -> Self {
        Self { transport, path, below, query: Vec::new(), of: PhantomData }
    }

    /// The number of items in a page: 1 to 250, 50 by default.
    pub fn page_size(self, items: usize) -> Self {
        self.with("limit", items.clamp(1, 250).to_string())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.query.retain(|(other, _)| *other != name);
        self.query.push((name, value));
        self
    }

    /// The first page.
    pub async fn page(&self) -> Result<Vec<T>, Error> {
        Self::read(&self.fetch().await?)
    }

    fn read(answer: &Answer) -> Result<Vec<T>, Error> {
        let items: Vec<Value> = answer.json()?;
        let known = items.into_iter().filter(T::is_known).map(serde_json::from_value);
        known.collect::<Result<_, _>>().map_err(|error| answer.unreadable(error.to_string()))
    }

    /// All items. The stream fetches a page when the one before it has been read.
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
    pub fn stream(self) -> impl Stream<Item = Result<T, Error>> + Send {
        stream::try_unfold(Some(self), |next| async {
            let Some(pages) = next else { return Ok(None) };
            let answer = pages.fetch().await?;
            let page = Self::read(&answer)?;
            let next = place_of_next(&answer, T::PLACE)?.map(|place| pages.with(T::PLACE, place));
            Ok::<_, Error>(Some((stream::iter(page).map(Ok), next)))
        })
        .try_flatten()
    }

    /// All items.
    pub async fn all(self) -> Result<Vec<T>, Error> {
        self.stream().try_collect().await
    }

    async fn fetch(&self) -> Result<Answer, Error> {
        let below: Vec<_> = self.below.iter().map(String::as_str).collect();
        self.transport.call_below(self.path, Method::GET, &below, &|request| request.query(&self.query)).await
    }
}

/// The value of the parameter that says where the next page begins, if there is one. The link's address is not followed: it is only
/// read.
fn place_of_next(answer: &Answer, parameter: &str) -> Result<Option<String>, Error> {
    let links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(link) = links.flat_map(|value| value.split(", ")).find(|link| link.contains("rel=\"next\"")) else {
        return Ok(None);
    };
    let address = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    let place = address.and_then(|address| {
        let url: Url = answer.url.join(address).ok()?;
        Some(url.query_pairs().find(|(name, _)| name == parameter)?.1.into_owned())
    });
    place.map(Some).ok_or_else(|| answer.unreadable(format!("its link `{link}` has no `{parameter}`")))
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
    text(&transport.call_below(CONNECTORS_PATH, Method::GET, &[script_name, "diff"], &with).await?)
}

/// The difference between two connectors, each at a revision.
pub(crate) async fn compare(
    transport: &Transport,
    (from, from_revision): (&str, Option<u64>),
    (to, to_revision): (&str, Option<u64>),
) -> Result<String, Error> {
    let revisions = [("fromRevision", from_revision), ("toRevision", to_revision)];
    let revisions = revisions.into_iter().filter_map(|(name, number)| Some((name, number?.to_string())));
    let query: Vec<_> = [("from", from.to_owned()), ("to", to.to_owned())].into_iter().chain(revisions).collect();
    text(&transport.call_below(COMPARE_PATH, Method::GET, &[], &|request| request.query(&query)).await?)
}

fn text(answer: &Answer) -> Result<String, Error> {
    String::from_utf8(answer.body.clone()).map_err(|error| answer.unreadable(error.to_string()))
}

/// Restores a connector to a revision.
pub(crate) async fn restore(transport: &Transport, script_name: &str, revision: u64) -> Result<ConnectorDetail, Error> {
    let path = [script_name, "revisions", &revision.to_string(), "restore"];
    transport.call_below(CONNECTORS_PATH, Method::POST, &path, &|request| request).await?.json()
}
