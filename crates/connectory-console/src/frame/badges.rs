//! Small parts that several pages show: a status, features, a time.

use connectory_model::{Status, visible};
use connectory_store::Author;
use jiff::Timestamp;
use maud::{Markup, html};

use super::view::View;

/// The first features, as chips.
pub fn feature_chips(features: &[String], most: usize) -> Markup {
    html! { @for feature in features.iter().take(most) { span.chip { (visible(feature)) } " " } }
}

/// A status as a badge.
pub fn status_badge(view: &View, status: Status) -> Markup {
    html! { span.status data-status=(status) { (status_name(view, status)) } }
}

/// The statuses in the order of a connector's life.
pub const STATUSES: [Status; 4] = [Status::Development, Status::Demo, Status::Released, Status::Deprecated];

/// The name of a status.
pub fn status_name(view: &View, status: Status) -> &'static str {
    view.text(match status {
        Status::Development => "status.development",
        Status::Demo => "status.demo",
        Status::Released => "status.released",
        Status::Deprecated => "status.deprecated",
    })
}

/// The first letters of the first two words of a name.
fn initials(name: &str) -> String {
    let words = name.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(2).filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
}

/// The mark of a connector. It is decoration: the name is beside it.
pub fn mark(name: &str) -> Markup {
    html! { span.mark aria-hidden="true" { (visible(&initials(name))) } }
}

/// The mark of a person or a client.
pub fn face(name: &str) -> Markup {
    html! { span.face aria-hidden="true" { (visible(&initials(name))) } }
}

/// A time, given in milliseconds since 1970.
pub fn timestamp(milliseconds: i64) -> Markup {
    let Ok(time) = Timestamp::from_millisecond(milliseconds) else { return html! { "?" } };
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// How long ago a time was, given in milliseconds since 1970, with the time as its title. After a month it is the day.
pub fn time_ago(view: &View, milliseconds: i64) -> Markup {
    let Ok(time) = Timestamp::from_millisecond(milliseconds) else { return html! { "?" } };
    let minutes = (Timestamp::now().as_millisecond() - milliseconds) / 60_000;
    let text = match (minutes, minutes / 60, minutes / 1440) {
        (..1, ..) => view.text("time.now").to_owned(),
        (1, ..) => view.text("time.minute").to_owned(),
        (_, 0, _) => view.format("time.minutes", &[&minutes]),
        (_, 1, _) => view.text("time.hour").to_owned(),
        (_, hours, 0) => view.format("time.hours", &[&hours]),
        (_, _, 1) => view.text("time.day").to_owned(),
        (_, _, days @ ..31) => view.format("time.days", &[&days]),
        _ => time.strftime("%Y-%m-%d").to_string(),
    };
    html! { time datetime=(time) title=(time.strftime("%Y-%m-%d %H:%M UTC")) { (text) } }
}

/// What an author is called: the name, or the id if there is none.
pub fn called(author: &Author) -> &str {
    author.name.as_deref().unwrap_or(&author.id)
}

/// The name of an author, with the id as its title. A name may change, and the id may not.
pub fn author_name(author: &Author) -> Markup {
    html! { span title=(visible(&author.id)) { (visible(called(author))) } }
}
