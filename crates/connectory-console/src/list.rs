//! The list of connectors: searched, filtered and sorted, with everything in the URL, so that a view can be shared.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use connectory_model::filter::{Filter, quoted};
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::wire::{ConnectorItem, Origin};
use connectory_model::{Locale, ScriptName, Status, metadata, name_key, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::{CountedFacets, Entry, Facet, Searched, Selection, SortBy, Source};
use connectory_server::work::Stop;
use connectory_store::{Action, Revision, RevisionNumber};
use http::HeaderValue;
use maud::{Markup, html};
use serde::{Deserialize, Deserializer, Serialize};

use crate::frame::badges::{STATUSES, author_name, mark, status_badge, status_name, time_ago};
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::list_tabs::{ListTab, deleted_count, list_tabs, long_search};
use crate::frame::query::parameter;
use crate::frame::search::search_field;
use crate::frame::success::success_note;
use crate::frame::taken_back::{change_note, list_address};
use crate::frame::undo;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{IMPORT, MANY_DELETE, MANY_LABELS, MANY_STATUS, NEW, connector_url};
use connectory_model::shown;

/// The numbers of connectors that a page may have (D94).
const PAGE_SIZES: [usize; 3] = [25, 50, 100];
/// The number of connectors on a page, unless the reader chose another one (D28).
const PAGE_SIZE: usize = 50;
/// The word in the URL for the built-in connectors.
const BUILT_IN: &str = "built-in";
/// The address of the export of selected connectors.
const EXPORT: &str = "/console/export";
/// The bytes of a name that may not be shown whole. Its title is.
const LONG_NAME: usize = 60;
/// The number of locales that a row shows.
const LOCALES: usize = 3;

/// The parameters of the URL. Of a parameter that is repeated, the last value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
struct ListQuery {
    #[serde(rename = "q", deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    search: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(rename = "type", deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    connector_type: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    category: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    feature: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    label: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    direct: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    origin: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "String::is_empty")]
    size: String,
    #[serde(deserialize_with = "last_value", skip_serializing_if = "is_first_page")]
    page: String,
}

/// The last of the values that a parameter has, without spaces around it and not longer than a name may be.
fn last_value<'de, D: Deserializer<'de>>(values: D) -> Result<String, D::Error> {
    let values = Vec::<String>::deserialize(values)?;
    Ok(values.last().map(|value| shown(value.trim(), MEMBER_CHARS).to_owned()).unwrap_or_default())
}

fn is_first_page(page: &str) -> bool {
    matches!(page, "" | "1")
}

/// How the list is sorted.
#[derive(Clone, Copy)]
struct Sorting {
    by: SortBy,
    is_descending: bool,
}

impl ListQuery {
    fn parse(query: &str) -> Self {
        serde_html_form::from_str(query).unwrap_or_default()
    }

    /// The shortest URL of this view.
    fn url(&self) -> String {
        let query = serde_html_form::to_string(self).expect("texts are a query");
        if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
    }

    fn sorting(&self) -> Sorting {
        let (is_descending, word) = self.sort.strip_prefix('-').map_or((false, &*self.sort), |word| (true, word));
        let by = COLUMNS.iter().find(|(known, ..)| *known == word).map_or(SortBy::Name, |(_, by, _)| *by);
        Sorting { by, is_descending }
    }

    /// The number of connectors on a page.
    fn page_size(&self) -> usize {
        let chosen = self.size.parse().ok();
        chosen.filter(|size| PAGE_SIZES.contains(size)).unwrap_or(PAGE_SIZE)
    }

    fn with_size(&self, size: usize) -> String {
        let size = if size == PAGE_SIZE { String::new() } else { size.to_string() };
        Self { size, page: String::new(), ..self.clone() }.url()
    }

    fn tab(&self) -> ListTab {
        if self.origin == BUILT_IN { ListTab::BuiltIn } else { ListTab::Custom }
    }

    /// The address of this view in another list. Deleted connectors can only be searched.
    fn in_tab(&self, tab: ListTab) -> String {
        let origin = match tab {
            ListTab::Custom => String::new(),
            ListTab::BuiltIn => BUILT_IN.to_owned(),
            ListTab::Deleted => return tab.address(&self.search),
        };
        Self { origin, page: String::new(), ..self.clone() }.url()
    }

    /// The address without filters.
    fn reset(&self) -> String {
        Self { origin: self.origin.clone(), size: self.size.clone(), ..Self::default() }.url()
    }

    fn at_page(&self, page: usize) -> String {
        Self { page: page.to_string(), ..self.clone() }.url()
    }

    fn sorted_by(&self, word: &str) -> String {
        let sort = if self.sort == word || (self.sort.is_empty() && word == "name") {
            format!("-{word}")
        } else {
            word.to_owned()
        };
        Self { sort, page: String::new(), ..self.clone() }.url()
    }

    fn is_filtered(&self) -> bool {
        let [origin, sort, size, page] = [const { String::new() }; 4];
        Self { origin, sort, size, page, ..self.clone() } != Self::default()
    }

    /// What is selected, of every origin.
    fn selection(&self, locale: Locale) -> Selection {
        let status: Option<Status> = self.status.parse().ok();
        let mut conditions = Vec::new();
        let mut add = |template: &str, value: &str| {
            if !value.is_empty() {
                conditions.push(template.replace("{}", &quoted(value)));
            }
        };
        add("type co {}", &self.connector_type);
        add("category eq {}", &self.category);
        add("features ca ({})", &self.feature);
        add("labels ca ({})", &self.label);
        add("directConnect eq {}", if matches!(&*self.direct, "true" | "false") { &self.direct } else { "" });
        // Values of up to 255 characters make a filter that is always short enough.
        let filter = Filter::parse(&conditions.join(" and ")).ok();
        // Of a text that is too long, `last_value` has kept the beginning.
        let search = self.search.parse().ok().map(|text| Searched { text, locale });
        Selection { statuses: status.map_or(Status::ALL.to_vec(), |status| vec![status]), origin: None, filter, search }
    }
}

/// The columns that a list can be sorted by: the word in the URL, the order, the key of the title.
const COLUMNS: [(&str, SortBy, &str); 5] = [
    ("name", SortBy::Name, "column.name"),
    ("type", SortBy::Type, "column.type"),
    ("category", SortBy::Category, "column.category"),
    ("status", SortBy::Status, "column.status"),
    ("changed", SortBy::Changed, "column.changed"),
];

/// Shows the list.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let raw = query.unwrap_or_default();
    let query = ListQuery::parse(&raw);
    let sorting = query.sorting();
    let size = query.page_size();
    let number = query.page.parse().unwrap_or(1).clamp(1, usize::MAX / size);
    let tab = query.tab();
    let snapshot = caller.tenant().snapshot();
    let tenant = Arc::clone(caller.tenant());
    let selection = query.selection(view.locale());
    // Counting and sorting many connectors takes milliseconds.
    let search = move |stop: &Stop| {
        let [here, there] = match tab {
            ListTab::BuiltIn => [Origin::BuiltIn, Origin::Custom],
            _ => [Origin::Custom, Origin::BuiltIn],
        };
        let of = |origin| Selection { origin: Some(origin), ..selection.clone() };
        let listing = snapshot.listing(&of(here), sorting.by, sorting.is_descending, (number - 1) * size, size, stop);
        let others = snapshot.listing(&of(there), SortBy::Name, false, 0, 0, stop).total;
        (tenant.facets(&snapshot), listing, others)
    };
    let (facets, listing, others) = console.server.work.search(search).await?;
    let changes = last_changes(&console, &caller, &listing.entries).await?;

    // What is deleted is not filtered, so its number would mean something else than the others.
    let deleted = if query.is_filtered() { None } else { Some(deleted_count(&console, &caller).await?) };
    let back = list_address(&query.url());
    let page = Page { number, size, total: listing.total, shown: listing.entries.len() };
    let content = html! {
        (success_note(&view, &raw))
        (long_search(&view, &raw))
        (undo_note(&console, &view, &caller, &raw).await?)
        (change_note(&console, &view, &caller, &raw, Some(&back)).await?)
        form #filters method="get" action="/" role="search" hx-get="/" hx-trigger="input delay:150ms, submit"
            hx-target="#results" hx-select="#results" hx-select-oob="#lists" hx-swap="outerHTML" hx-sync="this:replace" {
            div.top {
                h1 { (view.text("nav.connectors")) }
                (search_field(&view, &query.search, "list.search_hint"))
                @if view.may_write() {
                    span.spacer.actions {
                        a.button href=(IMPORT) { (icon(Icon::Up)) (view.text("list.import")) }
                        a.button.primary href=(NEW) { (icon(Icon::Plus)) (view.text("list.create")) }
                    }
                }
            }
            div.top {
                (list_tabs(&view, tab, |of| {
                    let count = match of {
                        ListTab::Deleted => deleted.clone(),
                        of => Some(if of == tab { listing.total } else { others }.to_string()),
                    };
                    (query.in_tab(of), count)
                }))
                div.chips { (filters(&view, &query, &facets)) }
            }
        }
        section #results aria-live="polite" {
            @if listing.entries.is_empty() { (nothing(&view, &query, &page)) }
            @else { (table(&view, &query, &back, sorting, &listing.entries, &changes)) }
            @if tab == ListTab::Custom && !listing.entries.is_empty() { (selection_bar(&view, &back)) }
            (page_links(&view, &query, &page))
        }
    };
    let mut response = view.render(Place::Connectors, view.text("nav.connectors"), &content);
    if let Ok(url) = HeaderValue::try_from(query.url()) {
        response.headers_mut().insert("hx-replace-url", url);
    }
    Ok(response)
}

