//! Why a deleted connector cannot be restored now.

use connectory_model::{ScriptName, visible};
use connectory_server::catalog::TenantCatalog;
use connectory_store::Deleted;
use maud::{Markup, html};

use super::view::View;
use crate::urls::connector_url;

/// Which connector has the script name or the name of a deleted one, if one has.
pub fn taken(view: &View, tenant: &TenantCatalog, deleted: &Deleted) -> Option<Markup> {
    let script_name = &deleted.deletion.script_name;
    if tenant.entry(script_name).is_some() {
        let number = deleted.deletion.number;
        return Some(html! {
            (view.text("deleted.script_name_taken")) " " (link(script_name)) " "
            a href=(connector_url(script_name, &format!("/history/{number}"))) { (view.format("list.revision", &[&number])) }
        });
    }
    let other = tenant.snapshot().namesake(deleted.name.as_deref()?, script_name)?;
    Some(html! { (view.text("deleted.name_taken")) " " (link(&other)) })
}

/// A link to a connector.
fn link(script_name: &ScriptName) -> Markup {
    html! { a href=(connector_url(script_name, "")) { code { (visible(script_name.as_str())) } } }
}
