//! Small things that several pages show: a status, features, a time.

use connectory_model::Status;
use maud::{Markup, html};

/// Features as chips.
pub fn feature_chips(features: &[String], most: usize) -> Markup {
    html! { @for feature in features.iter().take(most) { span.chip { (feature) } " " } }
}

/// A status as a badge.
pub fn status_badge(status: Status) -> Markup {
    html! { span.status data-status=(status) { (status) } }
}

/// The time of a revision.
pub fn timestamp(milliseconds: i64) -> Markup {
    let Ok(time) = jiff::Timestamp::from_millisecond(milliseconds) else { return html! { "?" } };
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}
