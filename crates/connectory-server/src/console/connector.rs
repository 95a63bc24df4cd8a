//! One connector: the frame of its pages, the overview, creating and deleting.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::create::NewConnector;
use connectory_model::document::DocumentKind;
use connectory_model::limits::{FEATURES, LABELS};
use connectory_model::{Connector, Locale, ScriptName, Status, connector};
use connectory_store::Revision;
use http::request::Parts;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::form::Submitted;
use super::history;
use super::list::{features_of, status};
use super::page::{Place, SignedIn, View, done, parameter};
use super::translations::coverage;
use crate::api::connectors::new_connector;
use crate::api::edit;
use crate::api::parameters::ScriptNamePath;
use crate::app::App;
use crate::auth::Caller;
use crate::catalog::{Entry, Source};
use crate::error::ApiError;

/// How many revisions the overview shows.
const RECENT: u32 = 5;

/// The page of a connector.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// What it is.
    Overview,
    /// One of its documents.
    Document(DocumentKind),
    /// The form as administrators see it.
    Preview,
    /// Its free-form members.
    Metadata,
    /// Its texts.
    Translations,
    /// Its revisions.
    History,
}

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
    /// The key of its title.
    pub fn title(self) -> &'static str {
        TABS.iter().find(|(tab, ..)| *tab == self).map_or("", |(.., title)| title)
    }
}

/// A connector that a page is about.
pub struct Subject {
    /// How it is looked at.
    pub view: Arc<View>,
    /// Who looks.
    pub caller: Caller,
    /// It in the catalogue.
    pub entry: Arc<Entry>,
    /// All of it.
    pub connector: Arc<Connector>,
}

impl Subject {
    /// The connector of a script name.
    pub async fn find(app: &App, view: &Arc<View>, caller: &Caller, name: &ScriptName) -> Result<Self, ApiError> {
        let entry = edit::find(caller, name)?;
        let connector = app.catalog.connector(entry.source).await?;
        Ok(Self { view: Arc::clone(view), caller: caller.clone(), entry, connector })
    }

    /// The same as it is now.
    pub async fn again(&self, app: &App) -> Result<Self, ApiError> {
        Self::find(app, &self.view, &self.caller, &self.connector.script_name).await
    }

    /// Whether whoever looks may change it.
    pub fn is_writable(&self) -> bool {
        self.view.may_write() && matches!(self.entry.source, Source::Stored(_))
    }

    /// Why it cannot be changed, where it cannot.
    pub fn read_only_note(&self) -> Markup {
        let why = if self.view.may_write() { "document.built_in" } else { "document.read_only" };
        html! { @if !self.is_writable() { p.note { (self.view.t(why)) } } }
    }

    /// The address of one of its pages.
    pub fn url(&self, rest: &str) -> String {
        url(&self.connector.script_name, rest)
    }

    /// A page of it.
    pub fn page(&self, tab: Tab, content: &Markup) -> Response {
        page(&self.view, &self.connector.name, &self.connector.script_name, Some(self.entry.status), tab, content)
    }
}

impl FromRequestParts<Arc<App>> for Subject {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let SignedIn { view, caller } = SignedIn::from_request_parts(parts, app).await?;
        let refuse = |error: ApiError| error.into_response();
        let ScriptNamePath(script_name) = ScriptNamePath::from_request_parts(parts, app).await.map_err(refuse)?;
        Self::find(app, &view, &caller, &script_name).await.map_err(refuse)
    }
}

/// The address of a page of a connector.
pub fn url(script_name: &ScriptName, rest: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    format!("/console/connectors/{}{rest}", utf8_percent_encode(script_name.as_str(), SEGMENT))
}

/// A page of a connector; of a deleted one without a status.
pub fn page(
    view: &View,
    name: &str,
    script_name: &ScriptName,
    of_status: Option<Status>,
    tab: Tab,
    content: &Markup,
) -> Response {
    let title = view.t(tab.title());
    let framed = html! {
        nav.crumbs aria-label=(view.t("connector.crumbs")) { a href="/" { (view.t("nav.connectors")) } }
        div.heading {
            h1 { (name) }
            @match of_status {
                Some(of_status) => (status(of_status)),
                None => span.status data-status="DELETED" { (view.t("connector.deleted")) },
            }
        }
        @if of_status.is_some() {
            nav.tabs aria-label=(view.t("connector.pages")) {
                @for (of, rest, key) in TABS {
                    a href=(url(script_name, rest)) aria-current=[(of == tab).then_some("page")] { (view.t(key)) }
                }
            }
        }
        (content)
    };
    view.page(Place::Connectors, &format!("{name}: {title}"), &framed)
}

