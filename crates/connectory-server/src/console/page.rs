//! What every page has: who looks at it and how, the frame around its content, and the headers that keep it safe.
//!
//! The content security policy admits no inline script and nothing from elsewhere, so that a stored text which slipped
//! through as markup could still do nothing. `maud` escapes every text; the one place that admits markup is
//! `preview::markup`.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::Locale;
use connectory_model::access::Permission;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::session::{Session, cookie_value};
use super::texts::Language;
use crate::api::edit::Edited;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;

/// The cookie that holds language and theme.
pub const PREFERENCES: &str = "connectory_preferences";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Light, dark, or as the system has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// All of them, with the keys of their names.
    pub const ALL: [(Self, &str, &str); 3] =
        [(Self::Auto, "auto", "theme.auto"), (Self::Light, "light", "theme.light"), (Self::Dark, "dark", "theme.dark")];

    /// The theme's word.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The theme of a word.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == word).map_or(Self::Auto, |(theme, ..)| *theme)
    }
}

/// Who looks at a page, and how.
pub struct View {
    /// The language of the console's own words.
    pub language: Language,
    theme: Theme,
    signed_in: Option<(Arc<Session>, Caller)>,
    path_and_query: String,
}

/// The page's place in the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The list and each connector.
    Connectors,
    /// What changed lately.
    Activity,
    /// API clients.
    Clients,
    /// None of them.
    Elsewhere,
}

impl View {
    async fn of(app: &App, headers: &HeaderMap, path_and_query: &str) -> Result<Self, ApiError> {
        let preferences = cookie_value(headers, PREFERENCES).unwrap_or_default();
        let (tag, theme) = preferences.split_once('.').unwrap_or_default();
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = Language::of_tag(tag).unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default()));
        Ok(Self {
            language,
            theme: Theme::of_word(theme),
            signed_in: app.sessions.find(app, headers).await?,
            path_and_query: path_and_query.to_owned(),
        })
    }

    /// The text of a key.
    pub fn t(&self, key: &str) -> &'static str {
        self.language.text(key).unwrap_or("?")
    }

    /// The text of a key with values in its places.
    pub fn f(&self, key: &str, values: &[&dyn Display]) -> String {
        self.language.with(key, values)
    }

    /// The locale in which connectors are described.
    pub fn locale(&self) -> Locale {
        Locale::or_english(Some(self.language.tag()))
    }

    /// Whether whoever looks may do something.
    pub fn may(&self, permission: Permission) -> bool {
        self.signed_in.as_ref().is_some_and(|(_, caller)| caller.has(permission).is_ok())
    }

    /// Whether whoever looks may change connectors.
    pub fn may_write(&self) -> bool {
        self.may(Permission::Write)
    }

    /// The hidden input that every form which changes something has.
    pub fn token(&self) -> Markup {
        let token = self.signed_in.as_ref().map(|(session, _)| session.csrf()).unwrap_or_default();
        html! { input type="hidden" name="csrf" value=(token); }
    }

    /// A whole page.
    pub fn page(&self, place: Place, title: &str, content: &Markup) -> Response {
        self.page_with_status(StatusCode::OK, place, title, content)
    }

    fn page_with_status(&self, status: StatusCode, place: Place, title: &str, content: &Markup) -> Response {
        let headers = self.signed_in.as_ref().map(|(session, _)| format!(r#"{{"X-CSRF-Token":"{}"}}"#, session.csrf()));
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) data-theme=(self.theme.word()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="htmx-config" content=r#"{"includeIndicatorCSS":false,"history":"reload"}"#;
                    title { (title) " · connectory" }
                    link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(assets::url("codemirror.css"));
                    link rel="stylesheet" href=(assets::url("console.css"));
                    script defer src=(assets::url("htmx.min.js")) {}
                    script defer src=(assets::url("codemirror.min.js")) {}
                    script defer src=(assets::url("console.js")) {}
                }
                body hx-headers:inherited=[headers] {
                    a.skip href="#content" { (self.t("nav.skip")) }
                    (self.header(place))
                    main #content tabindex="-1" { (content) }
                    (self.footer())
                }
            }
        };
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
    }

    fn header(&self, place: Place) -> Markup {
        let link = |at: Place, href: &str, text: &str| {
            html! { a href=(href) aria-current=[(at == place).then_some("page")] { (text) } }
        };
        html! {
            header.top {
                a.brand href="/" { (PreEscaped(assets::LOGO)) span { "connectory" } }
                @if let Some((_, caller)) = &self.signed_in {
                    nav aria-label=(self.t("nav.main")) {
                        (link(Place::Connectors, "/", self.t("nav.connectors")))
                        (link(Place::Activity, "/console/activity", self.t("nav.activity")))
                        @if self.may(Permission::ManageClients) {
                            (link(Place::Clients, "/console/clients", self.t("nav.clients")))
                        }
                    }
                    form.who method="post" action="/console/sign-out" {
                        (self.token())
                        span.tenant title=(self.t("nav.tenant")) { (caller.tenant_record().name) }
                        span.level title=(caller.client_id()) { (caller.level()) }
                        button.quiet type="submit" { (self.t("nav.sign_out")) }
                    }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                form method="post" action="/console/preferences" {
                    input type="hidden" name="back" value=(self.path_and_query);
                    label { (self.t("nav.language"))
                        select name="language" data-submits {
                            @for language in Language::ALL {
                                option value=(language.tag()) lang=(language.tag()) selected[language == self.language] { (language.name()) }
                            }
                        }
                    }
                    label { (self.t("nav.theme"))
                        select name="theme" data-submits {
                            @for (theme, word, key) in Theme::ALL {
                                option value=(word) selected[theme == self.theme] { (self.t(key)) }
                            }
                        }
                    }
                    button.quiet.no-script type="submit" { (self.t("nav.apply")) }
                }
                a href="/docs/" { (self.t("nav.api")) }
            }
        }
    }
}