/// The values of a facet that a list can be narrowed by, and how many of its connectors have each.
fn choices(counted: &CountedFacets, tab: ListTab, facet: Facet) -> Vec<(&str, u32)> {
    let built_in = counted.built_in.of(facet);
    if tab == ListTab::BuiltIn {
        return built_in.iter().map(|(value, count)| (&**value, *count)).collect();
    }
    let others = counted.all.of(facet).iter().map(|(value, count)| {
        let at = built_in.binary_search_by(|(of, _)| of.cmp(value));
        (&**value, count.saturating_sub(at.map_or(0, |at| built_in[at].1)))
    });
    others.filter(|(_, count)| *count > 0).collect()
}

/// A page of the list.
struct Page {
    /// From 1.
    number: usize,
    size: usize,
    /// The number of connectors in the list.
    total: usize,
    /// The number of connectors on the page.
    shown: usize,
}

impl Page {
    /// The number of the last page.
    fn last(&self) -> usize {
        self.total.div_ceil(self.size).max(1)
    }
}

/// Why there is no connector on the page, and what to do.
fn nothing(view: &View, query: &ListQuery, page: &Page) -> Markup {
    let is_filtered = query.is_filtered();
    html! {
        div.empty {
            @if page.total > 0 {
                p { (view.format("list.beyond", &[&page.number, &page.last()])) }
                div.actions { a.button href=(query.at_page(page.last())) { (view.text("list.last")) } }
            } @else if is_filtered {
                p { (view.text("list.nothing_found")) }
                div.actions { a.button href=(query.reset()) { (view.text("list.reset")) } }
            } @else {
                p { (view.text("list.nothing_yet")) }
                @if view.may_write() && query.tab() == ListTab::Custom {
                    div.actions {
                        a.button.primary href=(NEW) { (icon(Icon::Plus)) (view.text("list.create")) }
                        a.button href=(IMPORT) { (icon(Icon::Up)) (view.text("list.import")) }
                        a.button href=(query.in_tab(ListTab::BuiltIn)) { (view.text("list.see_built_in")) }
                    }
                }
            }
        }
    }
}

