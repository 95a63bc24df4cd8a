//! API clients: they may call the API and sign in here. The secret of a new client is shown once, in the response to the
//! form that created it. It is neither logged nor cached.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::{Permission, Scope, Scopes, UserLevel};
use connectory_model::limits::{CLIENTS_PER_PAGE, INLINE_BYTES, MEMBER_CHARS};
use connectory_model::visible;
use connectory_server::auth::Caller;
use connectory_server::work::reserve;
use connectory_store::ApiClient;
use maud::{Markup, html};

use crate::frame::badges::timestamp;
use crate::frame::error::PageError;
use crate::frame::form::Submitted;
use crate::frame::layout::Place;
use crate::frame::query::parameter;
use crate::frame::success::success_note;
use crate::frame::texts::Message;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows the clients.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    let after = after(&console, &caller, &query).await?;
    render_clients(&console, &view, &caller, after, &success_note(&view, &query)).await
}

/// The client after which a page begins: its name and its id. None for the first page, and for an id that is no client's.
async fn after(console: &Console, caller: &Caller, query: &str) -> Result<Option<(String, String)>, PageError> {
    let id = parameter(query, "after");
    if id.is_empty() {
        return Ok(None);
    }
    let found = console.server.store.client(id).await?;
    let found = found.filter(|client| client.tenant.id == caller.tenant_record().id);
    Ok(found.map(|client| (client.name, client.id)))
}

/// The address of the page after a client.
fn next_page(last: &ApiClient) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("after", &last.id).finish();
    format!("/console/clients?{query}")
}

async fn render_clients(
    console: &Console,
    view: &View,
    caller: &Caller,
    after: Option<(String, String)>,
    above: &Markup,
) -> Result<Response, PageError> {
    caller.has(Permission::ManageClients)?;
    let is_first = after.is_none();
    let most = u32::try_from(CLIENTS_PER_PAGE).unwrap_or(u32::MAX - 1);
    // One more says whether there is another page.
    let mut clients = console.server.store.clients(caller.tenant_record().id, after, most + 1).await?;
    let has_more = clients.len() > CLIENTS_PER_PAGE;
    clients.truncate(CLIENTS_PER_PAGE);
    let content = html! {
        h1 { (view.text("nav.clients")) }
        p.lead { (view.text("clients.lead")) }
        (above)
        table.clients {
            thead { tr {
                th scope="col" { (view.text("column.name")) }
                th scope="col" { (view.text("clients.id")) }
                th scope="col" { (view.text("clients.level")) }
                th scope="col" { (view.text("clients.scopes")) }
                th scope="col" { (view.text("clients.created")) }
                th scope="col" { span.visually-hidden { (view.text("clients.delete")) } }
            } }
            tbody {
                @for client in &clients {
                    tr {
                        th scope="row" { (visible(&client.name)) }
                        td data-label=(view.text("clients.id")) { code { (visible(&client.id)) } }
                        td data-label=(view.text("clients.level")) { (client.level) }
                        td data-label=(view.text("clients.scopes")) { @for scope in client.scopes.iter() { span.chip { (scope) } " " } }
                        td data-label=(view.text("clients.created")) { (timestamp(client.created_at)) }
                        td {
                            @if client.id == caller.client_id() { span.faint { (view.text("clients.own")) } }
                            @else {
                                details.confirm {
                                    summary.danger { (view.text("clients.delete")) span.visually-hidden { " " (visible(&client.name)) } }
                                    form method="post" action=(format!("/console/clients/{}/delete", client.id)) {
                                        (view.csrf_input())
                                        p { (view.text("clients.delete_lead")) }
                                        button.danger type="submit" { (view.format("clients.delete_name", &[&client.name])) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        nav.pages aria-label=(view.text("list.pages")) {
            @if !is_first { a.button href="/console/clients" { (view.text("clients.first")) } }
            @if let Some(last) = clients.last().filter(|_| has_more) {
                a.button rel="next" href=(next_page(last)) { (view.text("list.next")) }
            }
        }
        h2 { (view.text("clients.new")) }
        form.narrow method="post" action="/console/clients" {
            (view.csrf_input())
            label { (view.text("column.name")) input name="name" required maxlength="255" autocomplete="off"; }
            label { (view.text("clients.level"))
                select name="level" { @for level in UserLevel::ALL { option value=(level) { (level) } } }
            }
            fieldset {
                legend { (view.text("clients.scopes")) }
                @for scope in Scope::ALL {
                    label.check { input type="checkbox" name="scope" value=(scope) checked[*scope == Scope::ReadConnectors]; code { (scope) } }
                }
            }
            button.primary type="submit" { (view.text("clients.create")) }
        }
    };
    Ok(view.render(Place::Clients, view.text("nav.clients"), &content))
}

/// Creates a client and shows its secret.
pub async fn create(
    State(console): State<Arc<Console>>,
    Submitted { view, caller, form }: Submitted,
) -> Result<Response, PageError> {
    caller.has(Permission::ManageClients)?;
    let name = form.get("name")?.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(PageError::bad_request(Message::new("error.client_name").with(&MEMBER_CHARS)));
    }
    let level: UserLevel = form.get("level")?.parse().map_err(|error| invalid(&error))?;
    let scopes = form.all("scope").map(|word| word?.parse().map_err(|error| invalid(&error)));
    let scopes = scopes.collect::<Result<Scopes, PageError>>()?;
    if scopes.is_empty() {
        return Err(PageError::bad_request(Message::new("error.client_scopes")));
    }
    // The response has the only copy of the secret, so reserve its memory before the client is created.
    reserve(&console.server.answers, INLINE_BYTES)?;
    let created = console
        .server
        .registry
        .create_client(caller.tenant_record(), name.to_owned(), level, scopes, caller.access_origin())
        .await;
    let (id, new_secret) = created?;
    let above = html! {
        section.done role="status" {
            h2 { (view.format("clients.made", &[&name])) }
            p { (view.text("clients.secret_once")) }
            dl.facts {
                dt { (view.text("sign_in.id")) } dd { code #new-id { (id) } }
                dt { (view.text("sign_in.secret")) } dd { code #new-secret { (new_secret) } }
            }
        }
    };
    render_clients(&console, &view, &caller, None, &above).await
}

fn invalid(error: &impl Display) -> PageError {
    PageError::bad_request(Message::new("error.invalid").with(error))
}

/// Deletes a client of the tenant.
pub async fn delete(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Submitted { caller, .. }: Submitted,
) -> Result<Response, PageError> {
    caller.has(Permission::ManageClients)?;
    if id == caller.client_id() {
        return Err(PageError::bad_request(Message::new("error.own_client")));
    }
    console.server.registry.delete_client(caller.tenant_record(), id.clone(), caller.access_origin()).await?;
    Ok(Redirect::to("/console/clients?done=client_deleted").into_response())
}
