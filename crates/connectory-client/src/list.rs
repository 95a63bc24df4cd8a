//! Lists of connectors.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, mem, vec};

use connectory_model::wire::{Capability, ConnectorItem, SERVICE_PATH, ServiceInfo};
use connectory_model::{Locale, ScriptName, Search, Status};
use futures_util::future::ready;
use futures_util::{Stream, TryStreamExt, stream};
use reqwest::Method;

use crate::changes::{Export, export};
use crate::conditional::{IfNoneMatch, Tagged, whole};
use crate::error::Error;
use crate::etag::ETag;
use crate::filter::Filter;
use crate::http::Answer;
use crate::items;
use crate::transport::Transport;
use crate::unreadable::Unreadable;

/// The maximum number of connectors in a page (the specification's limit).
pub const MAX_PAGE: usize = 250;

/// A list of connectors: first the methods that select connectors, then the methods that read them.
#[derive(Clone)]
#[must_use = "a list is read by `all`, `stream`, `page` or `count`"]
pub struct List {
    transport: Arc<Transport>,
    query: Vec<(&'static str, String)>,
    page_size: usize,
    offset: usize,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("query", &self.query)
            .field("page_size", &self.page_size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl List {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, query: Vec::new(), page_size: MAX_PAGE, offset: 0 }
    }

    /// Only connectors that match a filter.
    pub fn filter(self, filter: Filter) -> Self {
        self.with("filters", filter.0)
    }

    /// Short descriptions in a locale.
    pub fn locale(self, locale: Locale) -> Self {
        self.with("locale", locale.tag().to_owned())
    }

    /// Connectors of these statuses instead of only released ones. Only connectory supports this; the vendor's service
    /// ignores it.
    pub fn statuses(self, statuses: &[Status]) -> Self {
        self.with("statuses", statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(","))
    }

    /// Only custom connectors, or only built-in ones. Only connectory supports this; the vendor's service ignores it.
    /// [`ConnectorDetail::is_custom`](crate::ConnectorDetail::is_custom) works with every service.
    pub fn custom(self, custom: bool) -> Self {
        self.with("custom", custom.to_string())
    }

    /// Only connectors whose name, type, script name or short description contains a text, compared as names are; of the
    /// descriptions, those in the [`Self::locale`]. Only connectory can search, and its
    /// [`Client::service_info`](crate::Client::service_info) has [`Capability::Search`](crate::Capability::Search). The lists of
    /// other services are read and searched here, without descriptions.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let found = client.list().search(&"directory".parse()?).await?;
    /// if !found.has_descriptions() {
    ///     eprintln!("descriptions are not searched");
    /// }
    /// for connector in found.all().await? {
    ///     println!("{}", connector.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn search(self, search: &Search) -> Result<Found, Error> {
        let service = self.transport.call_without_token(SERVICE_PATH).await?.json::<ServiceInfo>();
        if service.is_ok_and(|service| service.has(Capability::Search)) {
            return Ok(Found { list: self.with("q", search.as_str().to_owned()), here: None });
        }
        Ok(Found { list: self, here: Some(search.clone()) })
    }

    /// The number of connectors in a page: 1 to 250, 250 by default.
    pub fn page_size(mut self, connectors: usize) -> Self {
        self.page_size = connectors.clamp(1, MAX_PAGE);
        self
    }

