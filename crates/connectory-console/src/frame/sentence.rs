//! What was done, as sentences without their subject: the author stands before them.

use connectory_model::{Locale, visible};
use connectory_store::{Action, Revision};
use maud::{Markup, html};

use super::view::View;

/// The number of changed members that a sentence names.
const MEMBERS: usize = 3;

/// A sentence with an object in the place of `{0}`.
pub fn with_object(view: &View, key: &str, object: &Markup) -> Markup {
    let text = view.text(key);
    let (before, after) = text.split_once("{0}").unwrap_or((text, ""));
    html! { (before) (object) (after) }
}

/// The key of the sentence of an action.
fn action_key(action: Action) -> &'static str {
    match action {
        Action::Create => "sentence.create",
        Action::Update => "sentence.update",
        Action::Delete => "sentence.delete",
        Action::Restore => "sentence.restore",
    }
}

/// What a revision did to an object.
pub fn done_to(view: &View, action: Action, object: &Markup) -> Markup {
    with_object(view, action_key(action), object)
}

/// What a revision did, on a page of its connector.
pub fn revision_sentence(view: &View, revision: &Revision) -> Markup {
    let object = match (revision.action, revision.changed.as_slice()) {
        (Action::Update, [member]) => object_of(view, member),
        (Action::Update, members @ [_, ..]) => visible(&member_names(view, members)).into_owned(),
        _ => view.text("sentence.connector").to_owned(),
    };
    html! { span data-action=(revision.action.as_str()) { (done_to(view, revision.action, &html! { (object) })) } }
}

/// The only member that changed, as the object of a sentence.
fn object_of(view: &View, member: &str) -> String {
    let key = match member {
        "sourceConfigXml" => "sentence.source_config",
        "applicationXml" => "sentence.source_template",
        "correlationConfigXml" => "sentence.correlation_config",
        "connectorMetadata" => "sentence.metadata",
        "name" => "sentence.name",
        "status" => "sentence.status",
        other => match other.strip_prefix("translations/").and_then(|tag| tag.parse::<Locale>().ok()) {
            Some(locale) => return view.format("sentence.texts", &[&view.text(&format!("locale.{locale}"))]),
            None => return visible(&member_name(view, other)).into_owned(),
        },
    };
    view.text(key).to_owned()
}

/// The names of members, and how many more there are.
pub fn member_names(view: &View, changed: &[String]) -> String {
    let (named, more) = changed.split_at(changed.len().min(MEMBERS));
    let mut names: Vec<_> = named.iter().map(|member| member_name(view, member)).collect();
    if !more.is_empty() {
        names.push(view.format("list.more", &[&more.len()]));
    }
    names.join(", ")
}

/// The name of a member that changed, as the pages of a connector have it. Others have the name that the API has.
pub fn member_name(view: &View, member: &str) -> String {
    let key = match member {
        "sourceConfigXml" => "tab.source_config",
        "applicationXml" => "tab.source_template",
        "correlationConfigXml" => "tab.correlation_config",
        "connectorMetadata" => "tab.metadata",
        "translations" => "tab.translations",
        "name" => "column.name",
        "type" => "column.type",
        "className" => "overview.class",
        "directConnect" => "facet.direct",
        "status" => "column.status",
        other => match other.strip_prefix("translations/") {
            Some(locale) => return format!("{} ({locale})", view.text("tab.translations")),
            None => return other.to_owned(),
        },
    };
    view.text(key).to_owned()
}
