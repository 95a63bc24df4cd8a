//! What a record may contain: nothing that is not in the tables of this file.
//!
//! A value that no table names may be a secret. So it is replaced by [`REDACTED`], however harmless it looks.

use std::borrow::Cow;

use connectory_model::Status;
use connectory_model::access::Scope;
use connectory_server::version::VERSIONS;
use http::HeaderMap;
use http::uri::Authority;
use serde_json::{Map, Value};
use url::form_urlencoded;

/// What stands in the place of a value.
pub const REDACTED: &str = "REDACTED";

/// Makes of a value what is recorded of it.
type Recorded = fn(&str) -> String;

/// The headers with values.
const HEADERS: &[(&str, Recorded)] = &[
    ("accept", whole),
    ("accept-encoding", whole),
    ("accept-language", whole),
    ("allow", whole),
    ("authorization", scheme),
    ("cache-control", whole),
    ("connection", whole),
    ("connectory-fault", whole),
    ("content-disposition", whole),
    ("content-encoding", whole),
    ("content-language", whole),
    ("content-length", number),
    ("content-type", media_type),
    ("date", whole),
    ("expect", whole),
    ("host", host),
    ("last-modified", whole),
    ("location", without_query),
    ("retry-after", number),
    ("slpt-request-id", tracking_id),
    ("te", whole),
    ("transfer-encoding", whole),
    ("user-agent", whole),
    ("vary", whole),
    ("www-authenticate", whole),
    ("x-sailpoint-experimental", word),
    ("x-sailpoint-sdk", whole),
    ("x-total-count", number),
];

/// The schemes of `Authorization` that are recorded. Another first word may be the secret itself.
const SCHEMES: &[&str] = &["basic", "bearer"];

/// Whether a value has the form of the values of its name. Another one may be a secret in a wrong place, or have one
/// behind it.
type HasForm = fn(&str) -> bool;

/// The parameters of queries with values.
const PARAMETERS: &[(&str, HasForm)] = &[
    ("client_id", is_id),
    ("count", is_word),
    ("custom", is_word),
    ("filters", is_filter),
    ("for", is_word),
    ("grant_type", is_grant),
    ("limit", is_number),
    ("locale", is_locale),
    ("offset", is_number),
    ("q", is_filter),
    ("scope", are_scopes),
    ("searchLocale", is_locale),
    ("statuses", are_statuses),
];

/// The fields of forms with values. The API reads no other form than that of a token request.
const FORM_FIELDS: &[(&str, HasForm)] = &[("client_id", is_id), ("grant_type", is_grant), ("scope", are_scopes)];

/// The grants of OAuth (RFC 6749, RFC 8628, RFC 8693).
const GRANTS: &[&str] = &[
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// The words in names of members whose values are secrets.
const SECRET_WORDS: &[&str] = &["secret", "password", "passwd", "token", "credential", "privatekey", "apikey"];

/// The members with values of the answer to a token request. Texts are none of them, because they may quote the request.
const TOKEN_MEMBERS: &[&str] = &[
    "authorities",
    "error",
    "expires_in",
    "identity_id",
    "org",
    "pod",
    "scope",
    "tenant_id",
    "token_type",
    "user_id",
    "user_name",
    "detailCode",
    "trackingId",
];

/// The paths, beside those of the API versions, whose bodies are recorded.
const PATHS: &[&str] = &[
    "/.well-known/jwks.json",
    "/connectory/v1",
    "/connectory/v1/reset",
    "/health/live",
    "/health/ready",
    "/oauth/info",
];

/// What of the bodies of a path is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Nothing: pages of the console show new secrets, and its forms send them.
    Neither,
    /// The parts of a token request and of its answer that are no secrets.
    OfTokens,
    /// All.
    Both,
    /// All, even if it is no JSON and has words such as `password`: the path is that of a document of a connector.
    OfDocuments,
}

/// The parts of paths below which documents are.
const DOCUMENTS: &[&str] = &["correlation-config", "source-config", "source-template", "translations"];

impl Bodies {
    /// What of the bodies of this path is recorded.
    pub fn of(path: &str) -> Self {
        let is_below = |base| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if path == "/oauth/token" {
            Self::OfTokens
        } else if VERSIONS.values().any(|version| is_below(version.base)) {
            let is_document = path.split('/').any(|part| DOCUMENTS.contains(&part));
            if is_document { Self::OfDocuments } else { Self::Both }
        } else if PATHS.contains(&path) {
            Self::Both
        } else {
            Self::Neither
        }
    }
}

