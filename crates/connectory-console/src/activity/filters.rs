//! The filters of the activity: reading them from the URL, and their form.

use std::borrow::Cow;
use std::collections::BTreeSet;

use connectory_model::access::Permission;
use connectory_model::limits::MEMBER_CHARS;
use connectory_model::{shown, visible};
use connectory_server::registry::{ActivityCursor, ActivityItem, ActivityWanted, What};
use connectory_store::Who;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};

use super::{ADDRESS, CSV, REFUSED_WORD};
use crate::frame::badges::called;
use crate::frame::error::PageError;
use crate::frame::query::parameter;
use crate::frame::sentence::member_name;
use crate::frame::texts::Message;
use crate::frame::view::View;

/// A parameter of the URL, which is a field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Who,
    What,
    Connector,
    From,
    To,
}

impl Field {
    const ALL: [Self; 5] = [Self::Who, Self::What, Self::Connector, Self::From, Self::To];

    /// The name of the parameter.
    const fn name(self) -> &'static str {
        match self {
            Self::Who => "who",
            Self::What => "what",
            Self::Connector => "connector",
            Self::From => "from",
            Self::To => "to",
        }
    }

    const fn label_key(self) -> &'static str {
        match self {
            Self::Who => "history.who",
            Self::What => "history.what",
            Self::Connector => "history.connector",
            Self::From => "activity.from",
            Self::To => "activity.to",
        }
    }
}

/// What is wrong with a field.
pub struct FieldError {
    field: Field,
    /// The text for the reader.
    pub message: Message,
}

/// The parameters of the URL, as they were sent but for spaces around them.
pub struct Filters {
    values: [String; 5],
    cursor: String,
}

impl Filters {
    /// Reads the query of a URL.
    pub fn read(query: &str) -> Self {
        let value = |field: Field| parameter(query, field.name()).trim().to_owned();
        Self { values: Field::ALL.map(value), cursor: parameter(query, "cursor") }
    }

    fn value(&self, field: Field) -> &str {
        &self.values[field as usize]
    }

    /// The value as the page repeats it, which is not longer than a name may be.
    fn repeated(&self, field: Field) -> &str {
        shown(self.value(field), MEMBER_CHARS)
    }