/// Which connectors the page has, links to other pages, and the choice of the page's size.
fn page_links(view: &View, query: &ListQuery, page: &Page) -> Markup {
    let first = (page.number - 1) * page.size + 1;
    let last = first + page.shown.saturating_sub(1);
    html! {
        nav.pages aria-label=(view.text("list.pages")) {
            p.count {
                @if page.shown > 0 { (view.format("list.count", &[&first, &last, &page.total])) }
                @if query.is_filtered() && page.shown > 0 { " · " a href=(query.reset()) { (view.text("list.reset")) } }
            }
            @if page.total > PAGE_SIZES[0] {
                span.sizes {
                    (view.text("list.size"))
                    @for of in PAGE_SIZES { " " a href=(query.with_size(of)) aria-current=[(of == page.size).then_some("true")] { (of) } }
                }
            }
            @if page.number > 1 && page.shown > 0 { a.button rel="prev" href=(query.at_page(page.number - 1)) { (view.text("list.previous")) } }
            @if page.number < page.last() { a.button rel="next" href=(query.at_page(page.number + 1)) { (view.text("list.next")) } }
        }
    }
}

/// The choices that narrow the list. Each is a select that looks like a chip, and has the name of what it narrows while
/// nothing is chosen.
fn filters(view: &View, query: &ListQuery, facets: &CountedFacets) -> Markup {
    let choice = |name: &str, label: &str, chosen: &str, values: &[(String, String)]| {
        let known = chosen.is_empty() || values.iter().any(|(value, _)| name_key(value) == name_key(chosen));
        html! {
            label.chosen {
                span.visually-hidden { (label) }
                select.filter name=(name) {
                    option value="" { (label) }
                    @for (value, text) in values {
                        option value=(value) selected[name_key(value) == name_key(chosen)] { (visible(text)) }
                    }
                    @if !known { option value=(chosen) selected { (visible(chosen)) } }
                }
            }
        }
    };
    let counted = |facet: Facet| -> Vec<_> {
        let values = choices(facets, query.tab(), facet).into_iter();
        values.map(|(value, count)| (value.to_string(), format!("{value} ({count})"))).collect()
    };
    let direct: Vec<_> = [("true", "facet.is_direct"), ("false", "facet.is_not_direct")]
        .map(|(value, key)| (value.to_owned(), view.text(key).to_owned()))
        .into();
    let statuses: Vec<_> = STATUSES.map(|status| (status.to_string(), status_name(view, status).to_owned())).into();
    html! {
        (choice("status", view.text("facet.status"), &query.status, &statuses))
        (choice("type", view.text("facet.type"), &query.connector_type, &counted(Facet::Type)))
        (choice("category", view.text("facet.category"), &query.category, &counted(Facet::Category)))
        (choice("feature", view.text("facet.feature"), &query.feature, &counted(Facet::Feature)))
        (choice("label", view.text("facet.label"), &query.label, &counted(Facet::Label)))
        (choice("direct", view.text("facet.direct"), &query.direct, &direct))
        @for (name, value) in [("origin", &query.origin), ("size", &query.size), ("sort", &query.sort)] {
            @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
        }
        button.no-script type="submit" { (view.text("list.search")) }
    }
}