/// The overview.
pub async fn overview(
    State(app): State<Arc<App>>,
    subject: Subject,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let script_name = Some(subject.connector.script_name.clone());
    let revisions = app.store.revisions(subject.caller.tenant().id(), script_name, None, RECENT).await?;
    let query = query.unwrap_or_default();
    Ok(app.work.run(subject.connector.size(), move |_| facts(&subject, &query, &revisions)).await?)
}

fn facts(subject: &Subject, query: &str, revisions: &[Revision]) -> Response {
    let Subject { view, connector, .. } = subject;
    let text = |name: &str| connector.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let descriptions = connector.translations.short_descriptions();
    let description = descriptions.get(&view.locale()).or_else(|| descriptions.get(&Locale::En));
    let yes_or_no = |flag: bool| view.t(if flag { "facet.yes" } else { "facet.no" });
    let labels = connector.connector_metadata.get("labels").and_then(serde_json::Value::as_array);
    let labels = labels.map(|labels| labels.iter().take(LABELS).filter_map(serde_json::Value::as_str));
    let content = html! {
        (done(view, query))
        @if let Some(description) = description.map(String::as_str).or_else(|| text(connector::SHORT_DESC)) { p.lead { (description) } }
        div.columns {
            section.card {
                h2 { (view.t("overview.facts")) }
                dl.facts {
                    dt { (view.t("overview.script_name")) } dd { code { (connector.script_name) } }
                    dt { (view.t("column.type")) } dd { (connector.connector_type) }
                    dt { (view.t("overview.class")) } dd { code { (connector.class_name) } }
                    dt { (view.t("facet.origin")) } dd {
                        (view.t(if matches!(subject.entry.source, Source::Stored(_)) { "facet.custom" } else { "facet.built_in" }))
                    }
                    dt { (view.t("facet.direct")) } dd { (yes_or_no(connector.direct_connect)) }
                    dt { (view.t("overview.upload")) } dd { (yes_or_no(connector.source_config.file_upload())) }
                    @if let Some(category) = text("category") { dt { (view.t("column.category")) } dd { (category) } }
                    @if let Some(labels) = labels {
                        dt { (view.t("overview.labels")) }
                        dd { @for label in labels { span.chip { (label) } " " } }
                    }
                    dt { (view.t("column.features")) }
                    dd { (features_of(&connector.source_template.features(), FEATURES)) }
                }
            }
            section.card {
                h2 { (view.t("tab.translations")) }
                (coverage(subject))
                h2 { (view.t("overview.recent")) }
                @if revisions.is_empty() { p.faint { (view.t("overview.no_revisions")) } }
                @else { (history::table(view, revisions, false)) }
            }
        }
        @if subject.is_writable() {
            p { a.button.danger href=(subject.url("/delete")) { (view.t("delete.link")) } }
        }
    };
    subject.page(Tab::Overview, &content)
}

/// The page for creating a connector.
pub async fn create_page(SignedIn { view, caller }: SignedIn) -> Result<Response, ApiError> {
    caller.permit(&http::Method::POST)?;
    Ok(create_form(&view, &caller, &super::form::Form::default(), None))
}

