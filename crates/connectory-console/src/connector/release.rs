//! The question before a connector is released, with what is unfinished. The API allows a release with errors, so the
//! console does too.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use connectory_model::Status;
use connectory_model::access::Permission;
use maud::html;

use super::coverage::Keys;
use super::life_cycle::status_form;
use super::page::{ConnectorPage, Tab};
use super::unfinished::{Unfinished, check_apart};
use crate::frame::error::PageError;
use crate::state::Console;

/// Shows what is unfinished, and asks whether the connector is released nevertheless.
pub async fn show(State(console): State<Arc<Console>>, page: ConnectorPage) -> Result<Response, PageError> {
    page.caller.has(Permission::Write)?;
    console.server.registry.custom(page.caller.tenant(), &page.connector.script_name)?;
    let response = check_apart(&console.server.work, page.connector.size(), move |stop| {
        let unfinished = Unfinished::of(&page.connector, &Keys::of(&page.connector), stop);
        let view = &page.view;
        let [title, lead, submit] = if unfinished.has_errors() {
            ["release.title_with_errors", "release.lead_with_errors", "release.submit_with_errors"]
        } else {
            ["release.title", "release.lead", "release.submit"]
        };
        let content = html! {
            section.card.narrow {
                header { h2 { (view.text(title)) } }
                div.body {
                    p { (view.text(lead)) }
                    div.actions {
                        (status_form(&page.subject(), Status::Released, view.text(submit), !unfinished.has_errors()))
                        a.button href=(page.url("")) { (view.text("action.cancel")) }
                    }
                }
                (unfinished.list(&page))
            }
        };
        page.render(Tab::Overview, &content)
    });
    Ok(response.await?)
}
