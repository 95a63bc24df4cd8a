//! How a page is shown: the language, the theme, and who is signed in.

use std::fmt::Display;
use std::sync::Arc;

use connectory_model::Locale;
use connectory_model::access::Permission;
use connectory_model::limits::BACK_BYTES;
use connectory_server::auth::Caller;
use connectory_server::options::Environment;
use http::{HeaderMap, Method, header};
use maud::{Markup, html};
use url::{Position, Url};

use super::texts::Language;
use crate::sign_in::back::local_path;
use crate::sign_in::cookie::PREFERENCES;
use crate::sign_in::session::Session;
use crate::state::Console;

/// The header with the session's token, which every request of a script has.
pub const FORM_TOKEN: &str = "x-csrf-token";

/// A color scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// The color scheme of the system.
    Auto,
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Theme {
    /// All themes.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// The word of the theme in the preferences.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The key of the theme's name.
    pub const fn name_key(self) -> &'static str {
        match self {
            Self::Auto => "theme.auto",
            Self::Light => "theme.light",
            Self::Dark => "theme.dark",
        }
    }

    /// The theme of a word.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.word() == word).unwrap_or(Self::Auto)
    }
}

/// The page that a browser says a request comes from, as a path of this server.
fn referring_page(headers: &HeaderMap) -> Option<String> {
    let referrer = Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    Some(local_path(&referrer[Position::BeforePath..Position::AfterQuery]))
}

/// How a page is shown, and to whom.
pub struct View {
    /// The language of the console's own texts.
    pub language: Language,
    /// The color scheme.
    pub theme: Theme,
    /// The session and its caller, if someone is signed in.
    pub signed_in: Option<(Arc<Session>, Caller)>,
    /// The address of the request, without its host. `/` if it is too long for the page to repeat it.
    pub path_and_query: String,
    /// The address of the page with the form that the request sends, without its host, if it is known.
    pub form_page: Option<String>,
    /// The environment of the server.
    pub environment: Option<Arc<Environment>>,
    /// Whether a script of a page sends the request. Its errors are texts.
    pub is_from_script: bool,
}

impl View {
    /// The view of a request, before it is known who sent it.
    pub fn new(console: &Console, method: &Method, headers: &HeaderMap, path_and_query: &str) -> Self {
        let preferences = console.cookies.value(headers, PREFERENCES).unwrap_or_default();
        let (tag, theme) = preferences.split_once('.').unwrap_or_default();
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            language: Language::from_tag(tag)
                .unwrap_or_else(|| Language::from_accept_language(accepted.unwrap_or_default())),
            theme: Theme::from_word(theme),
            signed_in: None,
            environment: console.server.options.environment.clone(),
            path_and_query: if path_and_query.len() <= BACK_BYTES { path_and_query } else { "/" }.to_owned(),
            is_from_script: headers.contains_key(FORM_TOKEN),
            form_page: if method.is_safe() { None } else { referring_page(headers) },
        }
    }

    /// The page that a reader comes back to after signing in, or after another language was chosen.
    pub fn back(&self) -> &str {
        self.form_page.as_deref().unwrap_or(&self.path_and_query)
    }

    /// Whose drafts the browser may show: the tenant and the author, if someone is signed in.
    pub fn author_key(&self) -> Option<String> {
        let (_, caller) = self.signed_in.as_ref()?;
        let author = caller.author();
        Some(format!("{} {} {}", caller.tenant_record().uuid, author.kind.as_str(), author.id))
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> &'static str {
        self.language.text(key).unwrap_or("?")
    }

    /// The name of a key of the keyboard, or of several that are pressed together, as keyboards of the language have it.
    pub fn key_name(&self, keys: &str) -> String {
        let name = |key| match key {
            "Ctrl" => self.text("keys.ctrl"),
            "Shift" => self.text("keys.shift"),
            "Space" => self.text("keys.space"),
            other => other,
        };
        keys.split(' ').map(name).collect::<Vec<_>>().join(" ")
    }

    /// The text of a key with values in the places of `{0}`, `{1}` and so on.
    pub fn format(&self, key: &str, values: &[&dyn Display]) -> String {
        self.language.format(key, values)
    }

    /// The locale in which connectors are described.
    pub fn locale(&self) -> Locale {
        Locale::or_english(Some(self.language.tag()))
    }

    /// Whether the caller has a permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.signed_in.as_ref().is_some_and(|(_, caller)| caller.has(permission).is_ok())
    }

    /// Whether the caller may change connectors.
    pub fn may_write(&self) -> bool {
        self.may(Permission::Write)
    }

    /// The hidden input with the session's token. Every form that changes something has it.
    pub fn csrf_input(&self) -> Markup {
        let token = self.signed_in.as_ref().map(|(session, _)| session.csrf()).unwrap_or_default();
        html! { input type="hidden" name="csrf" value=(token); }
    }

    /// Whether a token is the one of the session.
    pub fn is_csrf_token(&self, token: &str) -> bool {
        self.signed_in.as_ref().is_some_and(|(session, _)| session.is_csrf_token(token))
    }
}