fn create_form(view: &View, caller: &Caller, form: &super::form::Form, problem: Option<&str>) -> Response {
    let typed = form.get("name");
    let chosen = form.get("status").parse().unwrap_or(Status::Development);
    let content = html! {
        nav.crumbs aria-label=(view.t("connector.crumbs")) { a href="/" { (view.t("nav.connectors")) } }
        h1 { (view.t("list.create")) }
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        form.narrow method="post" action="/console/new" {
            (view.token())
            label { (view.t("column.name"))
                input name="name" value=(typed) required maxlength="255" autofocus autocomplete="off"
                    hx-get="/console/new/script-name" hx-trigger="input delay:100ms" hx-target="#script-name" hx-swap="innerHTML" hx-sync="this:replace";
            }
            p.hint { (view.t("overview.script_name")) ": " output #script-name { (derived(caller, typed)) } }
            label { (view.t("overview.class"))
                input name="className" value=(form.get("className")) required maxlength="255" autocomplete="off" spellcheck="false" placeholder="sailpoint.connector.OpenConnectorAdapter";
            }
            label { (view.t("column.type"))
                input name="type" value=(form.get("type")) maxlength="255" autocomplete="off" placeholder=(view.t("create.type_hint"));
            }
            label { (view.t("column.status"))
                select name="status" {
                    @for status in [Status::Development, Status::Demo, Status::Released] {
                        option value=(status) selected[status == chosen] { (status) }
                    }
                }
            }
            label.check { input type="checkbox" name="directConnect" value="true" checked[typed.is_empty() || form.get("directConnect") == "true"]; (view.t("facet.direct")) }
            button.primary type="submit" { (view.t("create.submit")) }
        }
    };
    view.page(Place::Connectors, view.t("list.create"), &content)
}

/// The script name that a name would get now.
fn derived(caller: &Caller, name: &str) -> Markup {
    let name = name.trim();
    html! {
        @if name.is_empty() { "…" }
        @else { code { (ScriptName::derive(name, |candidate| caller.tenant().entry(candidate).is_some())) } }
    }
}

/// The script name while the name is typed.
pub async fn script_name(SignedIn { view, caller }: SignedIn, RawQuery(query): RawQuery) -> Markup {
    let name: String = parameter(&query.unwrap_or_default(), "name").chars().take(255).collect();
    let is_taken = caller.tenant().snapshot().has_name(name.trim());
    html! {
        (derived(&caller, &name))
        @if is_taken { " " span.problem { (view.t("create.taken")) } }
    }
}

/// Creates a connector.
pub async fn create(
    State(app): State<Arc<App>>,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let request = json!({
        "name": form.get("name"),
        "className": form.get("className"),
        "type": form.get("type"),
        "status": Some(form.get("status")).filter(|status| !status.is_empty()),
        "directConnect": form.get("directConnect") == "true",
    });
    let created = match NewConnector::from_request(&request) {
        Ok(new) => new_connector(&app, &caller, new).await,
        Err(invalid) => Err(ApiError::bad_request(invalid.to_string())),
    };
    match created {
        Ok(summary) => Ok(Redirect::to(&url(&summary.script_name, "?done=created")).into_response()),
        Err(error) if error.status.is_client_error() => {
            let mut response = create_form(&view, &caller, &form, Some(&error.text));
            *response.status_mut() = error.status;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// The page that asks for the name of what is to be deleted.
pub async fn delete_page(subject: Subject) -> Result<Response, ApiError> {
    subject.caller.permit(&http::Method::DELETE)?;
    edit::find_custom(&subject.caller, &subject.connector.script_name)?;
    Ok(delete_form(&subject, None))
}

fn delete_form(subject: &Subject, problem: Option<&str>) -> Response {
    let view = &subject.view;
    let content = html! {
        h2 { (view.t("delete.title")) }
        p { (view.t("delete.lead")) }
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        form.narrow method="post" action=(subject.url("/delete")) {
            (view.token())
            label { (view.f("delete.name", &[&subject.connector.name])) input name="name" required autocomplete="off" spellcheck="false" autofocus; }
            button.danger type="submit" { (view.t("delete.submit")) }
            " " a.button href=(subject.url("")) { (view.t("action.cancel")) }
        }
    };
    subject.page(Tab::Overview, &content)
}

/// Deletes a connector whose name was typed.
pub async fn delete(
    State(app): State<Arc<App>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    edit::find_custom(&caller, &script_name)?;
    let subject = Subject::find(&app, &view, &caller, &script_name).await?;
    if form.get("name") != subject.connector.name {
        return Ok(delete_form(&subject, Some(view.t("delete.wrong"))));
    }
    edit::delete(&app, &caller, &script_name).await?;
    Ok(Redirect::to("/?done=deleted").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_connector_may_have_any_script_name() {
        let url = |name: &str| url(&name.parse().expect("a segment"), "/history");
        assert_eq!(url("hr_v1.0-x"), "/console/connectors/hr_v1.0-x/history");
        assert_eq!(url("a b?é"), "/console/connectors/a%20b%3F%C3%A9/history");
    }
}
