//! Deleting a connector: its name has to be typed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_server::http::error::ApiError;
use connectory_server::http::path::ScriptNamePath;
use maud::html;

use super::subject::{Subject, Tab};
use crate::frame::form::Submitted;
use crate::state::Console;

/// The page that asks for the name of what is to be deleted.
pub async fn show(State(console): State<Arc<Console>>, subject: Subject) -> Result<Response, ApiError> {
    subject.caller.has(Permission::Write)?;
    console.server.registry.custom(subject.caller.tenant(), &subject.connector.script_name)?;
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
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    console.server.registry.custom(caller.tenant(), &script_name)?;
    let subject = Subject::find(&console, &view, &caller, &script_name).await?;
    if form.get("name") != subject.connector.name {
        return Ok(delete_form(&subject, Some(view.t("delete.wrong"))));
    }
    console.server.registry.delete(caller.tenant(), &caller.origin(), &script_name).await?;
    Ok(Redirect::to("/?done=deleted").into_response())
}