/// The newest revision of each of these connectors, by its number. One read for all of them.
async fn last_changes(
    console: &Console,
    caller: &Caller,
    entries: &[Arc<Entry>],
) -> Result<HashMap<RevisionNumber, Revision>, PageError> {
    let numbers = entries.iter().filter_map(|entry| match entry.source {
        Source::Stored(id) => Some(id.number),
        Source::BuiltIn(_) => None,
    });
    let revisions = console.server.registry.revisions_at(caller.tenant(), numbers.collect()).await?;
    Ok(revisions.into_iter().map(|revision| (revision.number, revision)).collect())
}

/// After a deletion, a button that undoes it: while the connector is not there again, and for those who may restore it.
async fn undo_note(console: &Console, view: &View, caller: &Caller, query: &str) -> Result<Markup, PageError> {
    let deleted = parameter(query, "deleted").parse().ok().filter(|_| view.may_write());
    let Some(script_name): Option<ScriptName> = deleted else { return Ok(html! {}) };
    let newest = console.server.registry.history(caller.tenant(), &script_name, None, 1).await?;
    let deletion = newest.first().filter(|newest| newest.action == Action::Delete && newest.has_body);
    let done = view.format("deleted.done", &[&script_name]);
    Ok(html! {
        @if let Some(deletion) = deletion { (undo::undo_note(view, &done, &script_name, deletion.number, None)) }
    })
}

