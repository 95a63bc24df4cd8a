//! Duplicating a connector, custom or built-in, as it is now or as it was at a revision.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::Permission;
use connectory_model::create::NewDuplicate;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{Connector, Status, visible};
use connectory_server::auth::Caller;
use connectory_server::catalog::Snapshot;
use connectory_server::registry::{At, RegistryError};
use maud::html;
use serde_json::json;

use super::new_name::{name_field, status_field};
use super::path::{ScriptNamePath, parse_revision};
use crate::frame::error::{PageError, member_message};
use crate::frame::form::Submitted;
use crate::frame::layout::Place;
use crate::frame::notes;
use crate::frame::query::parameter;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;
use crate::urls::connector_url;

/// What is duplicated, and for whom.
struct Original {
    view: Arc<View>,
    caller: Caller,
    at: At,
    connector: Arc<Connector>,
}

/// What is typed into the form.
struct Typed<'a> {
    name: &'a str,
    status: Status,
}

/// Why what was typed is not accepted.
struct Refused {
    text: String,
    is_of_name: bool,
}

impl Original {
    /// Finds the connector, at the revision of a word. A blank one stands for now.
    async fn find(
        console: &Console,
        (view, caller): (Arc<View>, Caller),
        ScriptNamePath(script_name): ScriptNamePath,
        revision: &str,
    ) -> Result<Self, PageError> {
        caller.has(Permission::Write)?;
        let at = At { script_name, revision: parse_revision(revision)? };
        let connector = console.server.registry.at(caller.tenant(), &at).await?;
        Ok(Self { view, caller, at, connector })
    }

    /// The form.
    fn page(&self, typed: &Typed<'_>, refused: Option<&Refused>) -> Response {
        let Self { view, caller, at, connector } = self;
        let address = connector_url(&at.script_name, "/duplicate");
        let title = view.format("duplicate.title", &[&connector.name]);
        let wrong_name = refused.filter(|refused| refused.is_of_name).map(|refused| refused.text.as_str());
        let content = html! {
            nav.crumbs aria-label=(view.text("connector.crumbs")) {
                span { a href="/" { (view.text("nav.connectors")) } }
                span { a href=(connector_url(&at.script_name, "")) { code { (visible(at.script_name.as_str())) } } }
            }
            div.top { h1 { (visible(&title)) } }
            @if let Some(refused) = refused.filter(|refused| !refused.is_of_name) { p.problem role="alert" { (refused.text) } }
            (notes::draft(view))
            section.card.narrow { div.body {
                p { (view.text("duplicate.lead")) @if let Some(number) = at.revision { " " (view.format("duplicate.at_revision", &[&number])) } }
                form method="post" action=(address) data-draft=(address) data-typed[refused.is_some()] {
                    (view.csrf_input())
                    @if let Some(number) = at.revision { input type="hidden" name="revision" value=(number); }
                    (name_field(view, caller, typed.name, wrong_name))
                    (status_field(view, typed.status))
                    div.actions {
                        button.primary type="submit" { (view.text("duplicate.submit")) }
                        a.button href=(connector_url(&at.script_name, "")) { (view.text("action.cancel")) }
                    }
                }
            } }
        };
        view.render(Place::Connectors, &title, &content)
    }
}

/// A name in the reader's language that no connector has, such as *HR copy*.
fn free_name(view: &View, snapshot: &Snapshot, name: &str) -> String {
    let candidate = |number: u64| {
        let of = |name: &str| match number {
            1 => view.format("duplicate.name", &[&name]),
            _ => view.format("duplicate.name_number", &[&name, &number]),
        };
        let room = MEMBER_CHARS.saturating_sub(of("").chars().count());
        of(name.chars().take(room).collect::<String>().trim_end())
    };
    let mut candidates = (1..=u64::MAX).map(candidate);
    candidates.find(|candidate| !snapshot.has_name(candidate)).expect("fewer connectors than u64 values")
}

/// Shows the form, with a name that is free.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    script_name: ScriptNamePath,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let revision = parameter(&query.unwrap_or_default(), "revision");
    let original = Original::find(&console, (view, caller), script_name, &revision).await?;
    let name = free_name(&original.view, &original.caller.tenant().snapshot(), &original.connector.name);
    Ok(original.page(&Typed { name: &name, status: Status::Development }, None))
}

/// Duplicates the connector.
pub async fn duplicate(
    State(console): State<Arc<Console>>,
    script_name: ScriptNamePath,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    let original = Original::find(&console, (view, caller), script_name, form.get("revision")?).await?;
    let (name, status) = (form.get("name")?, Some(form.get("status")?).filter(|status| !status.is_empty()));
    let typed = Typed { name, status: status.and_then(|status| status.parse().ok()).unwrap_or(Status::Development) };
    let (tenant, origin) = (original.caller.tenant(), original.caller.origin());
    let (error, is_of_name) = match NewDuplicate::from_request(&json!({"name": name, "status": status})) {
        Ok(new) => {
            let names = (new.name, new.status);
            match console.server.registry.duplicate(tenant, &origin, None, &original.at, names).await {
                Ok(summary) => {
                    return Ok(Redirect::to(&connector_url(&summary.script_name, "?done=duplicated")).into_response());
                }
                Err(error) => {
                    let is_of_name = matches!(error, RegistryError::NameTaken);
                    (PageError::from(error), is_of_name)
                }
            }
        }
        Err(invalid) => (PageError::bad_request(member_message(&invalid)), invalid.fault().is_some()),
    };
    if !error.status().is_client_error() {
        return Err(error);
    }
    let refused = Refused { text: error.text(original.view.language), is_of_name };
    let mut response = original.page(&typed, Some(&refused));
    *response.status_mut() = error.status();
    Ok(response)
}
