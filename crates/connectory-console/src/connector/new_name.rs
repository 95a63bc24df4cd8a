//! The fields that the forms for a new connector share: its name, with the script name that it gets, and its status.

use axum::extract::RawQuery;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{ScriptName, Status, shown, visible};
use connectory_server::auth::Caller;
use maud::{Markup, html};

use crate::frame::badges::status_name;
use crate::frame::query::parameter;
use crate::frame::view::View;
use crate::frame::visitor::SignedIn;

/// The field for the name, with what is wrong with it. The script name follows it while it is typed.
pub fn name_field(view: &View, caller: &Caller, name: &str, error: Option<&str>) -> Markup {
    html! {
        p.hint { (view.text("create.needed")) }
        label { span.needed { (view.text("column.name")) }
            input name="name" value=(name) required maxlength=(MEMBER_CHARS) autofocus autocomplete="off"
                aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| "problem-name")]
                hx-get="/console/new/script-name" hx-trigger="input delay:100ms" hx-target="#script-name" hx-swap="innerHTML" hx-sync="this:replace";
        }
        @if let Some(error) = error { p.problem.of-field #problem-name role="alert" { (error) } }
        p.hint { (view.text("overview.script_name")) ": " output #script-name { (derived(caller, name)) } }
    }
}

/// The field for the status. A new connector cannot be deprecated.
pub fn status_field(view: &View, chosen: Status) -> Markup {
    html! {
        label { (view.text("column.status"))
            select name="status" {
                @for status in [Status::Development, Status::Demo, Status::Released] {
                    option value=(status) selected[status == chosen] { (status_name(view, status)) }
                }
            }
        }
    }
}

/// The script name that a connector with this name would get now.
fn derived(caller: &Caller, name: &str) -> Markup {
    let name = name.trim();
    html! {
        @if name.is_empty() { "…" }
        @else { @let derived = ScriptName::derive(name).avoiding(|candidate| caller.tenant().entry(candidate).is_some());
            code { (visible(derived.as_str())) } }
    }
}

/// Shows the script name while the name is typed.
pub async fn script_name(SignedIn { view, caller }: SignedIn, RawQuery(query): RawQuery) -> Markup {
    let name = parameter(&query.unwrap_or_default(), "name");
    let name = shown(&name, MEMBER_CHARS);
    let is_taken = caller.tenant().snapshot().has_name(name.trim());
    html! {
        (derived(&caller, name))
        @if is_taken { " " span.problem { (view.text("create.taken")) } }
    }
}