    /// Whether everything is wanted.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(String::is_empty)
    }

    /// The place where the page begins.
    pub fn cursor(&self) -> Result<Option<ActivityCursor>, PageError> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        self.cursor.parse().map(Some).map_err(|()| PageError::bad_request(Message::new("error.cursor")))
    }

    /// The URL of these filters, from a place on.
    pub fn url(&self, cursor: Option<&ActivityCursor>) -> String {
        let mut query = form_urlencoded::Serializer::new(self.query(&[]));
        if let Some(cursor) = cursor {
            query.append_pair("cursor", &cursor.to_string());
        }
        url(ADDRESS, &query.finish())
    }

    /// What is wanted, and what is wrong with fields.
    pub fn wanted(&self) -> (ActivityWanted, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut note = |field, message| errors.push(FieldError { field, message });
        let mut wanted = ActivityWanted::default();
        let given = |field| Some(self.value(field)).filter(|value| !value.is_empty());
        if let Some(who) = given(Field::Who) {
            match who.parse() {
                Ok(search) => wanted.author = Some(Who::Containing(search)),
                Err(_) => {
                    note(Field::Who, Message::new("error.field_too_long").with(&Field::Who.name()).with(&MEMBER_CHARS));
                }
            }
        }
        if let Some(what) = given(Field::What) {
            match what.parse() {
                Ok(what) => wanted.what = Some(what),
                Err(()) => note(Field::What, Message::new("activity.what_unknown")),
            }
        }
        if let Some(connector) = given(Field::Connector) {
            match connector.parse() {
                Ok(script_name) => wanted.script_name = Some(script_name),
                Err(_) => note(Field::Connector, Message::new("error.script_name").with(connector)),
            }
            if wanted.what.as_ref().is_some_and(What::is_access) {
                note(Field::Connector, Message::new("activity.no_connector"));
            }
        }
        let days = [Field::From, Field::To].map(|field| given(field).map(|text| (field, day(text))));
        for (field, _) in days.iter().flatten().filter(|(_, day)| day.is_none()) {
            note(*field, Message::new("activity.no_day"));
        }
        let [from, to] = days.map(|day| day.and_then(|(_, day)| day));
        wanted.since = from.map(|(begin, _)| begin);
        wanted.until = to.map(|(_, end)| end);
        if wanted.since.zip(wanted.until).is_some_and(|(since, until)| until < since) {
            note(Field::To, Message::new("activity.days_order"));
        }
        (wanted, errors)
    }

    /// The URL of the file with the activity of these filters.
    pub fn csv_url(&self) -> String {
        url(CSV, &self.query(&[]))
    }

    /// The URL with other values of some fields.
    fn url_with(&self, others: &[(Field, &str)]) -> String {
        url(ADDRESS, &self.query(others))
    }

    /// The query of the fields that have a value, with other values of some.
    fn query(&self, others: &[(Field, &str)]) -> String {
        let value = |field| others.iter().find(|(of, _)| *of == field).map_or(self.value(field), |(_, value)| value);
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in Field::ALL.into_iter().filter(|field| !value(*field).is_empty()) {
            query.append_pair(field.name(), value(field));
        }
        query.finish()
    }

    /// The filters, as chips of one form. `found` has the authors that it proposes, and `today` is the day in UTC.
    pub fn form(&self, view: &View, errors: &[FieldError], found: &[ActivityItem], today: Date) -> Markup {
        html! {
            form #filters.chips.wrong[!errors.is_empty()] method="get" action=(ADDRESS) role="search" {
                @for (days, key) in [(7, "activity.days_7"), (30, "activity.days_30")] { (self.last_days(view, today, days, key)) }
                (self.chip(view, errors, "history.who", &[(Field::Who, html! {
                    input name="who" value=(self.repeated(Field::Who)) list="authors" placeholder=(view.text("activity.who_hint"))
                        autocomplete="off" spellcheck="false" aria-describedby=[described(errors, Field::Who)];
                    datalist #authors { @for author in authors(found) { option value=(author) {} } }
                })]))
                (self.chip(view, errors, "history.what", &[(Field::What, self.choice(view, errors))]))
                (self.chip(view, errors, "history.connector", &[(Field::Connector, html! {
                    input name="connector" value=(self.repeated(Field::Connector)) placeholder=(view.text("overview.script_name"))
                        autocomplete="off" spellcheck="false" aria-describedby=[described(errors, Field::Connector)];
                })]))
                (self.chip(view, errors, "activity.days", &[Field::From, Field::To].map(|field| (field, html! {
                    input type="date" name=(field.name()) value=[Some(self.repeated(field)).filter(|text| day(text).is_some())]
                        aria-describedby=[described(errors, field)];
                }))))
                @if view.may(Permission::ManageClients) {
                    @let is_on = self.value(Field::What) == REFUSED_WORD;
                    @let what = if is_on { "" } else { REFUSED_WORD };
                    (link(view.text("activity.refused_only"), is_on, &self.url_with(&[(Field::What, what), (Field::Connector, "")])))
                }
                @if !self.is_empty() { a.button.quiet href=(ADDRESS) { (view.text("list.reset")) } }
            }
        }
    }

    /// A link to what happened in the last days, today included. If that is shown already, it leads to all days.
    fn last_days(&self, view: &View, today: Date, days: i64, key: &str) -> Markup {
        let first = today.saturating_sub((days - 1).days()).to_string();
        let is_on = self.value(Field::From) == first && self.value(Field::To).is_empty();
        let from = if is_on { "" } else { &first };
        link(view.text(key), is_on, &self.url_with(&[(Field::From, from), (Field::To, "")]))
    }

    /// A chip that opens fields of the form. It has their values, and is open if one of them is wrong.
    fn chip(&self, view: &View, errors: &[FieldError], title: &str, fields: &[(Field, Markup)]) -> Markup {
        let values: Vec<_> =
            fields.iter().map(|(field, _)| self.shown(view, *field)).filter(|text| !text.is_empty()).collect();
        let is_wrong = errors.iter().any(|error| fields.iter().any(|(field, _)| *field == error.field));
        html! {
            // One is open at a time, but all that are wrong.
            details.pick name=[errors.is_empty().then_some("activity-filter")] open[is_wrong] {
                summary.filter.on[!values.is_empty()] {
                    (view.text(title)) @if !values.is_empty() { ": " (visible(&values.join(" – "))) }
                }
                div.popover {
                    @for (field, control) in fields { (self.field(view, errors, *field, control)) }
                    button.primary type="submit" { (view.text("activity.show")) }
                }
            }
        }
    }

    /// The value of a field as its chip shows it.
    fn shown<'a>(&'a self, view: &View, field: Field) -> Cow<'a, str> {
        let value = self.repeated(field);
        let is_chosen = |(word, text): Choice| (word == value).then_some(text);
        match field {
            Field::What => groups(view).into_iter().flat_map(|(_, words)| words).find_map(is_chosen).map(Cow::Owned),
            _ => None,
        }
        .unwrap_or(Cow::Borrowed(value))
    }

    fn field(&self, view: &View, errors: &[FieldError], field: Field, control: &Markup) -> Markup {
        html! {
            label { (view.text(field.label_key())) (control) }
            @for error in errors.iter().filter(|error| error.field == field) {
                p.problem id=(error_id(field)) role="alert" {
                    // The browser does not show a date that is not one.
                    @if matches!(field, Field::From | Field::To) { code { (visible(self.repeated(field))) } " " }
                    (error.message.text(view.language))
                }
            }
        }
    }

    /// The choice of what was done. A word that it does not have is chosen if it is in the URL.
    fn choice(&self, view: &View, errors: &[FieldError]) -> Markup {
        let chosen = self.repeated(Field::What);
        let groups = groups(view);
        let is_known = chosen.is_empty() || groups.iter().flat_map(|(_, words)| words).any(|(word, _)| *word == chosen);
        html! {
            select name="what" aria-describedby=[described(errors, Field::What)] {
                option value="" { (view.text("facet.any")) }
                @for (title, words) in &groups {
                    optgroup label=(title) {
                        @for (word, text) in words { option value=(word) selected[*word == chosen] { (text) } }
                    }
                }
                @if !is_known { option value=(chosen) selected { (visible(chosen)) } }
            }
        }
    }
}