fn table(
    view: &View,
    query: &ListQuery,
    back: &str,
    sorting: Sorting,
    entries: &[Arc<Entry>],
    changes: &HashMap<RevisionNumber, Revision>,
) -> Markup {
    let is_custom = query.tab() == ListTab::Custom;
    // Built-in connectors have no revisions, and nobody else writes their categories.
    let hidden = if is_custom { SortBy::Category } else { SortBy::Changed };
    let direction = if sorting.is_descending { "descending" } else { "ascending" };
    html! {
        div.card { table.connectors.rows {
            thead { tr {
                @if is_custom {
                    th.pick-box scope="col" {
                        label.needs-script { input type="checkbox" data-select-all; span.visually-hidden { (view.text("many.select_all")) } }
                        span.visually-hidden { (view.text("many.selection")) }
                    }
                }
                @for (word, by, title) in COLUMNS.into_iter().filter(|(_, by, _)| *by != hidden) {
                    th.hide-s[!matches!(by, SortBy::Name | SortBy::Status)].hide-l[matches!(by, SortBy::Type | SortBy::Category)].who-and-when[by == SortBy::Changed] scope="col" aria-sort=[(by == sorting.by).then_some(direction)] {
                        a href=(query.sorted_by(word)) { (view.text(title)) }
                    }
                    @if by == SortBy::Name { th.hide-m scope="col" { (view.text("overview.script_name")) } }
                    @if by == SortBy::Status { th.hide-s.hide-l.of-locales scope="col" { (view.text("column.locales")) } }
                }
                th.hide-s.row-action scope="col" { span.visually-hidden { (view.text("many.actions")) } }
            } }
            tbody { @for entry in entries { (row(view, entry, back, is_custom, changes)) } }
        } }
    }
}

fn row(view: &View, entry: &Entry, back: &str, is_custom: bool, changes: &HashMap<RevisionNumber, Revision>) -> Markup {
    let item = entry.item(view.locale());
    let metadata = |name: &str| item.connector_metadata.get(name).and_then(serde_json::Value::as_str);
    let change = match entry.source {
        Source::Stored(id) => changes.get(&id.number),
        Source::BuiltIn(_) => None,
    };
    html! {
        tr {
            @if is_custom {
                td.pick-box { label {
                    input type="checkbox" name="scriptName" value=(item.script_name.as_str()) form="selection" data-select;
                    span.visually-hidden { (view.format("many.select", &[&visible(&item.name)])) }
                } }
            }
            th scope="row" {
                div.named {
                    (mark(&item.name))
                    div {
                        a.name href=(connector_url(&item.script_name, "")) title=[(item.name.len() > LONG_NAME).then(|| visible(&item.name))] { (visible(&item.name)) }
                        @if let Some(description) = metadata(metadata::SHORT_DESC) { p.sub.clipped title=(visible(description)) { (visible(description)) } }
                    }
                }
            }
            td.hide-m { code.script-name title=(visible(item.script_name.as_str())) { (visible(item.script_name.as_str())) } }
            td.hide-s.hide-l.one-line title=(visible(&item.connector_type)) { (visible(&item.connector_type)) }
            @if !is_custom { td.hide-s.hide-l.one-line { (visible(metadata("category").unwrap_or_default())) } }
            td { (status_badge(view, entry.status)) }
            td.hide-s.hide-l.locales { (locale_chips(view, &entry.locales)) }
            @if is_custom {
                td.hide-s.who-and-when {
                    @if let Some(change) = change {
                        (author_name(&change.author))
                        a href=(connector_url(&item.script_name, "/history")) { (time_ago(view, change.created_at)) }
                    }
                }
            }
            td.hide-s.row-action { (row_menu(view, &item, back, entry.status, is_custom)) }
        }
    }
}

