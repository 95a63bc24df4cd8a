//! The three lists of connectors, as links that work without a script.

use maud::{Markup, html};

use super::view::View;

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

/// Links to all lists: the address of each, and how many connectors it has, if that is known.
pub fn list_tabs(view: &View, at: ListTab, of: impl Fn(ListTab) -> (String, Option<usize>)) -> Markup {
    html! {
        nav.tabs #lists aria-label=(view.text("list.lists")) {
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