/// The names of headers, and their values as far as they are recorded.
pub fn headers(headers: &HeaderMap) -> impl Iterator<Item = (&str, String)> {
    headers.iter().map(|(name, value)| {
        let known = HEADERS.iter().find(|(known, _)| *known == name.as_str());
        let value = known.map(|(_, recorded)| recorded(&String::from_utf8_lossy(value.as_bytes())));
        (name.as_str(), value.unwrap_or_else(|| REDACTED.to_owned()))
    })
}

/// A value as it is, unless it names a secret that follows, as in `text/xml; client_secret=…`.
fn whole(value: &str) -> String {
    let plain = plain(value);
    let gives_secret = SECRET_WORDS.iter().any(|word| {
        plain.match_indices(word).any(|(at, _)| plain[at + word.len()..].trim_start().starts_with(['=', ':', '%']))
    });
    kept(value, !gives_secret)
}

fn number(value: &str) -> String {
    kept(value, is_number(value))
}

fn word(value: &str) -> String {
    kept(value, is_word(value))
}

fn tracking_id(value: &str) -> String {
    kept(value, value.len() <= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn kept(value: &str, is_kept: bool) -> String {
    if is_kept { value } else { REDACTED }.to_owned()
}

/// The methods that are recorded. Another one may be anything.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The method of a request.
pub fn method(method: &str) -> &str {
    if METHODS.contains(&method) { method } else { REDACTED }
}

/// A media type with its character set and boundary, and without other parameters.
pub fn media_type(value: &str) -> String {
    let is_token =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-/'*\"".contains(&byte));
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().filter(|essence| essence.contains('/') && is_token(essence)).unwrap_or(REDACTED);
    let known = parts.filter(|part| {
        part.split_once('=').is_some_and(|(name, value)| matches!(name, "charset" | "boundary") && is_token(value))
    });
    std::iter::once(essence).chain(known).collect::<Vec<_>>().join("; ")
}

fn is_number(text: &str) -> bool {
    text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn is_word(text: &str) -> bool {
    text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_locale(text: &str) -> bool {
    text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte))
}

fn are_statuses(text: &str) -> bool {
    text.eq_ignore_ascii_case("all") || text.split(',').all(|word| word.trim().parse::<Status>().is_ok())
}

/// A filter is recorded even if it is wrong, because that is what one looks for.
fn is_filter(text: &str) -> bool {
    !text.contains([';', '&', '%', '\n', '\r']) && !has_secret_word(text)
}

fn is_grant(text: &str) -> bool {
    GRANTS.iter().any(|grant| grant.eq_ignore_ascii_case(text))
}

fn are_scopes(text: &str) -> bool {
    text.split(' ').all(|word| word.parse::<Scope>().is_ok())
}

fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A text in lower case without what joins the words of a name: `client_secret` and `clientSecret` are one name.
fn plain(text: &str) -> String {
    text.to_ascii_lowercase().replace(['_', '-'], "")
}

fn has_secret_word(text: &str) -> bool {
    let plain = plain(text);
    SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// A JSON text without the values of members whose names say that they are secrets. None if it is no JSON and may have
/// such members.
pub fn json(text: &str) -> Option<Cow<'_, str>> {
    // Most bodies have none of these words, and need no reader. A name may have its characters as `\u0073`.
    let lower = text.to_ascii_lowercase();
    if !SECRET_WORDS.iter().chain(&["key", "\\u"]).any(|word| lower.contains(word)) {
        return Some(text.into());
    }
    let mut value: Value = serde_json::from_str(text).ok()?;
    let is_changed = redact(&mut value);
    Some(if is_changed { value.to_string().into() } else { text.into() })
}

/// Redacts members at any depth. Returns whether there was one.
fn redact(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => {
            // An operation of a JSON Patch has the name in its path.
            let is_of_secret = members.get("path").and_then(Value::as_str).is_some_and(has_secret_word);
            members.iter_mut().fold(false, |changed, (name, value)| {
                if !value.is_null() && (has_secret_word(name) || is_of_secret && name == "value") {
                    *value = REDACTED.into();
                    return true;
                }
                redact(value) || changed
            })
        }
        Value::Array(values) => values.iter_mut().map(redact).filter(|changed| *changed).count() > 0,
        _ => false,
    }
}

/// The scheme of credentials.
fn scheme(value: &str) -> String {
    match value.split_once(' ') {
        Some((scheme, _)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => format!("{scheme} {REDACTED}"),
        _ => REDACTED.to_owned(),
    }
}

/// The host and port of an authority, without the name and password that may stand before it.
pub fn host(authority: &str) -> String {
    let Ok(authority) = authority.parse::<Authority>() else { return REDACTED.to_owned() };
    match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    }
}

/// A link without its query and fragment.
fn without_query(link: &str) -> String {
    link.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A query in which only the values of known parameters are left.
pub fn query(text: &str) -> String {
    pairs(text, PARAMETERS)
}

/// A form in which only the values of known fields are left.
pub fn form(text: &str) -> String {
    pairs(text, FORM_FIELDS)
}

/// Form-encoded pairs in which only the known values are left. Names stay.
fn pairs(text: &str, known: &[(&str, HasForm)]) -> String {
    let recorded = text.split('&').map(|pair| {
        let is_known = form_urlencoded::parse(pair.as_bytes()).next().is_none_or(|(name, value)| {
            known.iter().any(|(known, has_form)| *known == name && (value.is_empty() || has_form(&value)))
        });
        match pair.split_once('=') {
            _ if is_known => Cow::from(pair),
            Some((name, _)) if is_name(name) => Cow::from(format!("{name}={REDACTED}")),
            _ => Cow::from(REDACTED),
        }
    });
    recorded.collect::<Vec<_>>().join("&")
}

/// Whether a text looks like the name of a parameter. A secret that stands in the place of a name has digits or other
/// characters, or is longer.
fn is_name(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-.".contains(&byte))
}

/// The answer to a token request, or an error, in which only the values of known members are left. None if it is no JSON object.
pub fn token_answer(body: &[u8]) -> Option<String> {
    let mut members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    for (name, value) in &mut members {
        if !TOKEN_MEMBERS.contains(&name.as_str()) {
            *value = REDACTED.into();
        }
    }
    serde_json::to_string(&members).ok()
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    fn header(name: &'static str, value: &str) -> String {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        let map = HeaderMap::from_iter([(name, value)]);
        headers(&map).next().unwrap().1
    }

    #[test]
    fn only_known_headers_have_values() {
        for (name, value, recorded) in [
            ("accept", "application/json", "application/json"),
            ("authorization", "Bearer s3cret", "Bearer REDACTED"),
            ("authorization", "basic czNjcmV0", "basic REDACTED"),
            ("authorization", "s3cret", REDACTED),
            ("authorization", "s3cret s3cret", REDACTED),
            ("proxy-authorization", "Basic s3cret", REDACTED),
            ("cookie", "session=s3cret", REDACTED),
            ("set-cookie", "session=s3cret", REDACTED),
            ("x-api-key", "s3cret", REDACTED),
            ("x-sailpoint-experimental", "true", "true"),
            ("x-sailpoint-token", "s3cret", REDACTED),
            ("referer", "http://localhost/?code=s3cret", REDACTED),
            ("host", "localhost:8080", "localhost:8080"),
            ("host", "[::1]:8080", "[::1]:8080"),
            ("host", "user:s3cret@localhost", "localhost"),
            ("host", "s3cret s3cret", REDACTED),
            ("if-none-match", "s3cret", REDACTED),
            ("accept", "application/json;q=0.5, */*", "application/json;q=0.5, */*"),
            ("accept", "application/json; client_secret=s3cret", REDACTED),
            ("user-agent", "me/1.0 (Api-Key: s3cret)", REDACTED),
            ("user-agent", "me/1.0 client%5Fsecret%3Ds3cret", REDACTED),
            ("content-disposition", "form-data; name=a; password = s3cret", REDACTED),
            ("www-authenticate", "Bearer error=\"invalid_token\"", "Bearer error=\"invalid_token\""),
            ("content-type", "s3cret", REDACTED),
            ("x-total-count", "12", "12"),
            ("x-total-count", "s3cret", REDACTED),
            ("retry-after", "s3cret", REDACTED),
            ("slpt-request-id", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
            ("slpt-request-id", "s3cret", REDACTED),
            ("x-sailpoint-experimental", "s3cret", REDACTED),
            ("location", "https://idp.example/authorize?state=s3cret", "https://idp.example/authorize"),
            ("location", "/page#s3cret", "/page"),
        ] {
            assert_eq!(header(name, value), recorded, "{name}: {value}");
        }
    }

    #[test]
    fn names_of_parameters_stay_and_only_known_ones_have_values() {
        for (given, recorded) in [
            ("", ""),
            ("limit=5&filters=name+sw+%22A%22", "limit=5&filters=name+sw+%22A%22"),
            ("%6Cimit=5", "%6Cimit=5"),
            ("limit=5&client_secret=s3cret&token=", "limit=5&client_secret=REDACTED&token=REDACTED"),
            ("s3cret", REDACTED),
            ("s3cret=&limit=1", "REDACTED&limit=1"),
            ("{\"client_secret\":\"a=b\"}", REDACTED),
            ("client_secret=a=b", "client_secret=REDACTED"),
            ("limit=1&&limit=2", "limit=1&&limit=2"),
        ] {
            assert_eq!(query(given), recorded, "{given}");
        }
        let given = "grant_type=client_credentials&limit=1&client_id=a&scope=sp%3Ascopes%3Aall";
        let recorded = "grant_type=client_credentials&limit=REDACTED&client_id=a&scope=sp%3Ascopes%3Aall";
        assert_eq!(form(given), recorded);
    }

    #[test]
    fn a_secret_in_the_place_of_another_value_or_behind_one_is_not_recorded() {
        for given in [
            "grant_type=client_credentials\nclient_id=me\nclient_secret=s3cret",
            "grant_type=client_credentials;client_secret=s3cret",
            "grant_type=client_credentials%26client_id%3Dme%26client_secret%3Ds3cret",
            "grant_type=s3cret",
            "scope=s3cret",
            "client_id=me%3As3cret",
            "client_id=me;client_secret=s3cret",
            "limit=1;client_secret=s3cret",
            "count=s3cret",
            "locale=s3cret",
            "statuses=all;s3cret",
            "filters=name+sw+%22A%22;client_secret=s3cret",
            "filters=client_secret+s3cret",
        ] {
            assert!(!query(given).contains("s3cret") && !form(given).contains("s3cret"), "{given}");
        }
        assert_eq!(
            query("filters=name+sw+%22A%22&statuses=DEMO,RELEASED"),
            "filters=name+sw+%22A%22&statuses=DEMO,RELEASED"
        );
        assert_eq!([method("PATCH"), method("s3cret")], ["PATCH", REDACTED]);
        assert_eq!(media_type("text/xml; charset=utf-8; token=s3cret"), "text/xml; charset=utf-8");
        assert_eq!(media_type("s3cret s3cret"), REDACTED);
    }

    #[test]
    fn members_that_are_secrets_by_their_names_have_no_values() {
        let given = r#"{"name":"HR","a":[{"client_secret":"s3cret","Api-Key":"s3cret"}],"accessToken":{"b":"s3cret"}}"#;
        assert!(!json(given).unwrap().contains("s3cret") && json(given).unwrap().contains("HR"));
        assert_eq!(json(r#"{ "name": "key" }"#).unwrap(), r#"{ "name": "key" }"#, "it stays as it was sent");
        assert_eq!(json(r#"{"client_secret": "s3cret"#), None);
        for given in [
            r#"[{"op":"replace","path":"/metadata/client-secret","value":"s3cret"}]"#,
            r#"{"client_\u0073ecret":"s3cret"}"#,
        ] {
            assert!(!json(given).unwrap().contains("s3cret"), "{given}");
        }
        assert_eq!(json("<Form/>").unwrap(), "<Form/>");
    }

    #[test]
    fn an_answer_with_a_token_has_none_in_the_record() {
        let answer = br#"{"access_token":"s3cret","expires_in":5,"refresh":{"token":"s3cret"},"scope":"a b"}"#;
        let recorded = token_answer(answer).unwrap();
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        let expected =
            serde_json::json!({"access_token": REDACTED, "expires_in": 5, "refresh": REDACTED, "scope": "a b"});
        assert_eq!(recorded, expected);
        for other in ["", "\"s3cret\"", "[\"s3cret\"]", "{\"access_token\":\"s3cret"] {
            assert_eq!(token_answer(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn bodies_are_recorded_for_the_api_alone() {
        for path in ["/v3/connectors", "/v3/connectors/hr", "/connectors/v1/hr", "/oauth/info"] {
            assert_eq!(Bodies::of(path), Bodies::Both, "{path}");
        }
        for path in ["/v3/connectors/hr/source-config", "/v3/connectors/hr/translations/de"] {
            assert_eq!(Bodies::of(path), Bodies::OfDocuments, "{path}");
        }
        assert_eq!(Bodies::of("/oauth/token"), Bodies::OfTokens);
        for path in ["/", "/clients", "/sign-in", "/v3/connectorsx", "/oauth/token/", "/v3//connectors", "/docs"] {
            assert_eq!(Bodies::of(path), Bodies::Neither, "{path}");
        }
    }
}
