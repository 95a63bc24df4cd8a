//! An entry of the record: a request and its answer in the words of HAR 1.2, without secrets.
//!
//! What begins with an underscore is not in HAR 1.2. Readers of HAR ignore it, and browsers write the same names.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use har::v1_2::{Content, Entries, Headers, PostData, QueryString, Request, Response, Timings};
use http::{HeaderMap, Method, header};
use serde::Serialize;
use url::form_urlencoded;

use super::exchange::{Answer, End, Exchange, Passed};
use super::secrets::{self, Bodies};

/// A size that nobody knows (HAR 1.2).
const NOT_KNOWN: i64 = -1;

/// An entry.
#[derive(Serialize)]
pub struct Entry {
    #[serde(flatten)]
    exchange: Entries,
    /// The tracking id, which the log has too.
    #[serde(rename = "_requestId", skip_serializing_if = "Option::is_none")]
    tracking_id: Option<String>,
    /// Why the answer did not arrive, or not whole.
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Entry {
    /// Makes the entry of a request and its answer.
    pub fn of(exchange: &Exchange) -> Self {
        let bodies = Bodies::of(exchange.uri.path());
        let answer = exchange.answer.as_ref();
        let took = exchange.took.unwrap_or_default();
        let wait = answer.map_or(took, |answer| answer.after);
        let request = request(exchange, bodies);
        // The text of an error may quote what is wrong.
        let may_quote =
            answer.is_some_and(|answer| answer.status.as_u16() >= 400) && has_redacted(exchange, &request, bodies);
        let entry = Entries {
            started_date_time: exchange.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            time: milliseconds(took),
            request,
            response: match answer {
                Some(answer) if !answer.is_dropped => response(answer, exchange, bodies, may_quote),
                _ => nothing(),
            },
            timings: Timings {
                wait: milliseconds(wait),
                receive: milliseconds(took.saturating_sub(wait)),
                ..Timings::default()
            },
            ..Entries::default()
        };
        let tracking_id = answer.and_then(|answer| value(&answer.headers, "slpt-request-id"));
        Self { exchange: entry, tracking_id, error: error(exchange) }
    }
}

fn request(exchange: &Exchange, bodies: Bodies) -> Request {
    let Exchange { method, uri, version, headers, sent, .. } = exchange;
    // HTTP/2 has the host in the address, HTTP/1 in a header.
    let host = match uri.authority() {
        Some(authority) => secrets::host(authority.as_str()),
        None => {
            value(headers, header::HOST.as_str()).map_or_else(|| "localhost".to_owned(), |host| secrets::host(&host))
        }
    };
    let query = uri.query().map(secrets::query);
    let mark = if query.is_some() { "?" } else { "" };
    let url = format!("http://{host}{}{mark}{}", uri.path(), query.as_deref().unwrap_or_default());
    let pairs = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).into_owned();
    let size = sent.as_ref().map_or(NOT_KNOWN, size);
    let mime_type = value(headers, header::CONTENT_TYPE.as_str()).map(|value| secrets::media_type(&value));
    Request {
        method: secrets::method(method.as_str()).to_owned(),
        url,
        http_version: format!("{version:?}"),
        headers: recorded_headers(headers),
        query_string: pairs.map(|(name, value)| QueryString { name, value, comment: None }).collect(),
        post_data: sent.as_ref().filter(|sent| sent.size > 0 || mime_type.is_some()).map(|sent| {
            let mime_type = mime_type.unwrap_or_default();
            let recorded = request_body(sent, bodies, &mime_type);
            let mut comment = recorded.comment;
            match &sent.end {
                End::Whole => {}
                End::Unread => comment.push(format!("the server read {} bytes of it and no more", sent.size)),
                End::Cut(error) => comment.push(format!("it broke off after {} bytes: {error}", sent.size)),
            }
            if recorded.is_base64 {
                comment.push("the text is Base64 of the bytes".to_owned());
            }
            PostData { mime_type, text: recorded.text, params: None, comment: joined(&comment) }
        }),
        headers_size: NOT_KNOWN,
        body_size: size,
        ..Request::default()
    }
}

