//! API clients: who may call the API and sign in here. A new client's secret is shown once, in the answer to the form
//! that made it.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::{Permission, Scope, UserLevel};
use connectory_model::limits::INLINE_BYTES;
use connectory_server::auth::Caller;
use connectory_server::http::error::ApiError;
use connectory_server::work::reserve;
use connectory_store::NewClient;
use maud::{Markup, html};

use crate::frame::badges::time;
use crate::frame::form::Submitted;
use crate::frame::layout::Place;
use crate::frame::message::done;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// The page.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let done = done(&view, &query.unwrap_or_default());
    page(&console, &view, &caller, &done).await
}

async fn page(console: &Console, view: &View, caller: &Caller, above: &Markup) -> Result<Response, ApiError> {
    caller.has(Permission::ManageClients)?;
    let clients = console.server.store.clients(caller.tenant_record().name.clone()).await?;
    let content = html! {
        h1 { (view.t("nav.clients")) }
        p.lead { (view.t("clients.lead")) }
        (above)
        table.clients {
            thead { tr {
                th scope="col" { (view.t("column.name")) }
                th scope="col" { (view.t("clients.id")) }
                th scope="col" { (view.t("clients.level")) }
                th scope="col" { (view.t("clients.scopes")) }
                th scope="col" { (view.t("clients.created")) }
                th scope="col" { span.visually-hidden { (view.t("clients.delete")) } }
            } }
            tbody {
                @for client in &clients {
                    tr {
                        th scope="row" { (client.name) }
                        td data-label=(view.t("clients.id")) { code { (client.id) } }
                        td data-label=(view.t("clients.level")) { (client.level) }
                        td data-label=(view.t("clients.scopes")) { @for scope in &client.scopes { span.chip { (scope) } " " } }
                        td data-label=(view.t("clients.created")) { (time(client.created_at)) }
                        td {
                            @if client.id == caller.client_id() { span.faint { (view.t("clients.own")) } }
                            @else {
                                details.confirm {
                                    summary.danger { (view.t("clients.delete")) span.visually-hidden { " " (client.name) } }
                                    form method="post" action=(format!("/console/clients/{}/delete", client.id)) {
                                        (view.token())
                                        p { (view.t("clients.delete_lead")) }
                                        button.danger type="submit" { (view.f("clients.delete_name", &[&client.name])) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        h2 { (view.t("clients.new")) }
        form.narrow method="post" action="/console/clients" {
            (view.token())
            label { (view.t("column.name")) input name="name" required maxlength="255" autocomplete="off"; }
            label { (view.t("clients.level"))
                select name="level" { @for level in UserLevel::ALL { option value=(level) { (level) } } }
            }
            fieldset {
                legend { (view.t("clients.scopes")) }
                @for scope in Scope::ALL {
                    label.check { input type="checkbox" name="scope" value=(scope) checked[*scope == Scope::ReadConnectors]; code { (scope) } }
                }
            }
            button.primary type="submit" { (view.t("clients.create")) }
        }
    };
    Ok(view.page(Place::Clients, view.t("nav.clients"), &content))
}

/// Creates a client and shows its secret.
pub async fn create(
    State(console): State<Arc<Console>>,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, ApiError> {
    caller.has(Permission::ManageClients)?;
    let name = form.get("name").trim();
    if name.is_empty() || name.chars().count() > 255 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("a client's name has 1 to 255 characters and no control characters"));
    }
    let level = form.get("level").parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    let scopes = form.all("scope").map(str::parse).collect::<Result<Vec<Scope>, _>>();
    let scopes = scopes.map_err(|error| ApiError::bad_request(format!("{error}")))?;
    if scopes.is_empty() {
        return Err(ApiError::bad_request("a client without a scope can do nothing; choose at least one"));
    }
    // The answer has the only copy of the secret.
    reserve(&console.server.answers, INLINE_BYTES)?;
    let new = name.to_owned();
    let generated = tokio::task::spawn_blocking(move || NewClient::generate(new, level, scopes)).await;
    let (client, new_secret) = generated.map_err(|error| ApiError::internal(&error))?;
    let id = client.id.clone();
    console.server.store.create_client(caller.tenant_record().name.clone(), client).await?;
    tracing::info!(by = caller.client_id(), client = id, %level, "client created");
    let above = html! {
        section.done role="status" {
            h2 { (view.f("clients.made", &[&name])) }
            p { (view.t("clients.secret_once")) }
            dl.facts {
                dt { (view.t("sign_in.id")) } dd { code #new-id { (id) } }
                dt { (view.t("sign_in.secret")) } dd { code #new-secret { (new_secret) } }
            }
        }
    };
    page(&console, &view, &caller, &above).await
}

/// Deletes a client of the tenant.
pub async fn delete(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Submitted { caller, .. }: Submitted,
) -> Result<Response, ApiError> {
    caller.has(Permission::ManageClients)?;
    if id == caller.client_id() {
        return Err(ApiError::bad_request("you are signed in as this client; sign in as another to delete it"));
    }
    console.server.store.delete_client(caller.tenant_record().id, id.clone()).await?;
    tracing::info!(by = caller.client_id(), client = id, "client deleted");
    Ok(Redirect::to("/console/clients?done=client_deleted").into_response())
}
