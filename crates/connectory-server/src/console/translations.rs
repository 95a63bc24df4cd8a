//! The translations as a grid: a row for each key, a column for each locale, and what is missing.
//!
//! A key counts if the source config uses it or English has a text for it, and the short description always does. A text is saved when its field is left; what
//! was there when it was entered is sent along, so that nobody overwrites what they have not seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::translations::{Properties, SHORT_DESCRIPTION};
use connectory_model::wire::Upload;
use connectory_model::{Connector, Locale};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use serde_json::json;

use super::connector::{Subject, Tab, url};
use super::documents::attachment;
use super::form::Submitted;
use super::page::{View, done, outcome};
use crate::api::edit;
use crate::api::parameters::{ScriptNamePath, path_parameter};
use crate::app::App;
use crate::error::ApiError;

/// How long a text may be, in characters (our decision).
const MAX_TEXT: usize = 10_000;

/// Every text of a connector.
struct Texts {
    keys: BTreeSet<String>,
    of_locale: BTreeMap<Locale, HashMap<String, String>>,
}

impl Texts {
    fn of(connector: &Connector) -> Self {
        let of_locale: BTreeMap<_, _> =
            connector.translations.0.iter().map(|(locale, properties)| (*locale, properties.entries())).collect();
        let mut keys: BTreeSet<_> = connector.source_config.translation_keys().into_iter().collect();
        // Attributes hold keys or texts; which, shows where a text is found.
        keys.retain(|key| of_locale.values().any(|texts| texts.contains_key(key)) || !key.contains(' '));
        keys.extend(of_locale.get(&Locale::En).into_iter().flat_map(HashMap::keys).cloned());
        keys.insert(SHORT_DESCRIPTION.to_owned());
        Self { keys, of_locale }
    }

    fn get(&self, locale: Locale, key: &str) -> Option<&str> {
        self.of_locale.get(&locale)?.get(key).map(String::as_str)
    }

    /// How many of a hundred keys a locale has texts for, rounded down, so that 100 means all.
    fn percent(&self, locale: Locale) -> usize {
        let there = self.keys.iter().filter(|key| self.get(locale, key).is_some()).count();
        (there * 100).checked_div(self.keys.len()).unwrap_or(100)
    }
}

/// How far each locale is that has texts.
pub fn coverage(subject: &Subject) -> Markup {
    let texts = Texts::of(&subject.connector);
    html! {
        @if texts.of_locale.is_empty() { p.faint { (subject.view.t("translations.none")) } }
        ul.coverage {
            @for locale in texts.of_locale.keys() {
                @let percent = texts.percent(*locale);
                li { a href=(subject.url(&format!("/translations?locale={locale}"))) { (locale) } " "
                    progress max="100" value=(percent) aria-label=(locale) {} " " (percent) " %" }
            }
        }
    }
}

/// The page.
pub async fn page(subject: Subject, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let texts = Texts::of(&subject.connector);
    let asked: Vec<Locale> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "locale")
        .filter_map(|(_, tag)| tag.parse().ok())
        .collect();
    // English is what all others are translated from.
    let shown: Vec<_> = std::iter::once(Locale::En)
        .chain(Locale::ALL.iter().copied().filter(|locale| {
            *locale != Locale::En
                && if asked.is_empty() { texts.of_locale.contains_key(locale) } else { asked.contains(locale) }
        }))
        .collect();
    let content = html! {
        (done(&subject.view, &query))
        (choice(&subject, &texts, &shown))
        (grid(&subject, &texts, &shown))
        @if subject.is_writable() { (import_form(&subject, &shown)) }
    };
    subject.page(Tab::Translations, &content)
}

fn choice(subject: &Subject, texts: &Texts, shown: &[Locale]) -> Markup {
    let view = &subject.view;
    html! {
        form.locales method="get" action=(subject.url("/translations")) {
            fieldset {
                legend { (view.t("translations.shown")) }
                @for locale in Locale::ALL {
                    label.check { input type="checkbox" name="locale" value=(locale) checked[shown.contains(locale)];
                        (locale) " " small id=(format!("coverage-{locale}")) { (percent(texts, *locale)) } }
                }
                button type="submit" { (view.t("nav.apply")) }
            }
        }
    }
}

fn percent(texts: &Texts, locale: Locale) -> Markup {
    html! { (texts.percent(locale)) " %" }
}