fn url(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A chip that leads to another view.
fn link(text: &str, is_on: bool, address: &str) -> Markup {
    html! { a.filter.on[is_on] href=(address) aria-current=[is_on.then_some("true")] { (text) } }
}

/// The id of the message of a field, if it has one.
fn described(errors: &[FieldError], field: Field) -> Option<&'static str> {
    errors.iter().any(|error| error.field == field).then(|| error_id(field))
}

const fn error_id(field: Field) -> &'static str {
    match field {
        Field::Who => "who-problem",
        Field::What => "what-problem",
        Field::Connector => "connector-problem",
        Field::From => "from-problem",
        Field::To => "to-problem",
    }
}

/// A word of the URL and its text.
type Choice = (&'static str, String);

/// The choices of what was done, in groups. Those who may not manage clients have no choice of access.
fn groups(view: &View) -> Vec<(&'static str, Vec<Choice>)> {
    let action = |word: &'static str| -> Choice {
        (word, view.text(&format!("action.{word}")).trim_end_matches(':').to_owned())
    };
    let members = ["sourceConfigXml", "applicationXml", "correlationConfigXml", "connectorMetadata", "translations"];
    let all = |word, key| (word, view.text(key).to_owned());
    let changes = [all("changes", "activity.all_changes")].into_iter();
    let mut groups = vec![
        (view.text("tab.changes"), changes.chain(["create", "update", "restore", "delete"].map(action)).collect()),
        (view.text("activity.changed_part"), members.map(|member| (member, member_name(view, member))).into()),
    ];
    if view.may(Permission::ManageClients) {
        let access = [all("access", "activity.all_access")].into_iter();
        let actions = ["sign_in", "sign_out", "client_created", "client_deleted"].map(action);
        let refused = [all(REFUSED_WORD, "tab.refused")];
        groups.push((view.text("tab.access"), access.chain(actions).chain(refused).collect()));
    }
    groups
}