    /// The number of connectors to skip.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.query.retain(|(other, _)| *other != name);
        self.query.push((name, value));
        self
    }

    /// The whole connectors of this list, all as of one revision. Without [`Self::custom`] it has custom connectors, and
    /// without [`Self::statuses`] those of every status. Only connectory has this operation: its
    /// [`Client::service_info`](crate::Client::service_info) has [`Capability::Export`](crate::Capability::Export), and other
    /// services answer 404.
    pub async fn export(&self) -> Result<Export, Error> {
        let taken = ["filters", "statuses", "custom"];
        let query: Vec<_> = self.query.iter().filter(|(name, _)| taken.contains(name)).cloned().collect();
        export(&self.transport, &query).await
    }

    /// One page.
    pub async fn page(&self) -> Result<Listed, Error> {
        self.page_tagged().await.map(|read| read.value)
    }

    /// One page, with its entity tag.
    pub async fn page_tagged(&self) -> Result<Tagged<Listed>, Error> {
        whole(self.page_if_none_match(None).await?)
    }

    /// One page, if its entity tag is another one by now. None if it is the same.
    pub async fn page_if_none_match(&self, etag: Option<&ETag>) -> Result<Option<Tagged<Listed>>, Error> {
        let (transport, query) = (&*self.transport, self.query_of(self.page_size, false));
        IfNoneMatch { transport, etag }.read(&[], &|request| request.query(&query), |answer| Listed::of(&answer)).await
    }

    /// All connectors. The stream fetches a page when the one before it has been read. It ends at the first page that is not full,
    /// if the service's count does not say that there is more: some give shorter pages than they are asked for. It also ends at a
    /// page that the service refuses after another one, as some do at the end of a list.
    ///
    /// A connector that cannot be read is an [`Error::Unreadable`] in its place, and the stream goes on after it. [`Self::all`]
    /// keeps them apart.
    ///
    /// Each connector is there once. If the list changes between two pages, a connector that moves to a page that was read
    /// may be missing. [`Self::export`] is of one moment.
    ///
    /// ```no_run
    /// # async fn example(client: connectory_client::Client) -> Result<(), connectory_client::Error> {
    /// use std::pin::pin;
    ///
    /// use futures_util::TryStreamExt;
    ///
    /// let mut connectors = pin!(client.list().stream());
    /// while let Some(connector) = connectors.try_next().await? {
    ///     println!("{}", connector.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> impl Stream<Item = Result<ConnectorItem, Error>> + Send {
        stream::try_unfold(Some(Pages::of(self)), |pages| async {
            let Some(mut pages) = pages else { return Ok(None) };
            let Listed { connectors, unreadable } = pages.next().await?;
            let unreadable = unreadable.into_iter().map(|item| Err(Error::Unreadable(Box::new(item))));
            let items: Vec<_> = connectors.into_iter().map(Ok).chain(unreadable).collect();
            Ok::<_, Error>(Some((stream::iter(items), (!pages.is_end).then_some(pages))))
        })
        .try_flatten()
    }

    /// All connectors.
    pub async fn all(self) -> Result<Listed, Error> {
        let (mut pages, mut all) = (Pages::of(self), Listed::default());
        while !pages.is_end {
            let Listed { connectors, unreadable } = pages.next().await?;
            all.connectors.extend(connectors);
            all.unreadable.extend(unreadable);
        }
        Ok(all)
    }

    /// The number of connectors, without regard to the offset.
    pub async fn count(&self) -> Result<u64, Error> {
        let answer = self.fetch(1, true).await?;
        total_of(&answer).ok_or_else(|| answer.unreadable("there is no X-Total-Count header with a number"))
    }

    async fn fetch(&self, limit: usize, count: bool) -> Result<Answer, Error> {
        let query = self.query_of(limit, count);
        self.transport.call(Method::GET, &[], &|request| request.query(&query)).await
    }

    fn query_of(&self, limit: usize, count: bool) -> Vec<(&'static str, String)> {
        let numbers = [("limit", limit.to_string()), ("offset", self.offset.to_string()), ("count", count.to_string())];
        self.query.iter().cloned().chain(numbers).collect()
    }
}

/// The number of connectors in the whole list, if the service counts them.
fn total_of(answer: &Answer) -> Option<u64> {
    answer.headers.get("x-total-count")?.to_str().ok()?.parse().ok()
}

/// Connectors of a list. It is used as a slice or an iterator of those that can be read.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// The connectors.
    pub connectors: Vec<ConnectorItem>,
    /// The items that cannot be read. They cost none of the others.
    pub unreadable: Vec<Unreadable>,
}

impl Listed {
    fn of(answer: &Answer) -> Result<Self, Error> {
        items::items(answer).map(|(connectors, unreadable)| Self { connectors, unreadable })
    }
}

impl Deref for Listed {
    type Target = [ConnectorItem];

    fn deref(&self) -> &[ConnectorItem] {
        &self.connectors
    }
}

impl IntoIterator for Listed {
    type Item = ConnectorItem;
    type IntoIter = vec::IntoIter<ConnectorItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.connectors.into_iter()
    }
}

