//! The pages of a connector: which connector, who reads it, and the layout that its pages share.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use connectory_model::document::DocumentKind;
use connectory_model::{Connector, ScriptName, Status, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::{Entry, Source};
use connectory_server::registry::Found;
use http::request::Parts;
use maud::{Markup, html};

use super::life_cycle::{Subject, actions};
use super::path::ScriptNamePath;
use crate::frame::badges::{mark, status_badge};
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
    /// Name, type, class name, direct connect and status.
    Settings,
    /// The translations.
    Translations,
    /// The revisions.
    History,
}

/// The tabs in the order of the page.
const TABS: [Tab; 9] = [
    Tab::Overview,
    Tab::Document(DocumentKind::SourceConfig),
    Tab::Document(DocumentKind::SourceTemplate),
    Tab::Document(DocumentKind::CorrelationConfig),
    Tab::Preview,
    Tab::Translations,
    Tab::Metadata,
    Tab::Settings,
    Tab::History,
];

impl Tab {
    /// The key of the tab's title.
    pub fn title_key(self) -> &'static str {
        match self {
            Self::Overview => "tab.overview",
            Self::Document(DocumentKind::SourceConfig) => "tab.source_config",
            Self::Document(DocumentKind::SourceTemplate) => "tab.source_template",
            Self::Document(DocumentKind::CorrelationConfig) => "tab.correlation_config",
            Self::Preview => "tab.preview",
            Self::Metadata => "tab.metadata",
            Self::Settings => "tab.settings",
            Self::Translations => "tab.translations",
            Self::History => "tab.history",
        }
    }

    /// The address of the tab, after that of the connector.
    pub fn path(self) -> String {
        match self {
            Self::Overview => String::new(),
            Self::Document(kind) => format!("/documents/{}", kind.name()),
            Self::Preview => "/preview".to_owned(),
            Self::Metadata => "/metadata".to_owned(),
            Self::Settings => "/settings".to_owned(),
            Self::Translations => "/translations".to_owned(),
            Self::History => "/history".to_owned(),
        }
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

    /// The connector, as buttons for its status need it.
    pub fn subject(&self) -> Subject<'_> {
        let (script_name, status) = (&self.connector.script_name, self.connector.status);
        Subject { view: &self.view, script_name, status, source: self.entry.source }
    }

    /// The address of a page of the connector.
    pub fn url(&self, rest: &str) -> String {
        connector_url(&self.connector.script_name, rest)
    }

    /// Renders the page around its content.
    pub fn render(&self, tab: Tab, content: &Markup) -> Response {
        let head = Head {
            name: &self.connector.name,
            script_name: &self.connector.script_name,
            status: Some(self.entry.status),
            actions: self.is_writable().then(|| actions(&self.subject())),
        };
        connector_document(&self.view, &head, tab, content)
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

/// What is above the tabs of a connector.
pub struct Head<'a> {
    /// The name.
    pub name: &'a str,
    /// The script name.
    pub script_name: &'a ScriptName,
    /// The status. A deleted connector has none.
    pub status: Option<Status>,
    /// What can be done with the connector.
    pub actions: Option<Markup>,
}

/// Renders a page of a connector.
pub fn connector_document(view: &View, head: &Head<'_>, tab: Tab, content: &Markup) -> Response {
    let &Head { name, script_name, status, ref actions } = head;
    let title = view.text(tab.title_key());
    let framed = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) {
            span { a href="/" { (view.text("nav.connectors")) } }
            span { code { (visible(script_name.as_str())) } }
        }
        div.top {
            (mark(name))
            h1 { (visible(name)) }
            @match status {
                Some(status) => (status_badge(view, status)),
                None => span.status data-status="DELETED" { (view.text("connector.deleted")) },
            }
            @if let Some(actions) = actions { div.actions.spacer { (actions) } }
        }
        @if status.is_some() {
            nav.tabs aria-label=(view.text("connector.pages")) {
                @for of in TABS {
                    a href=(connector_url(script_name, &of.path())) aria-current=[(of == tab).then_some("page")] { (view.text(of.title_key())) }
                }
            }
        }
        (content)
    };
    view.render(Place::Connectors, &format!("{name}: {title}"), &framed)
}
