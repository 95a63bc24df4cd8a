//! The pages of a connector: which connector, who reads it, and the layout that its pages share.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use connectory_model::document::DocumentKind;
use connectory_model::{Connector, ScriptName, Status, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::{Entry, Source};
use connectory_server::registry::{Found, Past};
use http::request::Parts;
use maud::{Markup, html};

use super::life_cycle::{Steps, Subject, steps};
use super::path::ScriptNamePath;
use crate::frame::badges::{mark, status_badge};
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{compare_url, connector_url};

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
        let view = &self.view;
        html! {
            @if !view.may_write() { p.note { (view.text("document.read_only")) } }
            @else if !self.is_writable() {
                p.note { (view.text("document.built_in")) " " a href=(self.url("/duplicate")) { (view.text("duplicate.to_change")) } "." }
            }
        }
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
            steps: self.is_writable().then(|| steps(&self.subject())),
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
    /// The steps of its life, for those who may take them.
    pub steps: Option<Steps>,
}

impl Head<'_> {
    /// What can be done with any connector that is there, as links of this class.
    fn tools(&self, view: &View, class: &str) -> Markup {
        let address = |rest| connector_url(self.script_name, rest);
        html! {
            a class=(class) href=(compare_url(&[("left", self.script_name.as_str())])) { (icon(Icon::Compare)) (view.text("compare.link")) }
            @if view.may_write() { a class=(class) href=(address("/duplicate")) { (icon(Icon::Copy)) (view.text("duplicate.link")) } }
            a class=(class) href=(address("/download")) { (icon(Icon::Down)) (view.text("action.download")) }
        }
    }

    /// The buttons beside the name. A narrow window has the tools in the menu.
    fn buttons(&self, view: &View) -> Markup {
        html! {
            div.actions.spacer {
                (self.tools(view, "button hide-s"))
                @if let Some(steps) = &self.steps { (steps.next) }
                details.menu-of.only-s[self.steps.is_none()] {
                    summary.button.only-icon aria-label=(view.text("life.more")) title=(view.text("life.more")) { (icon(Icon::More)) }
                    div {
                        (self.tools(view, "button only-s"))
                        @if let Some(steps) = &self.steps { hr.only-s; (steps.others) }
                    }
                }
            }
        }
    }
}

/// Renders a page of a connector that exists or existed.
pub fn past_document(past: &Past, view: &View, tab: Tab, content: &Markup) -> Response {
    let (script_name, status) = (&past.newest.script_name, past.newest.status);
    let source = past.current.filter(|source| view.may_write() && matches!(source, Source::Stored(_)));
    let head = Head {
        name: &past.newest.name,
        script_name,
        status: past.current.map(|_| status),
        steps: source.map(|source| steps(&Subject { view, script_name, status, source })),
    };
    connector_document(view, &head, tab, content)
}

/// Renders a page of a connector.
pub fn connector_document(view: &View, head: &Head<'_>, tab: Tab, content: &Markup) -> Response {
    let &Head { name, script_name, status, .. } = head;
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
            @if status.is_some() { (head.buttons(view)) }
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
