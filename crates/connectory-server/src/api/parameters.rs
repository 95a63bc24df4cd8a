//! Parses the parameters of queries into types.
//!
//! Unknown parameters are ignored, as the vendor's service does. If a parameter occurs twice, the last value is used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use connectory_model::filter::Filter;
use connectory_model::limits::{ANONYMOUS_BODY_TIMEOUT, ANONYMOUS_BYTES, JSON_VALUES, QUOTED_CHARS};
use connectory_model::shown;
use connectory_model::wire::Origin;
use connectory_model::{InvalidSearch, Locale, Search, Status};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use utoipa::IntoParams;

use crate::catalog::{PageRequest, Searched, Selection};
use crate::http::error::ApiError;
use crate::state::ServerState;

/// The largest number of connectors in a page, which is also the default (specification).
const MAX_LIMIT: usize = 250;

/// The query of the list, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `list_query` reads")]
pub struct ListParameters {
    /// Filter results with the standard syntax. Fields and operators: **name**: *sw, co*; **type**: *sw, co, eq*;
    /// **directConnect**: *eq*; **category**: *eq*; **features**: *ca*; **labels**: *ca*; composed with *and*, *or*,
    /// *not* and parentheses.
    #[param(example = r#"name sw "SCIM" and directConnect eq true"#)]
    filters: Option<String>,
    /// How many connectors to answer at most.
    #[param(minimum = 0, maximum = 250, default = 250)]
    limit: Option<i32>,
    /// How many connectors to leave out from the start.
    #[param(minimum = 0, default = 0)]
    offset: Option<i32>,
    /// Whether to answer the total under the filter, without limit and offset, in the `X-Total-Count` header.
    #[param(default = false)]
    count: Option<bool>,
    /// The locale of the short descriptions; an unknown one counts as `en`.
    #[param(example = "de")]
    locale: Option<String>,
    /// Extension: `all`, or a comma-separated list of statuses, to see more than the released connectors.
    #[param(example = "DEVELOPMENT,DEMO")]
    statuses: Option<String>,
    /// Extension: only the tenant's own connectors (`true`) or only the built-in ones (`false`).
    custom: Option<bool>,
    /// Extension: only connectors whose name, type, script name or short description in the locale contains this text,
    /// without regard to case.
    #[param(example = "directory", max_length = 255)]
    q: Option<String>,
}

/// Refuses a request of an operation under `/connectory/v1` that has a parameter or a member, because the operation knows
/// none (D41).
pub async fn expect_no_fields(server: &ServerState, parts: &Parts, body: Body) -> Result<(), ApiError> {
    expect_no_parameters(&parts.uri)?;
    let body = server.bodies.read_in(ANONYMOUS_BODY_TIMEOUT, body, ANONYMOUS_BYTES).await?;
    if body.is_empty() {
        return Ok(());
    }
    match connectory_model::json::from_slice(&body, JSON_VALUES) {
        Ok(Value::Object(members)) => members.keys().next().map_or(Ok(()), |name| Err(unknown("member", name))),
        _ => Err(ApiError::bad_request("the body is not a JSON object; this operation has no body")),
    }
}

/// Refuses a parameter, for an operation of this server's own that has none (D41).
pub fn expect_no_parameters(uri: &Uri) -> Result<(), ApiError> {
    let query = uri.query().unwrap_or_default();
    let first = form_urlencoded::parse(query.as_bytes()).next();
    first.map_or(Ok(()), |(name, _)| Err(unknown("parameter", &name)))
}

fn unknown(kind: &str, name: &str) -> ApiError {
    let name = shown(name, QUOTED_CHARS);
    ApiError::bad_request(format!("the {kind} `{name}` is unknown; this operation has none"))
}

/// The parameters of the list.
pub const OF_LIST: &[&str] = &["filters", "limit", "offset", "count", "locale", "statuses", "custom", "q"];
/// The parameters of a detail.
pub const OF_DETAIL: &[&str] = &["locale"];

/// The header that names a parameter which is ignored, and the one that may be meant.
const UNKNOWN_PARAMETER: HeaderName = HeaderName::from_static("connectory-unknown-parameter");
/// The header that names a parameter of which only the last value counts.
const REPEATED_PARAMETER: HeaderName = HeaderName::from_static("connectory-repeated-parameter");
/// Bytes of such a name. What is longer than that is like none of the known ones.
const MOST_SIMILAR: usize = 40;

/// Tells a client of a parameter that is ignored and is nearly one of the known ones, in a header and once a second in the
/// log (D84), and of one that is there twice (D77).
pub fn tell_unknown(response: &mut Response, query: &str, known: &'static [&'static str]) {
    if query.is_empty() {
        return;
    }
    let times = |parameter: &str| query.split('&').filter(|pair| pair.split('=').next() == Some(parameter)).count();
    if query.contains('&')
        && let Some(repeated) = known.iter().find(|parameter| times(parameter) > 1)
    {
        response.headers_mut().insert(REPEATED_PARAMETER, HeaderValue::from_static(repeated));
    }
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let mut unknown = names.filter(|name| !name.is_empty() && name.len() <= MOST_SIMILAR && !known.contains(name));
    let found = unknown.find_map(|name| Some((name, similar(name, known)?)));
    if let Some((parameter, similar)) = found
        && let Ok(value) = HeaderValue::try_from(format!("{parameter}; similar={similar}"))
    {
        static SAID: AtomicU64 = AtomicU64::new(0);
        response.headers_mut().insert(UNKNOWN_PARAMETER, value);
        let second = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        if SAID.swap(second, Ordering::Relaxed) != second {
            tracing::info!(parameter, similar, "a request has a parameter that is ignored; a similar one is known");
        }
    }
}

