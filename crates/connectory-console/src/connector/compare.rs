//! Comparing two connectors, or two states of one. Everything is in the address, so a comparison can be shared.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use connectory_model::limits::{COMPARE_NAMES, MEMBER_CHARS};
use connectory_model::{Connector, ScriptName, Status, shown, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::{Entry, Searched, Selection, SortBy};
use connectory_server::registry::{At, RegistryError};
use connectory_server::work::Stop;
use http::StatusCode;
use maud::{Markup, html};

use super::differences::{self, contents};
use super::path::parse_revision;
use crate::frame::badges::status_badge;
use crate::frame::error::PageError;
use crate::frame::icon::{Icon, icon};
use crate::frame::layout::Place;
use crate::frame::query::parameter;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{COMPARE, IMPORT, compare_url, connector_url};

/// The sides: the parameter with the script name, the one with the revision, and the key of the title.
const SIDES: [(&str, &str, &str); 2] =
    [("left", "left-revision", "compare.left"), ("right", "right-revision", "compare.right")];

/// What the address says of a side.
struct Asked {
    script_name: String,
    revision: String,
}

/// A side that there is.
struct Side {
    at: At,
    connector: Arc<Connector>,
}

/// A field of a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    ScriptName,
    Revision,
}

/// What is on a side.
enum Found {
    /// The address names no connector.
    Nothing,
    /// A connector.
    Side(Side),
    /// Nothing that can be compared, because of what is in this field.
    Wrong(Field, PageError),
}

impl Found {
    /// What is wrong.
    fn wrong(&self) -> Option<(Field, &PageError)> {
        match self {
            Self::Wrong(field, error) => Some((*field, error)),
            _ => None,
        }
    }
}

impl Asked {
    fn of(query: &str, (name, revision, _): (&str, &str, &str)) -> Self {
        let value = |name| shown(parameter(query, name).trim(), MEMBER_CHARS).to_owned();
        Self { script_name: value(name), revision: value(revision) }
    }

