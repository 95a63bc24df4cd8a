//! The pages of a connector: which connector, who reads it, and the layout that its pages share.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use connectory_model::document::DocumentKind;
use connectory_model::{Connector, ScriptName, Status};
use connectory_server::auth::Caller;
use connectory_server::catalog::{Entry, Source};
use connectory_server::registry::Found;
use http::request::Parts;
use maud::{Markup, html};

use super::path::ScriptNamePath;
use crate::frame::badges::status_badge;
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::connector_url;

/// A tab of a connector.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// The overview.
    Overview,
    /// A document.
    Document(DocumentKind),
    /// The form preview.
    Preview,
    /// The metadata.
    Metadata,
    /// The translations.
    Translations,
    /// The revisions.
    History,
}

/// The tabs: their addresses, and the keys of their titles.
const TABS: [(Tab, &str, &str); 8] = [
    (Tab::Overview, "", "tab.overview"),
    (Tab::Document(DocumentKind::SourceConfig), "/documents/source-config", "tab.source_config"),
    (Tab::Document(DocumentKind::SourceTemplate), "/documents/source-template", "tab.source_template"),
    (Tab::Document(DocumentKind::CorrelationConfig), "/documents/correlation-config", "tab.correlation_config"),
    (Tab::Preview, "/preview", "tab.preview"),
    (Tab::Metadata, "/metadata", "tab.metadata"),
    (Tab::Translations, "/translations", "tab.translations"),
    (Tab::History, "/history", "tab.history"),
];

impl Tab {
    /// The key of the tab's title.
    pub fn title(self) -> &'static str {
        TABS.iter().find(|(tab, ..)| *tab == self).map_or("", |(.., title)| title)
    }
}

/// A page of a connector, as its handler starts with it.
pub struct ConnectorPage {
    /// How the page is shown.
    pub view: Arc<View>,
    /// The caller.
    pub caller: Caller,
    /// The connector's entry in the catalog.
    pub entry: Arc<Entry>,
    /// The whole connector.
    pub connector: Arc<Connector>,
}

impl ConnectorPage {
    /// Finds the connector of a script name.
    pub async fn find(
        console: &Console,
        view: &Arc<View>,
        caller: &Caller,
        name: &ScriptName,
    ) -> Result<Self, PageError> {
        let Found { entry, connector } = console.server.registry.find(caller.tenant(), name).await?;
        Ok(Self { view: Arc::clone(view), caller: caller.clone(), entry, connector })
    }

    /// Finds the connector again, as it is now.
    pub async fn again(&self, console: &Console) -> Result<Self, PageError> {
        Self::find(console, &self.view, &self.caller, &self.connector.script_name).await
    }

    /// Whether the caller may change the connector.
    pub fn is_writable(&self) -> bool {
        self.view.may_write() && matches!(self.entry.source, Source::Stored(_))
    }

    /// A note that says why the caller cannot change the connector. It is empty if they can.
    pub fn read_only_note(&self) -> Markup {
        let why = if self.view.may_write() { "document.built_in" } else { "document.read_only" };
        html! { @if !self.is_writable() { p.note { (self.view.text(why)) } } }
    }

    /// The address of a page of the connector.
    pub fn url(&self, rest: &str) -> String {
        connector_url(&self.connector.script_name, rest)
    }

    /// Renders the page around its content.
    pub fn render(&self, tab: Tab, content: &Markup) -> Response {
        connector_document(
            &self.view,
            &self.connector.name,
            &self.connector.script_name,
            Some(self.entry.status),
            tab,
            content,
        )
    }
}

impl FromRequestParts<Arc<Console>> for ConnectorPage {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let SignedIn { view, caller } = SignedIn::from_request_parts(parts, console).await?;
        let refuse = |error: PageError| error.into_response();
        let ScriptNamePath(script_name) = ScriptNamePath::from_request_parts(parts, console).await.map_err(refuse)?;
        Self::find(console, &view, &caller, &script_name).await.map_err(refuse)
    }
}

/// Renders a page of a connector. A deleted connector has no status.
pub fn connector_document(
    view: &View,
    name: &str,
    script_name: &ScriptName,
    status: Option<Status>,
    tab: Tab,
    content: &Markup,
) -> Response {
    let title = view.text(tab.title());
    let framed = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { a href="/" { (view.text("nav.connectors")) } }
        div.heading {
            h1 { (name) }
            @match status {
                Some(status) => (status_badge(status)),
                None => span.status data-status="DELETED" { (view.text("connector.deleted")) },
            }
        }
        @if status.is_some() {
            nav.tabs aria-label=(view.text("connector.pages")) {
                @for (of, rest, key) in TABS {
                    a href=(connector_url(script_name, rest)) aria-current=[(of == tab).then_some("page")] { (view.text(key)) }
                }
            }
        }
        (content)
    };
    view.render(Place::Connectors, &format!("{name}: {title}"), &framed)
}
