//! The settings of a person, who they are here, and what server this is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use connectory_model::visible;
use maud::html;

use crate::frame::badges::called;
use crate::frame::copy::copy_button;
use crate::frame::error::PageError;
use crate::frame::layout::Place;
use crate::frame::visitor::SignedIn;
use crate::state::Console;

/// Shows the settings.
pub async fn show(
    State(console): State<Arc<Console>>,
    SignedIn { view, caller }: SignedIn,
) -> Result<Response, PageError> {
    let options = &console.server.options;
    let author = caller.author();
    let snapshot = caller.tenant().snapshot();
    let content = html! {
        div.top { h1 { (view.text("nav.settings")) } }
        div.columns {
            div.stack {
                section.card {
                    header { h2 { (view.text("settings.appearance")) } }
                    div.body.preferences { (view.preferences()) }
                }
                section.card {
                    header { h2 { (view.text("settings.you")) } }
                    div.body {
                        dl.facts {
                            dt { (view.text("column.name")) } dd { (visible(called(author))) }
                            dt { (view.text("settings.id")) } dd { code { (visible(&author.id)) } " " (copy_button(&view, &author.id)) }
                            dt { (view.text("clients.level")) } dd { (caller.level()) }
                        }
                        form.after method="post" action="/console/sign-out" data-signs-out {
                            (view.csrf_input())
                            button type="submit" { (view.text("nav.sign_out")) }
                        }
                    }
                }
            }
            section.card {
                header { h2 { (view.text("settings.server")) } }
                div.body { dl.facts {
                    dt { (view.text("nav.tenant")) } dd { (visible(&caller.tenant_record().name)) }
                    @if let Some(environment) = &options.environment { dt { (view.text("nav.environment")) } dd { (visible(&environment.name)) } }
                    dt { (view.text("nav.connectors")) } dd.num { (snapshot.count()) }
                    dt { (view.text("settings.address")) } dd { code { (options.public_url) } " " (copy_button(&view, &options.public_url)) }
                    dt { (view.text("settings.version")) } dd { code { (env!("CARGO_PKG_VERSION")) } }
                    dt { (view.text("nav.api")) } dd { a href="/docs/" { "/docs/" } }
                } }
            }
        }
    };
    Ok(view.render(Place::Settings, view.text("nav.settings"), &content))
}