fn grid(subject: &Subject, texts: &Texts, shown: &[Locale]) -> Markup {
    let view = &subject.view;
    html! {
        div.grid-frame tabindex="0" role="region" aria-label=(view.t("tab.translations")) {
            table.grid {
                thead { tr {
                    th scope="col" { (view.t("translations.key")) }
                    @for locale in shown {
                        th scope="col" { (locale) " "
                            a href=(subject.url(&format!("/translations/{locale}"))) download=(format!("{locale}.properties"))
                                aria-label=(view.f("translations.export", &[locale])) { "↓ .properties" } }
                    }
                } }
                tbody {
                    @for key in &texts.keys {
                        tr {
                            th scope="row" { code { (key) } }
                            @for locale in shown {
                                (cell(subject.is_writable().then_some(subject), view, key, *locale, texts.get(*locale, key), None))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell; with the connector it can be edited. `late` was typed over a text that has changed meanwhile.
fn cell(
    editable: Option<&Subject>,
    view: &View,
    key: &str,
    locale: Locale,
    text: Option<&str>,
    late: Option<&str>,
) -> Markup {
    let stored = text.unwrap_or_default();
    let shown = late.unwrap_or(stored);
    html! {
        td.missing[text.is_none()] lang=(locale) {
            @if let Some(subject) = editable {
                textarea rows="1" name="text" aria-label=(format!("{key}, {locale}")) maxlength=(MAX_TEXT)
                    placeholder=(view.t("translations.missing"))
                    hx-post=(subject.url(&format!("/translations/{locale}/text"))) hx-trigger="change" hx-target="closest td" hx-swap="outerHTML"
                    hx-vals=(json!({"key": key, "was": stored}))
                { "\n" (shown) }
                @if late.is_some() {
                    p.problem role="alert" { (view.f("translations.late", &[&stored])) }
                    button.quiet type="button" data-take=(stored) { (view.t("conflict.take_theirs")) }
                }
            } @else if let Some(text) = text { (text) }
            @else { span.faint { (view.t("translations.missing")) } }
        }
    }
}

/// The locale of a path.
pub struct OneOfTheLocales(Locale);

impl<S: Send + Sync> FromRequestParts<S> for OneOfTheLocales {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let tag = path_parameter(parts, state, "locale").await;
        tag.parse().map(Self).map_err(|error| ApiError::not_found(format!("{error}")))
    }
}

/// Saves one text; an empty one removes the key from the locale.
pub async fn save_text(
    State(app): State<Arc<App>>,
    ScriptNamePath(script_name): ScriptNamePath,
    OneOfTheLocales(locale): OneOfTheLocales,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    let (key, was) = (form.get("key").to_owned(), form.get("was").to_owned());
    let text = form.lines("text", &was);
    if key.is_empty() || key.chars().count() > 255 || text.chars().count() > MAX_TEXT || text.contains('\0') {
        let limit = format!("a key has 1 to 255 characters, a text at most {MAX_TEXT} and no NUL");
        return Err(ApiError::bad_request(limit));
    }
    let (sought, typed) = (key.clone(), text.clone());
    let next = move |connector: &Connector| {
        let stored = connector.translations.0.get(&locale);
        let current = stored.and_then(|stored| stored.entries().remove(&sought)).unwrap_or_default();
        if current == typed {
            return Ok(None);
        }
        if current.replace("\r\n", "\n") != was.replace("\r\n", "\n") {
            return Err(ApiError::conflict());
        }
        let changed = stored.cloned().unwrap_or(Properties::Utf8(String::new()));
        let changed = changed.with(&sought, (!typed.is_empty()).then_some(&typed));
        let mut next = connector.clone();
        if changed.text().trim().is_empty() {
            next.translations.0.remove(&locale);
        } else {
            next.translations.0.insert(locale, changed);
        }
        Ok(Some((next, vec![Upload::Translations(locale).file_name()])))
    };
    let conflict = match edit::edit(&app, &caller, &script_name, next).await {
        Ok(_) => None,
        Err(error) if error.status == StatusCode::CONFLICT => Some(text.as_str()),
        Err(error) => return Err(error),
    };
    let subject = Subject::find(&app, &view, &caller, &script_name).await?;
    let texts = Texts::of(&subject.connector);
    let fragment = html! {
        (cell(Some(&subject), &view, &key, locale, texts.get(locale, &key), conflict))
        small id=(format!("coverage-{locale}")) hx-swap-oob="true" { (percent(&texts, locale)) }
    };
    Ok(fragment.into_response())
}

/// Answers a locale's texts as a file.
pub async fn export(subject: Subject, OneOfTheLocales(locale): OneOfTheLocales) -> Response {
    let texts = subject.connector.translations.0.get(&locale);
    let name = format!("{}-{locale}.properties", subject.connector.script_name);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_DISPOSITION, attachment(&name)),
    ];
    (headers, texts.map(Properties::to_bytes).unwrap_or_default()).into_response()
}

fn import_form(subject: &Subject, shown: &[Locale]) -> Markup {
    let view = &subject.view;
    html! {
        form.upload method="post" action=(subject.url("/translations")) enctype="multipart/form-data" {
            (view.token())
            label { (view.t("translations.import_into"))
                select name="locale" {
                    @for locale in Locale::ALL { option value=(locale) selected[shown.last() == Some(locale)] { (locale) } }
                }
            }
            label { (view.t("translations.file")) input type="file" name="file" accept=".properties,text/plain" required; }
            button type="submit" { (view.t("translations.import")) }
        }
    }
}

/// Replaces a locale's texts with those of a file.
pub async fn import(
    State(app): State<Arc<App>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, ApiError> {
    let locale: Locale = form.get("locale").parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    let bytes = form.file(app.options.max_document)?;
    let properties = Properties::parse(&bytes).map_err(|error| ApiError::bad_request(format!("the file, {error}")))?;
    let next = move |connector: &Connector| {
        let mut next = connector.clone();
        next.translations.0.insert(locale, properties.clone());
        let is_new = next.translations != connector.translations;
        Ok(is_new.then(|| (next, vec![Upload::Translations(locale).file_name()])))
    };
    let word = outcome(&edit::edit(&app, &caller, &script_name, next).await?);
    Ok(Redirect::to(&url(&script_name, &format!("/translations?done={word}&locale={locale}"))).into_response())
}
