//! API clients: they may call the API and sign in here. The secret of a new client is shown once, in the response to the
//! form that created it. It is neither logged nor cached.
//!
//! The id of a new client is made of the session and a key of the page that has the form (D105). So if the form is sent
//! again, by a reload for example, the client is there already, and no second one is created.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use connectory_model::access::{Permission, Scope, Scopes, UserLevel};
use connectory_model::limits::{CLIENTS_PER_PAGE, INLINE_BYTES, MEMBER_CHARS};
use connectory_model::visible;
use connectory_server::auth::Caller;
use connectory_server::auth::secret::new_id;
use connectory_server::registry::RegistryError;
use connectory_server::work::reserve;
use connectory_store::{ApiClient, StoreError};
use maud::{Markup, html};
use sha2::{Digest, Sha256};

use crate::frame::badges::timestamp;
use crate::frame::copy::copy_button;
use crate::frame::error::{PageError, no_choice};
use crate::frame::form::Submitted;
use crate::frame::icon::{Icon, icon};
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
        div.top {
            h1 { (view.text("nav.clients")) }
            span.spacer {}
            a.button.primary href="#new-client" { (icon(Icon::Plus)) (view.text("clients.new")) }
        }
        p.lead { (view.text("clients.lead")) }
        (above)
        div.card.scrolls { table.clients.stacks {
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
                                    summary.button.danger { (view.text("clients.delete")) span.visually-hidden { " " (visible(&client.name)) } }
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
        } }
        nav.pages aria-label=(view.text("list.pages")) {
            @if !is_first { a.button href="/console/clients" { (view.text("clients.first")) } }
            @if let Some(last) = clients.last().filter(|_| has_more) {
                a.button rel="next" href=(next_page(last)) { (view.text("list.next")) }
            }
        }
        (form(view))
    };
    Ok(view.render(Place::Clients, view.text("nav.clients"), &content))
}

/// The form for a new client.
fn form(view: &View) -> Markup {
    html! {
        section.card #new-client {
            header { h2 { (view.text("clients.new")) } }
            div.body {
                form.narrow method="post" action="/console/clients" {
                    (view.csrf_input())
                    // A browser that comes back to the page must not fill in the key of another one.
                    input type="hidden" name="key" value=(new_id()) autocomplete="off";
                    p.hint { (view.text("create.needed")) }
                    label { span.needed { (view.text("column.name")) } input name="name" required maxlength="255" autocomplete="off"; }
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
            }
        }
    }
}

/// The id of the client that a form creates. Nobody else knows the token of the session, so nobody else can choose the id.
fn id_of_form(view: &View, key: &str) -> String {
    let token = view.signed_in.as_ref().map(|(session, _)| session.csrf()).unwrap_or_default();
    let digest = Sha256::new().chain_update("connectory client of ").chain_update(token).chain_update(key).finalize();
    let first: [u8; 16] = digest[..16].try_into().expect("a digest has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(first))
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
    let level = form.get("level")?;
    let level: UserLevel = level.parse().map_err(|_| no_choice(level))?;
    let scopes = form.all("scope").map(|word| word.and_then(|word| word.parse().map_err(|_| no_choice(word))));
    let scopes = scopes.collect::<Result<Scopes, PageError>>()?;
    if scopes.is_empty() {
        return Err(PageError::bad_request(Message::new("error.client_scopes")));
    }
    // The response has the only copy of the secret, so reserve its memory before the client is created.
    reserve(&console.server.answers, INLINE_BYTES)?;
    let id = id_of_form(&view, form.get("key")?);
    let (tenant, client) = (caller.tenant_record(), (id.clone(), name.to_owned()));
    let created = console.server.registry.create_client(tenant, client, level, scopes, caller.access_origin()).await;
    let above = match created {
        Ok(secret) => made(&console, &view, name, &id, &secret),
        Err(RegistryError::Store(StoreError::Exists(_))) => {
            html! { p.note role="status" { (view.text("clients.made_before")) } }
        }
        Err(error) => return Err(error.into()),
    };
    render_clients(&console, &view, &caller, None, &above).await
}

/// The new client, with all that a program needs to sign in as it.
fn made(console: &Console, view: &View, name: &str, id: &str, secret: &str) -> Markup {
    let url = &console.server.options.public_url;
    let exports = format!("export SAIL_BASE_URL={url}\nexport SAIL_CLIENT_ID={id}\nexport SAIL_CLIENT_SECRET={secret}");
    html! {
        section.card.done role="status" {
            header { h2 { (view.format("clients.made", &[&name])) } }
            div.body {
                p { (view.text("clients.secret_once")) }
                dl.facts {
                    dt { (view.text("sign_in.id")) } dd { code #new-id { (id) } " " (copy_button(view, id)) }
                    dt { (view.text("sign_in.secret")) } dd { code #new-secret { (secret) } " " (copy_button(view, secret)) }
                }
                p { (view.text("clients.exports")) " " (copy_button(view, &exports)) }
                pre #new-exports tabindex="0" aria-label=(view.text("clients.exports")) { (exports) }
            }
        }
    }
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