fn response(answer: &Answer, exchange: &Exchange, bodies: Bodies, may_quote: bool) -> Response {
    let Answer { status, headers, body, .. } = answer;
    let mime_type = value(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let recorded = body.as_ref().map(|body| answer_body(body, bodies, may_quote)).unwrap_or_default();
    let size = body.as_ref().map_or(NOT_KNOWN, size);
    let headers = recorded_headers(headers);
    let location = headers.iter().find(|header| header.name == header::LOCATION.as_str());
    Response {
        status: status.as_u16().into(),
        status_text: status.canonical_reason().unwrap_or_default().to_owned(),
        http_version: format!("{:?}", exchange.version),
        redirect_url: Some(location.map(|location| location.value.clone()).unwrap_or_default()),
        headers,
        content: Content {
            size: size.max(0),
            mime_type: Some(mime_type),
            encoding: recorded.is_base64.then(|| "base64".to_owned()),
            text: recorded.text,
            comment: joined(&recorded.comment),
            compression: None,
        },
        headers_size: NOT_KNOWN,
        body_size: size,
        ..Response::default()
    }
}

/// The response of an entry without an answer.
fn nothing() -> Response {
    let content = Content { mime_type: Some(String::new()), ..Content::default() };
    let redirect_url = Some(String::new());
    Response { content, redirect_url, headers_size: NOT_KNOWN, body_size: NOT_KNOWN, ..Response::default() }
}

/// Why the answer did not arrive, or not whole.
fn error(exchange: &Exchange) -> Option<String> {
    let Some(answer) = &exchange.answer else {
        return Some("the connection ended before the answer".to_owned());
    };
    if answer.is_dropped {
        return Some("the server ended the connection instead of answering".to_owned());
    }
    match answer.body.as_ref().map(|body| (&body.end, body.size)) {
        Some((End::Whole, _)) => None,
        // The body of the answer to HEAD is not sent.
        _ if exchange.method == Method::HEAD => None,
        Some((End::Cut(error), size)) => Some(format!("the answer was cut after {size} bytes: {error}")),
        Some((End::Unread, size)) => Some(format!("the connection ended after {size} bytes of the answer")),
        None => Some("the connection ended before the body of the answer".to_owned()),
    }
}

/// What is recorded of a body.
#[derive(Default)]
struct Recorded {
    text: Option<String>,
    is_base64: bool,
    comment: Vec<String>,
}

impl Recorded {
    fn text(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    fn left_out(why: &str) -> Self {
        Self { comment: vec![format!("left out: {why}")], ..Self::default() }
    }
}

const NOT_OF_THE_API: &str = "only the bodies of the API are recorded";
const CODED: &str = "it is compressed, and is not whole, not readable or too large to be recorded";

fn request_body(body: &Passed, bodies: Bodies, mime_type: &str) -> Recorded {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    match bodies {
        _ if body.size == 0 => Recorded::text(String::new()),
        Bodies::Neither => Recorded::left_out(NOT_OF_THE_API),
        _ if body.is_coded => Recorded::left_out(CODED),
        // A form is a token request, even if it is sent to a wrong path.
        _ if is_form => with_rest(Recorded::text(secrets::form(&String::from_utf8_lossy(&body.bytes))), body),
        Bodies::OfTokens => Recorded::left_out("only as a form is a token request recorded without its secret"),
        Bodies::Both | Bodies::OfDocuments => as_sent(body, bodies),
    }
}

/// Whether something of a request that an error may quote is not recorded: the method, the address, the host, the content
/// type or the body.
fn has_redacted(exchange: &Exchange, recorded: &Request, bodies: Bodies) -> bool {
    let Exchange { method, uri, headers, .. } = exchange;
    let is_other = |given: &str, recorded: &str| given != recorded;
    is_other(method.as_str(), secrets::method(method.as_str()))
        || uri.query().is_some_and(|query| is_other(query, &secrets::query(query)))
        || uri.authority().is_some_and(|host| is_other(host.as_str(), &secrets::host(host.as_str())))
        || headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let without_spaces = |text: &str| text.replace(' ', "");
            is_other(&without_spaces(&value), &without_spaces(&secrets::media_type(&value)))
        })
        || recorded.post_data.as_ref().is_some_and(|sent| {
            matches!(bodies, Bodies::Both | Bodies::OfDocuments)
                && sent.text.as_ref().is_none_or(|text| text.contains(secrets::REDACTED))
        })
        || headers.get_all(header::HOST).iter().any(|host| {
            let host = String::from_utf8_lossy(host.as_bytes());
            is_other(&host, &secrets::host(&host))
        })
}

fn answer_body(body: &Passed, bodies: Bodies, may_quote: bool) -> Recorded {
    match bodies {
        _ if body.size == 0 => Recorded::text(String::new()),
        Bodies::Neither => Recorded::left_out(NOT_OF_THE_API),
        _ if body.is_coded => Recorded::left_out(CODED),
        // What is left of an error has no texts, like that of a token request.
        _ if may_quote => secrets::token_answer(&body.bytes)
            .map_or_else(|| Recorded::left_out("it may quote what is not recorded of the request"), Recorded::text),
        Bodies::OfTokens => secrets::token_answer(&body.bytes)
            .map_or_else(|| Recorded::left_out("it is no whole JSON object, and may have a token"), Recorded::text),
        Bodies::Both | Bodies::OfDocuments => as_sent(body, bodies),
    }
}

/// Text as it is, and other bytes as Base64.
fn as_sent(body: &Passed, bodies: Bodies) -> Recorded {
    let bytes = &body.bytes;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // The last character is not whole, because the rest is not recorded or did not pass.
        Err(error) if error.error_len().is_none() && (is_shortened(body) || body.end != End::Whole) => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let recorded = match text {
        Some(text) => match secrets::json(text) {
            Some(text) => Recorded::text(text.into_owned()),
            None if bodies == Bodies::OfDocuments => Recorded::text(text.to_owned()),
            None => Recorded::left_out("it is no whole JSON, and may have a secret"),
        },
        None => Recorded { is_base64: true, ..Recorded::text(BASE64_STANDARD.encode(bytes)) },
    };
    with_rest(recorded, body)
}

fn is_shortened(body: &Passed) -> bool {
    (body.bytes.len() as u64) < body.size
}

/// Says if a part of the body is not recorded.
fn with_rest(mut recorded: Recorded, body: &Passed) -> Recorded {
    if is_shortened(body) {
        recorded.comment.push(format!("only the first {} of {} bytes are recorded", body.bytes.len(), body.size));
    }
    recorded
}

fn recorded_headers(headers: &HeaderMap) -> Vec<Headers> {
    let recorded = secrets::headers(headers);
    recorded.map(|(name, value)| Headers { name: name.to_owned(), value, comment: None }).collect()
}

fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn size(body: &Passed) -> i64 {
    i64::try_from(body.size).unwrap_or(i64::MAX)
}

fn joined(comment: &[String]) -> Option<String> {
    (!comment.is_empty()).then(|| comment.join("; "))
}

/// A time in milliseconds, to a thousandth.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
