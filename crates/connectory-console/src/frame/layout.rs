//! The layout around the content of every page, and the headers that protect it.
//!
//! `maud` escapes every text. Only `connector::form_preview` shows markup. If a stored text should still become markup,
//! it can do nothing: the content security policy allows no inline script and nothing from other sites.

use axum::response::{IntoResponse, Response};
use connectory_model::access::Permission;
use connectory_model::visible;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::notes;
use super::texts::Language;
use super::view::{Theme, View};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Where a page is in the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The list, and the pages of a connector.
    Connectors,
    /// The recent changes.
    Activity,
    /// API clients.
    Clients,
    /// None of them.
    Elsewhere,
}

impl View {
    /// Renders a page around its content.
    pub fn render(&self, place: Place, title: &str, content: &Markup) -> Response {
        self.render_with_status(StatusCode::OK, place, title, content)
    }

    /// The same with a status.
    pub fn render_with_status(&self, status: StatusCode, place: Place, title: &str, content: &Markup) -> Response {
        let headers = self.signed_in.as_ref().map(|(session, _)| format!(r#"{{"X-CSRF-Token":"{}"}}"#, session.csrf()));
        let document = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) data-theme=(self.theme.word()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="htmx-config" content=r#"{"includeIndicatorCSS":false,"history":"reload","noSwap":["204","304","4xx","5xx"]}"#;
                    title { (visible(title)) " · connectory" }
                    link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(assets::url("codemirror.css"));
                    link rel="stylesheet" href=(assets::url("console.css"));
                    script defer src=(assets::url("htmx.min.js")) {}
                    script defer src=(assets::url("codemirror.min.js")) {}
                    @for script in ["requests.js", "drafts.js", "console.js", "copy.js"] { script defer src=(assets::url(script)) {} }
                }
                body hx-headers:inherited=[headers] data-author=[self.author_key()] {
                    a.skip href="#content" { (self.text("nav.skip")) }
                    (self.header(place))
                    @if self.signed_in.is_some() { (notes::interruption(self)) }
                    main #content tabindex="-1" { (content) }
                    (self.footer())
                }
            }
        };
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], document.into_string()).into_response()
    }

    fn header(&self, place: Place) -> Markup {
        let link = |at: Place, href: &str, text: &str| {
            html! { a href=(href) aria-current=[(at == place).then_some("page")] { (text) } }
        };
        html! {
            header.top {
                a.brand href="/" { (PreEscaped(assets::LOGO)) span { "connectory" } }
                @if let Some((_, caller)) = &self.signed_in {
                    nav aria-label=(self.text("nav.main")) {
                        (link(Place::Connectors, "/", self.text("nav.connectors")))
                        (link(Place::Activity, "/console/activity", self.text("nav.activity")))
                        @if self.may(Permission::ManageClients) {
                            (link(Place::Clients, "/console/clients", self.text("nav.clients")))
                        }
                    }
                    form.who method="post" action="/console/sign-out" data-signs-out {
                        (self.csrf_input())
                        span.tenant title=(self.text("nav.tenant")) { (visible(&caller.tenant_record().name)) }
                        span.level title=(visible(caller.client_id())) { (caller.level()) }
                        button.quiet type="submit" { (self.text("nav.sign_out")) }
                    }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                form method="post" action="/console/preferences" {
                    input type="hidden" name="back" value=(self.back());
                    label { (self.text("nav.language"))
                        select name="language" data-submits {
                            @for language in Language::ALL {
                                option value=(language.tag()) lang=(language.tag()) selected[language == self.language] { (language.name()) }
                            }
                        }
                    }
                    label { (self.text("nav.theme"))
                        select name="theme" data-submits {
                            @for theme in Theme::ALL {
                                option value=(theme.word()) selected[theme == self.theme] { (self.text(theme.name_key())) }
                            }
                        }
                    }
                    button.quiet.no-script type="submit" { (self.text("nav.apply")) }
                }
                a href="/docs/" { (self.text("nav.api")) }
            }
        }
    }
}

/// Sets the headers that protect a page.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
