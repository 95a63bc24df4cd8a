//! The settings of a connector as a form: its name, type, class name, direct connect and status.
//!
//! A change is a JSON Patch of `/connectory/v1`, so it follows the rules of that API (D46). The script name never changes.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::create::NewConnector;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::members::Members;
use connectory_model::patch::{PatchScope, PatchSet};
use connectory_model::wire::DetailShape;
use connectory_model::{Connector, Status, visible};
use connectory_server::catalog::Tagged;
use connectory_server::http::conditional::Condition;
use connectory_server::registry::{Expected, Given, RegistryError, patched};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::began;
use super::filled::Filled;
use super::page::{ConnectorPage, Tab};
use crate::frame::badges::{STATUSES, status_name};
use crate::frame::copy::copy_button;
use crate::frame::diff;
use crate::frame::error::{PageError, member_message, no_choice};
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::icon::{Icon, icon};
use crate::frame::notes;
use crate::frame::success::{UNCHANGED, outcome, success_note};
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::state::Console;

/// A field of one line: the member, and the key of its label.
const FIELDS: [(&str, &str); 3] = [("name", "column.name"), ("type", "column.type"), ("className", "overview.class")];

/// What is in the fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    /// The texts of [`FIELDS`].
    texts: [String; 3],
    status: Status,
    direct_connect: bool,
}