/// A refusal as a page, which the outermost layer renders with the request's tracking id.
#[derive(Clone)]
pub struct ErrorPage(Arc<View>);

impl ErrorPage {
    /// The page.
    pub fn render(&self, error: &ApiError, tracking_id: &str) -> Response {
        let view = &self.0;
        let key = match error.status {
            StatusCode::FORBIDDEN => "error.forbidden",
            StatusCode::NOT_FOUND => "error.not_found",
            status if status.is_server_error() => "error.internal",
            _ => "error.refused",
        };
        let title = view.t(key);
        let content = html! {
            h1 { (title) }
            p.problem role="alert" { (error.text) }
            p { a.button href="/" { (view.t("error.home")) } }
            p.faint { (view.t("error.tracking")) " " code { (tracking_id) } }
        };
        let mut response = view.page_with_status(error.status, Place::Elsewhere, title, &content);
        protect(response.headers_mut());
        response
    }
}

/// The layer around every page.
pub async fn dress(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let view = match View::of(&app, request.headers(), path_and_query).await {
        Ok(view) => Arc::new(view),
        Err(error) => return error.into_response(),
    };
    let mut response = if is_from_elsewhere(request.method(), request.headers()) {
        ApiError::forbidden("this was sent by another site; open the console and try again").into_response()
    } else {
        request.extensions_mut().insert(Arc::clone(&view));
        next.run(request).await
    };
    if let Some((_, caller)) = &view.signed_in {
        response.extensions_mut().insert(caller.clone());
    }
    protect(response.headers_mut());
    response.extensions_mut().insert(ErrorPage(view));
    response
}

/// Whether a browser says that another site sends a change. Forms carry a token as well; this also covers the page for
/// signing in, which has no session whose token it could carry.
fn is_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !method.is_safe() && !matches!(site, None | Some(b"same-origin" | b"none"))
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whoever looks at a page, signed in or not.
pub struct Visitor(pub Arc<View>);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let view = parts.extensions.get().cloned();
        view.map(Self).ok_or_else(|| ApiError::internal("a page outside of its layer"))
    }
}

/// Whoever is signed in and may read connectors.
#[derive(Clone)]
pub struct SignedIn {
    /// How they look at it.
    pub view: Arc<View>,
    /// Who they are.
    pub caller: Caller,
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Visitor(view) = Visitor::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let Some((_, caller)) = view.signed_in.clone() else {
            let back = if parts.method.is_safe() { view.path_and_query.as_str() } else { "/" };
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("back", back).finish();
            let sign_in = format!("/console/sign-in?{query}");
            if parts.headers.contains_key("hx-request") {
                return Err(([("hx-redirect", sign_in)], ()).into_response());
            }
            return Err(Redirect::to(&sign_in).into_response());
        };
        caller.has(Permission::Read).map_err(IntoResponse::into_response)?;
        Ok(Self { view, caller })
    }
}

impl View {
    /// Whether a token is the session's.
    pub fn is_own_token(&self, token: &str) -> bool {
        self.signed_in.as_ref().is_some_and(|(session, _)| session.is_own(token))
    }
}

/// The time of a revision.
pub fn time(milliseconds: i64) -> Markup {
    let Ok(time) = jiff::Timestamp::from_millisecond(milliseconds) else { return html! { "?" } };
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// A parameter of a query, or nothing.
pub fn parameter(query: &str, name: &str) -> String {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(of, _)| of == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What came of a change, as the word that [`done`] reads on the next page.
pub fn outcome(edited: &Edited) -> &'static str {
    match edited {
        Edited::Changed(..) => "saved",
        Edited::Unchanged(_) => "unchanged",
    }
}

/// A message that something was done, where the query names one.
pub fn done(view: &View, query: &str) -> Markup {
    let text = view.language.text(&format!("done.{}", parameter(query, "done")));
    html! { @if let Some(text) = text { p.done role="status" { (text) } } }
}