/// The known parameter that differs from a name by brackets, by case or by one letter.
fn similar(name: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    if known.contains(&&*name) {
        return None;
    }
    let start = name.split('[').next().unwrap_or_default().trim().to_lowercase();
    // Every letter is like `q`.
    let most = |known: &str| usize::from(known.len() > 1);
    known.iter().copied().find(|known| strsim::osa_distance(&start, &known.to_lowercase()) <= most(known))
}

/// Reads the parameter `q`. A blank text is none.
pub fn search_text(query: &str, value: &str) -> Result<Option<Search>, ApiError> {
    expect_utf8(query, "q", value)?;
    match value.parse() {
        Ok(search) => Ok(Some(search)),
        Err(InvalidSearch::Blank) => Ok(None),
        Err(error) => Err(ApiError::bad_request(format!("`q`: {error}"))),
    }
}

/// Refuses the value of a parameter that is not UTF-8 (D77).
pub fn expect_utf8(query: &str, name: &str, value: &str) -> Result<(), ApiError> {
    if !value.contains('\u{fffd}') || percent_decode_str(query).decode_utf8().is_ok() {
        return Ok(());
    }
    let text = format!("`{name}` is not UTF-8; write a character such as `ö` as its bytes in UTF-8, `%C3%B6`");
    Err(ApiError::bad_request(text))
}

/// Reads the query of the list.
pub fn list_query(query: &str) -> Result<(Selection, PageRequest), ApiError> {
    let mut selection = Selection { statuses: Vec::new(), origin: None, filter: None, search: None };
    let mut window = PageRequest { offset: 0, limit: MAX_LIMIT, locale: Locale::En, count: false };
    let mut search = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "filters" => {
                expect_utf8(query, &name, &value)?;
                selection.filter = filter(&value)?;
            }
            "limit" => window.limit = integer("limit", &value, MAX_LIMIT)?,
            "offset" => window.offset = integer("offset", &value, usize::MAX)?,
            "count" => window.count = flag("count", &value)?,
            "locale" => window.locale = Locale::or_english(Some(&value)),
            "statuses" => selection.statuses = statuses(&value)?,
            "q" => search = search_text(query, &value)?,
            "custom" => {
                let origin = if flag("custom", &value)? { Origin::Custom } else { Origin::BuiltIn };
                selection.origin = Some(origin);
            }
            _ => {}
        }
    }
    selection.search = search.map(|text| Searched { text, locale: window.locale });
    Ok((selection, window))
}

/// The query of a detail, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `DetailLocale` reads")]
pub struct LocaleParameter {
    /// The locale of the source config; an unknown one counts as `en`.
    #[param(example = "de")]
    locale: Option<String>,
}

/// The locale in the query of a request.
pub struct DetailLocale(pub Locale);

impl<S: Sync> FromRequestParts<S> for DetailLocale {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(detail_locale(parts.uri.query().unwrap_or_default())))
    }
}

/// Reads the query of a detail.
pub fn detail_locale(query: &str) -> Locale {
    let asked = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "locale").last();
    Locale::or_english(asked.as_ref().map(|(_, value)| &**value))
}

/// Parses a filter. A blank filter counts as no filter.
fn filter(text: &str) -> Result<Option<Filter>, ApiError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    Filter::parse(text).map(Some).map_err(|error| ApiError::bad_request(format!("`filters`, {error}")))
}

fn integer(name: &str, value: &str, most: usize) -> Result<usize, ApiError> {
    let shown = shown(value, 40);
    value.parse().ok().filter(|number| *number <= most).ok_or_else(|| {
        let range = if most == usize::MAX { "of 0 or more".to_owned() } else { format!("from 0 to {most}") };
        ApiError::bad_request(format!("`{name}` must be an integer {range}, got `{shown}`"))
    })
}

/// Reads a flag of a query.
pub fn flag(name: &str, value: &str) -> Result<bool, ApiError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let shown = shown(value, 40);
            Err(ApiError::bad_request(format!("`{name}` must be true or false, got `{shown}`")))
        }
    }
}

fn statuses(value: &str) -> Result<Vec<Status>, ApiError> {
    if value.eq_ignore_ascii_case("all") {
        return Ok(Status::ALL.to_vec());
    }
    let mut statuses = Vec::new();
    for word in value.split(',').map(str::trim) {
        let status = word.parse().map_err(|error| ApiError::bad_request(format!("`statuses`: {error}, or `all`")))?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(statuses)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A query is read or refused, and a page is never larger than it may be.
        #[test]
        fn any_query_is_read_or_refused(query in "[ -~äöü]{0,60}") {
            if let Ok((_, request)) = list_query(&query) {
                prop_assert!(request.limit <= MAX_LIMIT);
            }
            detail_locale(&query);
        }

        /// What is asked for is what is read.
        #[test]
        fn numbers_and_flags_are_read_as_they_are_written(limit in 0..400_usize, offset: u32, count: bool) {
            let read = list_query(&format!("limit={limit}&offset={offset}&count={count}"));
            match read {
                Ok((_, request)) => {
                    prop_assert_eq!((request.limit, request.offset, request.count), (limit, offset as usize, count));
                }
                Err(error) => prop_assert!(limit > MAX_LIMIT, "{}", error.text),
            }
        }
    }
}