    /// Finds the side.
    async fn find(&self, console: &Console, caller: &Caller) -> Result<Found, PageError> {
        if self.script_name.is_empty() {
            return Ok(Found::Nothing);
        }
        let Ok(script_name) = self.script_name.parse() else {
            return Ok(Found::Wrong(Field::ScriptName, PageError::no_connector(&self.script_name)));
        };
        let revision = match parse_revision(&self.revision) {
            Ok(revision) => revision,
            Err(error) => return Ok(Found::Wrong(Field::Revision, error)),
        };
        let at = At { script_name: meant(caller, script_name, revision.is_some()), revision };
        match console.server.registry.at(caller.tenant(), &at).await {
            Ok(connector) => Ok(Found::Side(Side { at, connector })),
            Err(error @ RegistryError::NotFound(_)) => Ok(Found::Wrong(Field::ScriptName, error.into())),
            Err(error @ (RegistryError::NoRevision(_) | RegistryError::BodyRemoved { .. })) => {
                Ok(Found::Wrong(Field::Revision, error.into()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The script name that is meant. A person may type the name of a connector that is there.
fn meant(caller: &Caller, typed: ScriptName, is_past: bool) -> ScriptName {
    let tenant = caller.tenant();
    if is_past || tenant.entry(&typed).is_some() {
        return typed;
    }
    tenant.snapshot().namesake(typed.as_str(), &typed).unwrap_or(typed)
}

impl Side {
    /// The name and the revision.
    fn title(&self, view: &View) -> String {
        match self.at.revision {
            Some(number) => format!("{} · {}", self.connector.name, view.format("list.revision", &[&number])),
            None => self.connector.name.clone(),
        }
    }

    /// The head of a column: a link to what is compared.
    fn head(&self, view: &View) -> Markup {
        let At { script_name, revision } = &self.at;
        let address = revision.map(|number| format!("/history/{number}")).unwrap_or_default();
        html! {
            a.name href=(connector_url(script_name, &address)) { (visible(&self.connector.name)) }
            p.sub {
                code { (visible(script_name.as_str())) } " · "
                @match revision { Some(number) => (view.format("list.revision", &[number])), None => (view.text("compare.now")) }
            }
        }
    }
}

/// Shows the choice, and the comparison if both sides are chosen.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let asked = SIDES.map(|side| Asked::of(&query, side));
    let [left, right] = &asked;
    let found = [left.find(&console, &caller).await?, right.find(&console, &caller).await?];
    let status = found.iter().find_map(Found::wrong).map_or(StatusCode::OK, |(_, error)| error.status());
    let chooser = chooser(&view, &caller, &asked, &found);
    let page = move |view: &View, comparison: &Markup| {
        let content = html! {
            nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href="/" { (view.text("nav.connectors")) } } }
            div.top {
                h1 { (view.text("compare.title")) }
                a.button.spacer href=(IMPORT) { (view.text("compare.with_folder")) }
            }
            (chooser)
            (comparison)
        };
        view.render_with_status(status, Place::Connectors, view.text("compare.title"), &content)
    };
    let [Found::Side(left), Found::Side(right)] = found else { return Ok(page(&view, &html! {})) };
    let bytes = left.connector.size() + right.connector.size();
    let work = move |stop: &Stop| page(&view, &comparison(&view, &[left, right], stop));
    Ok(console.server.work.run(bytes, work).await?)
}

/// The form with both sides.
fn chooser(view: &View, caller: &Caller, asked: &[Asked; 2], found: &[Found; 2]) -> Markup {
    let [left, right] = asked;
    let swapped = [
        ("left", &*right.script_name),
        ("left-revision", &*right.revision),
        ("right", &*left.script_name),
        ("right-revision", &*left.revision),
    ];
    let swapped: Vec<_> = swapped.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    html! {
        section.card { div.body { form method="get" action=(COMPARE) {
            div.pair {
                @for ((side, asked), found) in SIDES.iter().zip(asked).zip(found) { (side_fields(view, caller, *side, asked, found.wrong())) }
            }
            p.hint { (view.text("compare.hint")) }
            div.actions {
                button.primary type="submit" { (icon(Icon::Compare)) (view.text("compare.submit")) }
                @if !swapped.is_empty() { a.button href=(compare_url(&swapped)) { (view.text("compare.swap")) } }
            }
        } } }
    }
}

/// The fields of a side, with what is wrong with one of them.
fn side_fields(
    view: &View,
    caller: &Caller,
    (name, revision, title): (&str, &str, &str),
    asked: &Asked,
    wrong: Option<(Field, &PageError)>,
) -> Markup {
    let (list, problem) = (format!("{name}-names"), format!("problem-{name}"));
    let is_wrong = |field| wrong.is_some_and(|(of, _)| of == field);
    let snapshot = caller.tenant().snapshot();
    html! {
        fieldset {
            legend { (view.text(title)) }
            div.with-number {
                label { (view.text("overview.script_name"))
                    input name=(name) value=(asked.script_name) list=(list) autocomplete="off" spellcheck="false"
                        aria-invalid=[is_wrong(Field::ScriptName).then_some("true")] aria-describedby=[is_wrong(Field::ScriptName).then_some(&problem)]
                        hx-get=(format!("{COMPARE}/names/{name}")) hx-trigger="input delay:150ms" hx-target=(format!("#{list}")) hx-swap="innerHTML" hx-sync="this:replace";
                }
                label { (view.text("compare.revision"))
                    input name=(revision) value=(asked.revision) inputmode="numeric" autocomplete="off" placeholder=(view.text("compare.newest"))
                        aria-invalid=[is_wrong(Field::Revision).then_some("true")] aria-describedby=[is_wrong(Field::Revision).then_some(&problem)];
                }
            }
            datalist #(list) { (options(view, snapshot.entries().take(COMPARE_NAMES))) }
            @if let Some((_, error)) = wrong { p.problem #(problem) role="alert" { (error.text(view.language)) } }
        }
    }
}

/// Connectors to choose from.
fn options<'a>(view: &View, entries: impl Iterator<Item = &'a Arc<Entry>>) -> Markup {
    html! { @for entry in entries { option value=(entry.script_name) { (visible(&entry.item(view.locale()).name)) } } }
}

/// Shows the connectors that match what is typed on a side.
pub async fn names(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    Path(side): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Markup, PageError> {
    let typed = parameter(&query.unwrap_or_default(), &side);
    let text = shown(typed.trim(), MEMBER_CHARS).parse().ok();
    let search = text.map(|text| Searched { text, locale: view.locale() });
    let selection = Selection { statuses: Status::ALL.to_vec(), origin: None, filter: None, search };
    let snapshot = caller.tenant().snapshot();
    let found = move |stop: &Stop| snapshot.listing(&selection, SortBy::Name, false, 0, COMPARE_NAMES, stop).entries;
    let entries = console.server.work.search(found).await?;
    Ok(options(&view, entries.iter()))
}

/// The settings of a connector: the keys of their names, and their values.
fn settings(view: &View, connector: &Connector) -> [(&'static str, Markup); 5] {
    let direct = view.text(if connector.direct_connect { "facet.yes" } else { "facet.no" });
    [
        ("column.name", html! { (visible(&connector.name)) }),
        ("column.type", html! { (visible(&connector.connector_type)) }),
        ("overview.class", html! { code { (visible(&connector.class_name)) } }),
        ("facet.direct", html! { (direct) }),
        ("column.status", status_badge(view, connector.status)),
    ]
}

/// What differs: the settings as a table, all else side by side. What is equal is one line.
fn comparison(view: &View, sides: &[Side; 2], stop: &Stop) -> Markup {
    let [left, right] = sides;
    let rows = settings(view, &left.connector).into_iter().zip(settings(view, &right.connector));
    let (equal, different): (Vec<_>, Vec<_>) = rows.partition(|((_, left), (_, right))| left.0 == right.0);
    let (same, parts): (Vec<_>, Vec<_>) =
        contents(Some(&left.connector), Some(&right.connector)).into_iter().partition(|part| part.old == part.new);
    let equal: Vec<_> =
        equal.iter().map(|((key, _), _)| view.text(key)).chain(same.iter().map(|part| part.name.as_str())).collect();
    let is_same = different.is_empty() && parts.is_empty();
    let titles = [left.title(view), right.title(view)];
    html! {
        h2 { (view.text("compare.result")) }
        section.card { table.compared {
            caption.visually-hidden { (view.text("compare.settings")) }
            thead { tr {
                td {}
                @for side in sides { th scope="col" { (side.head(view)) } }
            } }
            tbody { @for ((key, left), (_, right)) in &different {
                tr { th scope="row" { (view.text(key)) } td { (left) } td { (right) } }
            } }
        } }
        @if is_same { p.empty.after { (view.text("compare.no_difference")) } }
        @else { p.muted.after { (view.format("compare.equal", &[&equal.join(", ")])) } }
        (differences::show(view, &parts, [&titles[0], &titles[1]], stop))
    }
}