/// What can be done with the connector of a row. `back` is the address of the list.
fn row_menu(view: &View, item: &ConnectorItem, back: &str, status: Status, is_custom: bool) -> Markup {
    let script_name = &item.script_name;
    let many = |page: &str| many_url(page, script_name, back);
    let link = |address: String, key: &str| html! { a.button href=(address) { (view.text(key)) } };
    let (may_write, may_change) = (view.may_write(), view.may_write() && is_custom);
    html! {
        details.menu-of {
            summary.button.quiet.only-icon aria-label=(view.format("many.actions_of", &[&visible(&item.name)])) { (icon(Icon::More)) }
            div {
                @if is_custom { (link(connector_url(script_name, "/documents/source-config"), "many.open_editor")) }
                @if may_write { (link(connector_url(script_name, "/duplicate"), "many.duplicate")) }
                (link(format!("/console/compare?{}", pair("left", script_name)), "many.compare"))
                (link(connector_url(script_name, "/download"), "action.download"))
                @if may_change {
                    hr;
                    @if status != Status::Released { (link(connector_url(script_name, "/release"), "life.release_question")) }
                    (link(many(MANY_STATUS), "many.set_status_question"))
                    (link(many(MANY_LABELS), "many.labels_question"))
                    hr;
                    a.button.danger href=(connector_url(script_name, "/delete")) { (icon(Icon::Trash)) (view.text("many.delete")) }
                }
            }
        }
    }
}

/// A connector as a parameter of an address.
fn pair(name: &str, script_name: &ScriptName) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, script_name.as_str()).finish()
}

fn many_url(page: &str, script_name: &ScriptName, back: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("scriptName", script_name.as_str());
    if back != "/" {
        query.append_pair("back", back);
    }
    format!("{page}?{}", query.finish())
}

/// What can be done with the selected connectors. A script counts them. Where there is none, this is a row of buttons.
fn selection_bar(view: &View, back: &str) -> Markup {
    let button = |address: &str, key: &str, class: &str, before: Markup| {
        html! { button class=(class) type="submit" formaction=(address) { (before) (view.text(key)) } }
    };
    let may_write = view.may_write();
    html! {
        form #selection.selection.actions method="get" action=(EXPORT) aria-label=(view.text("many.selection")) {
            @if back != "/" { input type="hidden" name="back" value=(back); }
            span.needs-script data-selected=(view.text("many.selected")) {}
            @if may_write {
                (button(MANY_STATUS, "many.set_status", "", html! {}))
                (button(MANY_LABELS, "many.labels", "", html! {}))
            }
            (button(EXPORT, "many.export", "", icon(Icon::Down)))
            @if may_write { (button(MANY_DELETE, "many.delete", "quiet danger", html! {})) }
        }
    }
}

/// The first locales, as chips with the languages as their titles, and how many more there are.
fn locale_chips(view: &View, locales: &[Locale]) -> Markup {
    let name = |locale: &Locale| view.text(&format!("locale.{locale}"));
    let (first, more) = locales.split_at(locales.len().min(LOCALES));
    html! {
        @for locale in first { span.chip title=(name(locale)) { (locale) } " " }
        @if !more.is_empty() {
            span.more title=(more.iter().map(name).collect::<Vec<_>>().join(", ")) { (view.format("list.more", &[&more.len()])) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_one_short_url() {
        let query = ListQuery::parse("sort=&q=+Größe+%22a%5C&status=demo&page=1&unknown=1&direct=maybe");
        assert_eq!(query.url(), "/?q=Gr%C3%B6%C3%9Fe+%22a%5C&status=demo&direct=maybe");
        assert_eq!(
            ListQuery::parse(query.url().trim_start_matches("/?")),
            ListQuery { page: String::new(), ..query.clone() }
        );
        let selection = query.selection(Locale::En);
        assert!(selection.search.is_some(), "any text can be searched for");
        assert_eq!(selection.statuses, [Status::Demo]);
        assert_eq!(ListQuery::default().sorted_by("name"), "/?sort=-name");
    }

    #[test]
    fn of_a_repeated_parameter_the_last_value_counts_and_long_values_are_cut() {
        let query = ListQuery::parse("q=a&x=1&q=b&x=2&label=%FF&status");
        assert_eq!(query, ListQuery { search: "b".to_owned(), label: "\u{fffd}".to_owned(), ..ListQuery::default() });
        let long = ListQuery::parse(&format!("q={}", "%C3%A4".repeat(300)));
        assert_eq!(long.search, "ä".repeat(255));
    }
}
