//! The three lists of connectors, as links that work without a script, and a note that all of them have.

use connectory_model::limits::{DELETED_COUNTED, MEMBER_CHARS};
use connectory_server::auth::Caller;
use maud::{Markup, html};

use super::error::PageError;
use super::query::parameter;
use super::view::View;
use crate::state::Console;

/// The address of the list of deleted connectors.
pub const DELETED: &str = "/console/deleted";

/// A list of connectors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ListTab {
    /// The tenant's own connectors.
    Custom,
    /// Those that come with the server.
    BuiltIn,
    /// Those that were deleted.
    Deleted,
}

impl ListTab {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Custom, Self::BuiltIn, Self::Deleted];

    const fn title_key(self) -> &'static str {
        match self {
            Self::Custom => "list.custom",
            Self::BuiltIn => "list.built_in",
            Self::Deleted => "list.deleted",
        }
    }

    /// The address of the list with a search.
    pub fn address(self, search: &str) -> String {
        let (path, origin) = match self {
            Self::Custom => ("/", ""),
            Self::BuiltIn => ("/", "built-in"),
            Self::Deleted => (DELETED, ""),
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", search), ("origin", origin)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// How many deleted connectors there are, as the tab shows it.
pub async fn deleted_count(console: &Console, caller: &Caller) -> Result<String, PageError> {
    let count = console.server.registry.deleted_count(caller.tenant()).await?;
    Ok(count.map_or_else(|| format!("{DELETED_COUNTED}+"), |count| count.to_string()))
}

/// A note that a list searches for the beginning of a text only, because the text is longer than any name.
pub fn long_search(view: &View, query: &str) -> Markup {
    let is_cut = parameter(query, "q").trim().chars().nth(MEMBER_CHARS).is_some();
    html! { @if is_cut { p.note role="status" { (view.format("list.search_cut", &[&MEMBER_CHARS])) } } }
}

/// Links to all lists: the address of each, and how many connectors it has, if that is known.
pub fn list_tabs(view: &View, at: ListTab, of: impl Fn(ListTab) -> (String, Option<String>)) -> Markup {
    html! {
        nav.segments #lists aria-label=(view.text("list.lists")) {
            @for tab in ListTab::ALL {
                @let (address, count) = of(tab);
                a href=(address) aria-current=[(tab == at).then_some("page")] {
                    (view.text(tab.title_key()))
                    @if let Some(count) = count { " " span.tab-count { (count) } }
                }
            }
        }
    }
}
