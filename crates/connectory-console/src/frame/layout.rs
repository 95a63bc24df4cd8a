//! The layout around the content of every page, and the headers that protect it.
//!
//! `maud` escapes every text. Only `connector::form_preview` shows markup. If a stored text should still become markup,
//! it can do nothing: the content security policy allows no inline script and nothing from other sites.

use axum::response::{IntoResponse, Response};
use connectory_model::access::Permission;
use connectory_model::visible;
use connectory_server::auth::Caller;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::badges::{called, face};
use super::icon::{Icon, icon};
use super::keys::KEYS;
use super::notes;
use super::texts::Language;
use super::view::{Theme, View};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The style sheets of every page, in their order.
const STYLE_SHEETS: [&str; 6] = ["tokens", "codemirror", "console", "editor", "translations", "import"];
/// The fonts that every page shows at once.
const FIRST_FONTS: [&str; 1] = ["inter-latin-5.3.0.woff2"];
/// The scripts of every page, in their order.
const SCRIPTS: [&str; 11] = [
    "htmx.min",
    "codemirror.min",
    "requests",
    "drafts",
    "drops",
    "console",
    "editor",
    "copy",
    "translations",
    "import",
    "list",
];

/// Where a page is in the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The list, and the pages of a connector.
    Connectors,
    /// The recent changes.
    Activity,
    /// API clients.
    Clients,
    /// The settings.
    Settings,
    /// None of them.
    Elsewhere,
    /// None of them, and its reader would lose it by asking for another language.
    Held,
}

/// The places of the rail: the address, the icon, and the key of the text.
const RAIL: [(Place, &str, Icon, &str); 4] = [
    (Place::Connectors, "/", Icon::Box, "nav.connectors"),
    (Place::Activity, "/console/activity", Icon::Pulse, "nav.activity"),
    (Place::Clients, "/console/clients", Icon::Key, "nav.clients"),
    (Place::Settings, "/console/settings", Icon::Gear, "nav.settings"),
];

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
                    title { (self.window_title(title)) }
                    link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                    @for font in FIRST_FONTS { link rel="preload" href=(assets::font(font)) as="font" type="font/woff2" crossorigin; }
                    @for sheet in STYLE_SHEETS { link rel="stylesheet" href=(assets::url(&format!("{sheet}.css"))); }
                    @for script in SCRIPTS { script defer src=(assets::url(&format!("{script}.js"))) {} }
                }
                body.with-rail[self.signed_in.is_some()] hx-headers:inherited=[headers] data-author=[self.author_key()] {
                    a.skip href="#content" { (self.text("nav.skip")) }
                    @if let Some((_, caller)) = &self.signed_in { (self.rail(place, caller)) }
                    div.page {
                        @if self.signed_in.is_some() { (notes::interruption(self)) }
                        main #content tabindex="-1" { (content) }
                        @if self.signed_in.is_none() && place != Place::Held { footer { (self.preferences()) } }
                    }
                    (self.keys())
                }
            }
        };
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], document.into_string()).into_response()
    }

    /// The title of the window, with the environment first, because tabs of browsers show little of it.
    fn window_title(&self, title: &str) -> String {
        let environment = self.environment.as_ref().map(|environment| format!("[{}] ", environment.name));
        format!("{}{} · connectory", environment.unwrap_or_default(), visible(title))
    }

    /// The name of the server, and of its environment.
    pub fn brand(&self) -> Markup {
        html! {
            a.brand href="/" { (PreEscaped(assets::LOGO)) span { "connectory" } }
            @if let Some(environment) = &self.environment {
                div.env data-colour=(environment.colour.word()) {
                    span.visually-hidden { (self.text("nav.environment")) ": " } (visible(&environment.name))
                }
            }
        }
    }

    fn rail(&self, place: Place, caller: &Caller) -> Markup {
        let author = caller.author();
        let name = called(author);
        html! {
            header.rail {
                (self.brand())
                nav aria-label=(self.text("nav.main")) {
                    @for (at, href, of, text) in RAIL {
                        @if at != Place::Clients || self.may(Permission::ManageClients) {
                            a href=(href) aria-current=[(at == place).then_some("page")] {
                                (icon(of)) (self.text(text))
                                @if at == Place::Connectors { span.tab-count { (caller.tenant().snapshot().count()) } }
                            }
                        }
                    }
                }
                div.end {
                    nav aria-label=(self.text("nav.help")) {
                        a href="/docs/" { (icon(Icon::Book)) (self.text("nav.api")) }
                    }
                    form.who method="post" action="/console/sign-out" data-signs-out {
                        (self.csrf_input())
                        (face(name))
                        span title=(visible(&author.id)) {
                            b { (visible(name)) }
                            small { (visible(&caller.tenant_record().name)) " · " @if self.may_write() { (caller.level()) } @else { (self.text("nav.reader")) } }
                        }
                        button.quiet.only-icon type="submit" title=(self.text("nav.sign_out")) aria-label=(self.text("nav.sign_out")) { (icon(Icon::Leave)) }
                    }
                }
            }
        }
    }

    /// The form for the language and the theme.
    pub fn preferences(&self) -> Markup {
        html! {
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
                button.no-script type="submit" { (self.text("nav.apply")) }
            }
        }
    }

    /// The list of keys, which the script shows.
    fn keys(&self) -> Markup {
        html! {
            dialog #keys aria-labelledby="keys-title" {
                h2 #keys-title { (self.text("keys.title")) }
                @for (title, keys) in KEYS {
                    h3 { (self.text(title)) }
                    dl { @for (key, text) in keys { dt { kbd { (self.key_name(key)) } } dd { (self.text(text)) } } }
                }
                form method="dialog" { button type="submit" autofocus { (self.text("action.close")) } }
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
