//! Creating a connector.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::Status;
use connectory_model::access::Permission;
use connectory_model::create::NewConnector;
use connectory_server::auth::Caller;
use maud::html;
use serde_json::json;

use super::new_name::{name_field, status_field};
use crate::frame::error::{PageError, member_message};
use crate::frame::form::{PostedForm, Submitted};
use crate::frame::layout::Place;
use crate::frame::notes;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::{NEW, connector_url};

/// Shows the form for a new connector.
pub async fn show(SignedIn { view, caller }: SignedIn) -> Result<Response, PageError> {
    caller.has(Permission::Write)?;
    Ok(create_form(&view, &caller, &NewFields::default(), None))
}

/// What was typed into the form.
#[derive(Default)]
struct NewFields<'a> {
    name: &'a str,
    class_name: &'a str,
    connector_type: &'a str,
    status: &'a str,
    direct_connect: bool,
}

impl<'a> NewFields<'a> {
    fn of(form: &'a PostedForm) -> Result<Self, PageError> {
        Ok(Self {
            name: form.get("name")?,
            class_name: form.get("className")?,
            connector_type: form.get("type")?,
            status: form.get("status")?,
            direct_connect: form.get("directConnect")? == "true",
        })
    }
}

fn create_form(view: &View, caller: &Caller, fields: &NewFields<'_>, error: Option<&str>) -> Response {
    let typed = fields.name;
    let chosen = fields.status.parse().unwrap_or(Status::Development);
    let content = html! {
        nav.crumbs aria-label=(view.text("connector.crumbs")) { span { a href="/" { (view.text("nav.connectors")) } } }
        div.top { h1 { (view.text("list.create")) } }
        @if let Some(error) = error { p.problem role="alert" { (error) } }
        (notes::draft(view))
        section.card.narrow { div.body { form method="post" action=(NEW) data-draft=(NEW) data-typed[error.is_some()] {
            (view.csrf_input())
            (name_field(view, caller, typed, None))
            label { span.needed { (view.text("overview.class")) }
                input name="className" value=(fields.class_name) required maxlength="255" autocomplete="off" spellcheck="false" placeholder="sailpoint.connector.OpenConnectorAdapter";
            }
            label { (view.text("column.type"))
                input name="type" value=(fields.connector_type) maxlength="255" autocomplete="off" placeholder=(view.text("create.type_hint"));
            }
            (status_field(view, chosen))
            label.check { input type="checkbox" name="directConnect" value="true" checked[typed.is_empty() || fields.direct_connect]; (view.text("facet.direct")) }
            div.actions {
                button.primary type="submit" { (view.text("create.submit")) }
                a.button href="/" { (view.text("action.cancel")) }
            }
        } } }
    };
    view.render(Place::Connectors, view.text("list.create"), &content)
}

/// Creates a connector.
pub async fn create(
    State(console): State<Arc<Console>>,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let fields = NewFields::of(&form)?;
    let request = json!({
        "name": fields.name,
        "className": fields.class_name,
        "type": fields.connector_type,
        "status": Some(fields.status).filter(|status| !status.is_empty()),
        "directConnect": fields.direct_connect,
    });
    let created = match NewConnector::from_request(&request) {
        Ok(new) => {
            console.server.registry.create(caller.tenant(), &caller.origin(), None, new).await.map_err(PageError::from)
        }
        Err(invalid) => Err(PageError::bad_request(member_message(&invalid))),
    };
    match created {
        Ok(summary) => Ok(Redirect::to(&connector_url(&summary.script_name, "?done=created")).into_response()),
        Err(error) if error.status().is_client_error() => {
            let mut response = create_form(&view, &caller, &fields, Some(&error.text(view.language)));
            *response.status_mut() = error.status();
            Ok(response)
        }
        Err(error) => Err(error),
    }
}
