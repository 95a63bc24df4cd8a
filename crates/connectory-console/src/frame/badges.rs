//! Small parts that several pages show: a status, features, a time.

use connectory_model::{Status, visible};
use connectory_store::Author;
use maud::{Markup, html};

/// The first features, as chips.
pub fn feature_chips(features: &[String], most: usize) -> Markup {
    html! { @for feature in features.iter().take(most) { span.chip { (visible(feature)) } " " } }
}

/// A status as a badge.
pub fn status_badge(status: Status) -> Markup {
    html! { span.status data-status=(status) { (status) } }
}

/// A time, given in milliseconds since 1970.
pub fn timestamp(milliseconds: i64) -> Markup {
    let Ok(time) = jiff::Timestamp::from_millisecond(milliseconds) else { return html! { "?" } };
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// The name of an author, with the id as its title. A name may change, and the id may not.
pub fn author_name(author: &Author) -> Markup {
    html! { span title=(visible(&author.id)) { (visible(author.name.as_ref().unwrap_or(&author.id))) } }
}
