//! The views of the activity, as links that work without a script.

use connectory_model::access::Permission;
use maud::{Markup, html};

use super::view::View;

/// A view of the activity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ActivityTab {
    /// Changes of connectors.
    Changes,
    /// Changes of access, and sign-ins.
    Access,
    /// Refused sign-ins.
    Refused,
}

impl ActivityTab {
    /// The address of the view.
    pub const fn address(self) -> &'static str {
        match self {
            Self::Changes => "/console/activity",
            Self::Access => "/console/activity/access",
            Self::Refused => "/console/activity/refused",
        }
    }

    const fn title_key(self) -> &'static str {
        match self {
            Self::Changes => "tab.changes",
            Self::Access => "tab.access",
            Self::Refused => "tab.refused",
        }
    }
}

/// Links to all views, for those who may see them. Everyone else sees one view, without links.
pub fn activity_tabs(view: &View, at: ActivityTab) -> Markup {
    html! {
        @if view.may(Permission::ManageClients) {
            nav.tabs aria-label=(view.text("activity.views")) {
                @for tab in [ActivityTab::Changes, ActivityTab::Access, ActivityTab::Refused] {
                    a href=(tab.address()) aria-current=[(tab == at).then_some("page")] { (view.text(tab.title_key())) }
                }
            }
        }
    }
}
