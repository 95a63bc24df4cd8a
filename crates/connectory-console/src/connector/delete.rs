//! Deleting a connector. The user types its name to confirm.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_model::limits::MEMBER_CHARS;
use connectory_server::http::conditional::Condition;
use maud::html;

use super::page::{ConnectorPage, Tab};
use super::path::ScriptNamePath;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::state::Console;

/// Shows the form that asks for the name.
pub async fn show(State(console): State<Arc<Console>>, page: ConnectorPage) -> Result<Response, PageError> {
    page.caller.has(Permission::Write)?;
    console.server.registry.custom(page.caller.tenant(), &page.connector.script_name)?;
    Ok(delete_form(&page, None))
}

fn delete_form(page: &ConnectorPage, error: Option<&str>) -> Response {
    let view = &page.view;
    let content = html! {
        section.card.narrow {
            header { h2 { (view.text("delete.title")) } }
            div.body {
                p { (view.text("delete.lead")) }
                @if let Some(error) = error { p.problem role="alert" { (error) } }
                form method="post" action=(page.url("/delete")) {
                    (view.csrf_input())
                    label { (view.format("delete.name", &[&page.connector.name])) input name="name" required autocomplete="off" spellcheck="false" autofocus; }
                    div.actions {
                        button.danger type="submit" { (view.text("delete.submit")) }
                        a.button href=(page.url("")) { (view.text("action.cancel")) }
                    }
                }
            }
        }
    };
    page.render(Tab::Overview, &content)
}

/// Deletes a connector, if the name is its own.
pub async fn delete(
    State(console): State<Arc<Console>>,
    ScriptNamePath(script_name): ScriptNamePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    console.server.registry.custom(caller.tenant(), &script_name)?;
    let page = ConnectorPage::find(&console, &view, &caller, &script_name).await?;
    // A name that was stored elsewhere may be longer than one may be.
    let max = page.connector.name.len().max(MEMBER_CHARS);
    if form.get_up_to("name", max)? != page.connector.name {
        return Ok(delete_form(&page, Some(view.text("delete.wrong"))));
    }
    let (registry, origin) = (&console.server.registry, caller.origin());
    registry.delete(caller.tenant(), &origin, None, &script_name, Condition::default()).await?;
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("deleted", script_name.as_str()).finish();
    Ok(Redirect::to(&format!("/?{query}")).into_response())
}
