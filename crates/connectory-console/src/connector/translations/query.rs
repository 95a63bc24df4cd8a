//! What a reader wants to see of the translations. All of it is in the URL, so that a view can be shared.

use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{Connector, Locale, Search, shown};
use maud::{Markup, html};

use super::super::coverage::Keys;
use super::super::page::ConnectorPage;
use crate::frame::locales::in_order;
use crate::frame::query::parameter;

/// The parameters of the URL.
#[derive(Debug, Clone)]
pub struct GridQuery {
    /// The locales that were asked for. Without any, those with texts are shown.
    pub locales: Vec<Locale>,
    /// What a key or a text contains.
    pub search: String,
    /// Whether only keys are shown that lack a text.
    pub is_missing_only: bool,
    /// Whether the keys are in alphabetical order, and not in that of the form.
    pub is_by_key: bool,
    /// The number of the page, from 1.
    pub page: usize,
}

impl GridQuery {
    /// Reads a query.
    pub fn parse(query: &str) -> Self {
        let tags = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "locale");
        let mut locales: Vec<Locale> = Vec::new();
        for locale in tags.filter_map(|(_, tag)| tag.parse().ok()) {
            if !locales.contains(&locale) {
                locales.push(locale);
            }
        }
        Self {
            locales,
            search: shown(parameter(query, "q").trim(), MEMBER_CHARS).to_owned(),
            is_missing_only: parameter(query, "missing") == "true",
            is_by_key: parameter(query, "order") == "key",
            page: parameter(query, "page").parse().unwrap_or(1).max(1),
        }
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs: Vec<_> = self.locales.iter().map(|locale| ("locale", locale.to_string())).collect();
        if !self.search.is_empty() {
            pairs.push(("q", self.search.clone()));
        }
        if self.is_missing_only {
            pairs.push(("missing", "true".to_owned()));
        }
        if self.is_by_key {
            pairs.push(("order", "key".to_owned()));
        }
        if self.page > 1 {
            pairs.push(("page", self.page.to_string()));
        }
        pairs
    }

    /// The address of this view.
    pub fn url(&self, page: &ConnectorPage) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish();
        page.url(&if query.is_empty() { "/translations".to_owned() } else { format!("/translations?{query}") })
    }

    /// This view at one of its pages.
    pub fn at_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The first page of this view, with something else.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.at_page(1);
        change(&mut changed);
        changed
    }

    /// Hidden fields for a form that begins this view again with another value of one parameter.
    pub fn fields_without(&self, name: &str) -> Markup {
        html! {
            @for (of, value) in self.pairs() {
                @if of != name && of != "page" { input type="hidden" name=(of) value=(value); }
            }
        }
    }

    /// The locales of this view in their order. English is always shown: all others are translated from it.
    pub fn shown(&self, page: &ConnectorPage) -> Vec<Locale> {
        let mut locales = in_order(&page.view);
        let with_texts = &page.connector.translations.0;
        locales.retain(|locale| match &*self.locales {
            _ if *locale == Locale::En => true,
            [] => with_texts.contains_key(locale),
            asked => asked.contains(locale),
        });
        locales
    }

    /// The keys of this view, in its order, as places in [`Keys::all`].
    pub fn select(&self, connector: &Connector, keys: &Keys, shown: &[Locale]) -> Vec<usize> {
        let search: Option<Search> = self.search.parse().ok();
        let contains = |text: &str| search.as_ref().is_none_or(|search| search.is_in(text));
        let mut are_found: Vec<_> = keys.all.iter().map(|key| contains(key)).collect();
        let mut texts = vec![0; keys.all.len()];
        for properties in shown.iter().filter_map(|locale| connector.translations.0.get(locale)) {
            // Of a key that is there twice, the last text counts.
            let mut found = vec![None; keys.all.len()];
            properties.each(|entry| {
                if let Ok(at) = keys.all.binary_search(&entry.key) {
                    found[at] = Some(contains(&entry.value));
                }
            });
            for (at, is_found) in found.into_iter().enumerate().filter_map(|(at, found)| Some((at, found?))) {
                texts[at] += 1;
                are_found[at] |= is_found;
            }
        }
        let is_selected = |at: &usize| are_found[*at] && !(self.is_missing_only && texts[*at] == shown.len());
        let mut selected: Vec<_> = (0..keys.all.len()).filter(is_selected).collect();
        if !self.is_by_key {
            selected.sort_by_key(|at| keys.in_form[*at].unwrap_or(usize::MAX));
        }
        selected
    }
}