/// What is wrong with a field, with its member.
type FieldError = (&'static str, Message);

impl Settings {
    fn of(connector: &Connector) -> Self {
        let NewConnector { name, connector_type, class_name, direct_connect, status } = NewConnector::of(connector);
        Self { texts: [name, connector_type, class_name], status, direct_connect }
    }

    /// What was typed in the place of these settings. A text that was stored elsewhere may stay as long as it is.
    fn typed(&self, form: &PostedForm) -> Result<Self, PageError> {
        let text = |at: usize| -> Result<String, PageError> {
            let max = MEMBER_CHARS.max(self.texts[at].chars().count());
            Ok(form.get_up_to(FIELDS[at].0, max)?.trim().to_owned())
        };
        let status = form.get("status")?;
        Ok(Self {
            texts: [text(0)?, text(1)?, text(2)?],
            status: status.parse().map_err(|_| no_choice(status))?,
            direct_connect: form.get("directConnect")? == "true",
        })
    }

    /// These settings where they differ from those that the form began with, and else what is stored.
    fn over(self, began: &Self, stored: &Self) -> Self {
        let mut texts = self.texts;
        for ((typed, began), stored) in texts.iter_mut().zip(&began.texts).zip(&stored.texts) {
            *typed = began::over(std::mem::take(typed), began, stored);
        }
        Self {
            texts,
            status: began::over(self.status, &began.status, &stored.status),
            direct_connect: began::over(self.direct_connect, &began.direct_connect, &stored.direct_connect),
        }
    }

    /// What the API would refuse of each field. What is stored already is not checked.
    fn errors(&self, stored: &Self) -> Vec<FieldError> {
        let changed = FIELDS.iter().zip(&self.texts).zip(&stored.texts).filter(|((_, typed), stored)| typed != stored);
        let error = |((member, _), text): (&(&'static str, _), &String)| {
            if text.is_empty() {
                return Some((*member, Message::new("error.required")));
            }
            let value = json!({ *member: text });
            let error = Members::of(&value).and_then(|members| members.required_text(member, None)).err()?;
            Some((*member, member_message(&error)))
        };
        changed.filter_map(|(field, _)| error(field)).collect()
    }

    /// The patch that makes them of the stored ones.
    fn patch(&self, stored: &Self) -> Result<PatchSet, RegistryError> {
        let replace = |member: &str, value| json!({"op": "replace", "path": format!("/{member}"), "value": value});
        let texts = FIELDS.iter().zip(&self.texts).zip(&stored.texts).filter(|((_, typed), stored)| typed != stored);
        let mut operations: Vec<_> = texts.map(|(((member, _), text), _)| replace(member, json!(text))).collect();
        if self.status != stored.status {
            operations.push(replace("status", json!(self.status)));
        }
        if self.direct_connect != stored.direct_connect {
            operations.push(replace("directConnect", json!(self.direct_connect)));
        }
        Ok(PatchSet::from_json(operations.into(), PatchScope::Whole)?)
    }

    /// The settings as text, a line each, for differences.
    fn lines(&self, view: &View) -> String {
        let texts = FIELDS.iter().zip(&self.texts).map(|((_, key), text)| format!("{}: {text}\n", view.text(key)));
        let direct = view.text(if self.direct_connect { "facet.yes" } else { "facet.no" });
        let (status, direct_key) = (view.text("column.status"), view.text("facet.direct"));
        texts.collect::<String>() + &format!("{status}: {}\n{direct_key}: {direct}\n", status_name(view, self.status))
    }
}

/// Shows the form.
pub async fn show(page: ConnectorPage, RawQuery(query): RawQuery) -> Response {
    let above = success_note(&page.view, &query.unwrap_or_default());
    let stored = Settings::of(&page.connector);
    settings_page(&page, &stored, &stored, &Filled::Stored, &[], &above)
}

fn settings_page(
    page: &ConnectorPage,
    settings: &Settings,
    began: &Settings,
    filled: &Filled,
    errors: &[FieldError],
    above: &Markup,
) -> Response {
    let content = html! { (above) (settings_form(page, settings, began, filled, errors)) };
    page.render(Tab::Settings, &content)
}

/// The form. `began` is what is stored as its reader knows it.
fn settings_form(
    page: &ConnectorPage,
    settings: &Settings,
    began: &Settings,
    filled: &Filled,
    errors: &[FieldError],
) -> Markup {
    let view = &page.view;
    let readonly = !page.is_writable();
    let script_name = page.connector.script_name.as_str();
    let tag = Tagged::Settings.tag(&page.connector);
    html! {
        (page.read_only_note())
        (notes::draft(view))
        div.columns {
        section.card { div.body { form method="post" action=(page.url("/settings"))
            data-draft=[(!readonly).then(|| page.url("/settings"))] data-compare=(page.url("/settings/compare"))
            data-typed[filled.is_typed()]
        {
            (view.csrf_input())
            input type="hidden" name="base" value=(filled.base(tag.as_str()));
            (began::field(&began::json(began)))
            @for ((member, label), text) in FIELDS.iter().zip(&settings.texts) {
                @let error = errors.iter().find(|(of, _)| of == member).map(|(_, error)| error.text(view.language));
                (text_field(view, (member, label), text, readonly, error.as_deref()))
            }
            label { (view.text("column.status"))
                select name="status" disabled[readonly] {
                    @for status in STATUSES { option value=(status) selected[status == settings.status] { (status_name(view, status)) } }
                }
            }
            label.check { input type="checkbox" name="directConnect" value="true" checked[settings.direct_connect] disabled[readonly]; (view.text("facet.direct")) }
            @if !readonly { button.primary type="submit" { (view.text("action.save")) } }
        } } }
        div.stack {
            section.card {
                header { h2 { (view.text("overview.script_name")) } }
                div.body {
                    p { code { (visible(script_name)) } " " (copy_button(view, script_name)) }
                    p.hint { (view.text("settings.script_name")) }
                }
            }
            @if !readonly {
                section.card {
                    header { h2 { (view.text("delete.link")) } }
                    div.body {
                        p { (view.text("delete.lead")) }
                        a.button.danger href=(page.url("/delete")) { (icon(Icon::Trash)) (view.text("delete.link")) }
                    }
                }
            }
        }
        }
    }
}

/// A field of one line, with what is wrong with it.
fn text_field(view: &View, (member, label): (&str, &str), text: &str, readonly: bool, error: Option<&str>) -> Markup {
    let problem = format!("problem-{member}");
    html! {
        label { (view.text(label))
            input name=(member) value=(text) required maxlength=(MEMBER_CHARS.max(text.chars().count())) readonly[readonly]
                autocomplete="off" spellcheck="false" aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| &problem)]
                autofocus[error.is_some()];
        }
        @if let Some(error) = error { p.problem.of-field #(problem) role="alert" { (error) } }
    }
}

/// Saves the form.
pub async fn save(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { caller, form, .. }: Submitted,
) -> Result<Response, PageError> {
    let script_name = page.connector.script_name.clone();
    console.server.registry.custom(caller.tenant(), &script_name)?;
    let stored = Settings::of(&page.connector);
    let typed = stored.typed(&form)?;
    let began = began::sent(&form)?.unwrap_or_else(|| stored.clone());
    let errors = typed.errors(&stored);
    if !errors.is_empty() {
        return Ok(refused(&page, &typed, &began, form.get("base")?, &errors));
    }
    let (patch, limit) = (typed.patch(&stored)?, console.server.options.max_document);
    let next = move |connector: &Connector| patched(&patch, connector, DetailShape::Plain, limit).map(Some);
    let expected = Expected::of_part(Condition::if_match(form.get("base")?), Tagged::Settings);
    let given = Given::default().expecting(expected);
    let address = page.url("/settings");
    let done = |word: &str| Ok(Redirect::to(&format!("{address}?done={word}")).into_response());
    match console.server.registry.edit(caller.tenant(), &caller.origin(), &script_name, given, next).await {
        Ok(edited) => done(outcome(&edited)),
        Err(RegistryError::Unexpected(_)) => {
            let theirs = page.again(&console).await?;
            let stored = Settings::of(&theirs.connector);
            // What was not changed here is not taken back there.
            let typed = typed.over(&began, &stored);
            if stored == typed {
                return done(UNCHANGED);
            }
            let response = console.server.work.run(0, move |stop| {
                let (before, mine) = (stored.lines(&theirs.view), typed.lines(&theirs.view));
                let above = diff::conflict(&theirs.view, &before, &mine, &address, stop);
                settings_page(&theirs, &typed, &stored, &Filled::Typed, &[], &above)
            });
            Ok((StatusCode::CONFLICT, response.await?).into_response())
        }
        Err(error @ RegistryError::NameTaken) => {
            Ok(refused(&page, &typed, &began, form.get("base")?, &[("name", PageError::from(error).message())]))
        }
        Err(error) => Err(error.into()),
    }
}

/// The page with what was typed in a form that began with a tag, and what is wrong with it.
fn refused(page: &ConnectorPage, typed: &Settings, began: &Settings, base: &str, errors: &[FieldError]) -> Response {
    let filled = Filled::TypedSince(base.to_owned());
    (StatusCode::UNPROCESSABLE_ENTITY, settings_page(page, typed, began, &filled, errors, &html! {})).into_response()
}

/// Answers the difference of a draft to the stored settings.
pub async fn compare(
    State(console): State<Arc<Console>>,
    page: ConnectorPage,
    Submitted { form, .. }: Submitted,
) -> Result<Response, PageError> {
    let stored = Settings::of(&page.connector);
    let typed = stored.typed(&form)?;
    let answer = console.server.work.run(0, move |stop| {
        let [stored, typed] = [stored, typed].map(|settings| settings.lines(&page.view));
        diff::draft_difference(&page.view, &stored, &typed, stop)
    });
    Ok(answer.await?)
}