/// The names of those who did something, for proposals.
fn authors(found: &[ActivityItem]) -> BTreeSet<&str> {
    found.iter().filter_map(name_of_author).collect()
}

/// The name of who did something, or the id if there is no name.
fn name_of_author(item: &ActivityItem) -> Option<&str> {
    let author = match item {
        ActivityItem::Change(change) => &change.revisions.first()?.author,
        ActivityItem::Access(event) => &event.by.origin.author,
        ActivityItem::Refused(refused) => return Some(&refused.client_id),
    };
    Some(called(author))
}

/// The first and the last millisecond of a day in UTC.
fn day(text: &str) -> Option<(i64, i64)> {
    let day: Date = text.parse().ok().filter(|day: &Date| day.to_string() == text)?;
    let begin = |day: Date| TimeZone::UTC.to_timestamp(day.into()).ok().map(Timestamp::as_millisecond);
    Some((begin(day)?, begin(day.tomorrow().ok()?)? - 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_one_short_url() {
        let filters = Filters::read("who=+Ada+L%26%22&what=&connector=hr&unknown=1&from=2026-05-04");
        assert_eq!(filters.url(None), "/console/activity?who=Ada+L%26%22&connector=hr&from=2026-05-04");
        let cursor = "7,0,5,::1,a,b".parse().unwrap();
        assert_eq!(Filters::read("").url(Some(&cursor)), "/console/activity?cursor=7%2C0%2C5%2C%3A%3A1%2Ca%2Cb");
        assert_eq!(Filters::read("").url(None), ADDRESS);
        assert_eq!(filters.csv_url(), "/console/activity.csv?who=Ada+L%26%22&connector=hr&from=2026-05-04");
        let without = [(Field::Who, ""), (Field::What, "refused")];
        assert_eq!(filters.url_with(&without), "/console/activity?what=refused&connector=hr&from=2026-05-04");
    }

    #[test]
    fn a_day_is_whole_and_in_utc() {
        assert_eq!(day("1970-01-02"), Some((86_400_000, 2 * 86_400_000 - 1)));
        for text in ["", "yesterday", "2026-02-30", "20260504", "2026-05-04T00:00", "99999-01-01", "2026-5-4"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        let fields = |query: &str| -> Vec<_> {
            Filters::read(query).wanted().1.iter().map(|error| error.field.name()).collect()
        };
        assert_eq!(fields("who=a&what=translations&connector=hr&from=2026-05-04&to=2026-05-04"), [""; 0]);
        assert_eq!(fields("what=made-up"), ["what"]);
        assert_eq!(fields("connector=a/b"), ["connector"]);
        assert_eq!(fields("connector=hr&what=sign_in"), ["connector"]);
        assert_eq!(fields("from=x&to=2026-02-30"), ["from", "to"]);
        assert_eq!(fields("from=2026-05-05&to=2026-05-04"), ["to"]);
        assert_eq!(fields(&format!("who={}", "a".repeat(256))), ["who"]);
    }
}