/// The pages of a list, one after the other.
struct Pages {
    list: List,
    is_first: bool,
    is_end: bool,
    /// The number of connectors in the whole list, as the service counted them with the first page.
    total: Option<u64>,
    /// The connectors of the pages before. One that moves between two pages is in both.
    seen: HashSet<ScriptName>,
    /// The items of the pages before that cannot be read.
    seen_unreadable: HashSet<String>,
}

impl Pages {
    fn of(list: List) -> Self {
        let (seen, seen_unreadable) = (HashSet::new(), HashSet::new());
        Self { list, is_first: true, is_end: false, total: None, seen, seen_unreadable }
    }

    /// The connectors of the next page that were not in one before.
    async fn next(&mut self) -> Result<Listed, Error> {
        let is_first = mem::replace(&mut self.is_first, false);
        let answer = match self.list.fetch(self.list.page_size, is_first).await {
            Err(error) if !is_first && is_past_end(&error) => return self.end(error).await.map(|()| Listed::default()),
            answer => answer?,
        };
        if is_first {
            self.total = total_of(&answer);
        }
        let mut page = Listed::of(&answer)?;
        let found = page.connectors.len() + page.unreadable.len();
        page.connectors.retain(|item| self.seen.insert(item.script_name.clone()));
        page.unreadable.retain(|item| self.seen_unreadable.insert(item.json.clone()));
        if found > 0 && page.connectors.is_empty() && page.unreadable.is_empty() {
            let reason = format!("at offset {} are the connectors of the pages before", self.list.offset);
            let error = self.unreadable(reason);
            return self.end(error).await.map(|()| page);
        }
        self.list.offset += found;
        if let Some(total) =
            self.total.filter(|total| self.list.offset as u64 > total.saturating_mul(2) + MAX_PAGE as u64)
        {
            let found = self.list.offset;
            return Err(
                self.unreadable(format!("the list has {found} connectors and does not end, but its count was {total}"))
            );
        }
        let is_more_counted = self.total.is_some_and(|total| total > self.list.offset as u64);
        self.is_end = found < self.list.page_size && (found == 0 || !is_more_counted);
        Ok(page)
    }

    /// The error of a list that a service does not page as the API does.
    fn unreadable(&self, reason: String) -> Error {
        let url = format!("{}{}", self.list.transport.base, self.list.transport.api_path);
        Error::Decoding { url, reason }
    }

    /// Ends the list where a service gives no further page, unless its count says that there is more.
    async fn end(&mut self, error: Error) -> Result<(), Error> {
        self.is_end = true;
        match self.list.clone().offset(0).count().await {
            Ok(total) if total > self.list.offset as u64 => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether a service may answer so to a page after the last one.
fn is_past_end(error: &Error) -> bool {
    let status = error.api_error().map(|error| error.status.as_u16());
    matches!(status, Some(400 | 404 | 416 | 422))
}

/// The connectors of a list that contain a text.
#[derive(Debug, Clone)]
#[must_use = "a search is read by `all`, `stream` or `count`"]
pub struct Found {
    list: List,
    /// What is searched for here, because the service cannot search.
    here: Option<Search>,
}

impl Found {
    /// Whether short descriptions were searched too. A service other than connectory cannot search, so the list is read and
    /// searched here, without them.
    pub fn has_descriptions(&self) -> bool {
        self.here.is_none()
    }

    /// All connectors that were found, as [`List::stream`] reads them.
    pub fn stream(self) -> impl Stream<Item = Result<ConnectorItem, Error>> + Send {
        let Self { list, here } = self;
        list.stream().try_filter(move |item| ready(is_found(here.as_ref(), item)))
    }

    /// All connectors that were found.
    pub async fn all(self) -> Result<Listed, Error> {
        let mut all = self.list.all().await?;
        all.connectors.retain(|item| is_found(self.here.as_ref(), item));
        Ok(all)
    }

    /// How many connectors were found.
    pub async fn count(self) -> Result<u64, Error> {
        if self.here.is_none() {
            return self.list.count().await;
        }
        Ok(self.all().await?.len() as u64)
    }
}

/// Whether an item has what is searched for here.
fn is_found(search: Option<&Search>, item: &ConnectorItem) -> bool {
    let texts = [&item.name, &item.connector_type, item.script_name.as_str()];
    search.is_none_or(|search| texts.iter().any(|text| search.is_in(text)))
}
