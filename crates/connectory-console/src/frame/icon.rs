//! The icons of the console: one set of lines on a grid of 16, as part of the page, so that they have the colour of the
//! text beside them.

use maud::{Markup, html};

macro_rules! icons {
    ($($variant:ident: $path:literal),+ $(,)?) => {
        /// An icon.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Icon { $(#[doc = stringify!($variant)] $variant,)+ }

        impl Icon {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)+ }
            }
        }
    };
}

icons! {
    Box: "M3 5.5 8 3l5 2.5v5L8 13l-5-2.5zM3 5.5 8 8l5-2.5M8 8v5",
    Pulse: "M2 8h3l2-5 3 10 2-5h2",
    Key: "M7.2 8.8a3 3 0 1 0-1.6 3.6 3 3 0 0 0 1.6-3.6L13 3M11 5l2 2M9.5 6.5 11 8",
    Gear: "M2 4.5h5M11 4.5h3M2 11.5h3M9 11.5h5M9 3v3M7 10v3",
    Book: "M8 4C6.5 3 4.5 2.8 2.5 3v9.5c2-.2 4 0 5.5 1 1.5-1 3.5-1.2 5.5-1V3C11.5 2.8 9.5 3 8 4zM8 4v9.5",
    Search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM14 14l-3.5-3.5",
    Plus: "M8 3v10M3 8h10",
    Copy: "M6 6h7v7H6zM10 6V3H3v7h3",
    More: "M3.5 8h.01M8 8h.01M12.5 8h.01",
    Down: "M8 3v8M4.5 8 8 11.5 11.5 8M3 14h10",
    Up: "M8 13V5M4.5 8 8 4.5 11.5 8M3 2h10",
    Compare: "M5 3v10M11 3v10M2 6l3-3 3 3M8 10l3 3 3-3",
    Check: "M3 8.5 6.5 12 13 4.5",
    Cross: "M4 4l8 8M12 4l-8 8",
    Back: "M13 8H3M7 4 3 8l4 4",
    Right: "M6 3.5 10.5 8 6 12.5",
    Warning: "M8 2.5 14.5 13.5h-13zM8 6.5v3M8 11.5h.01",
    Pencil: "M3 13l.7-3L11 2.7l2.3 2.3L6 12.3z",
    Trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5",
    Undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M6 3.5l-3 3 3 3",
    Leave: "M9 3H3.5v10H9M7 8h7M11 5l3 3-3 3",
    Wrap: "M2.5 4h11M2.5 8h8.5a2.25 2.25 0 0 1 0 4.5H8M9.5 10.7 7.7 12.5l1.8 1.8M2.5 12.5H5",
    Lines: "M2.5 4h11M5 8h8.5M2.5 12h11",
}

/// An icon. It says nothing to a screen reader: the text beside it, or the label of its button, does.
pub fn icon(icon: Icon) -> Markup {
    html! { svg.icon viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path d=(icon.path()) {} } }
}
