//! `Idempotency-Key`: a client that got no answer repeats its request with the same key, and the server does it once (D44).
//!
//! The store notes the key in the transaction of the commit. The answer to a repeat is made anew, from the revision that
//! the first request made. A request that commits nothing leaves no trace, so its repeat is done anew.

use std::pin::Pin;

use axum::response::Response;
use bytes::Bytes;
use connectory_model::limits::{IDEMPOTENCY_KEY_CHARS, ONCE_KEPT};
use connectory_store::{Done, Once, RevisionId, TenantId};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::http::IDEMPOTENCY_KEY;
use crate::http::error::ApiError;
use crate::state::ServerState;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The header of an answer with a token. It says for how many seconds this server keeps keys. So a client knows before
/// its first change whether it may repeat one.
const KEYS_KEPT: HeaderName = HeaderName::from_static("connectory-idempotency-key");

/// The header, as it is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Request::read` reads")]
pub struct IdempotencyKey {
    /// Extension: a new random text for each change, such as a UUID, with or without quotation marks. For a day, a request
    /// with the same key is a repeat: it changes nothing, and is answered as the first one.
    #[param(
        rename = "Idempotency-Key",
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324",
        min_length = 1,
        max_length = 255
    )]
    idempotency_key: Option<String>,
}

/// The answer of an operation, and whether the operation committed something.
pub enum Outcome {
    /// The operation committed a revision.
    Committed(Response),
    /// There was nothing to commit.
    Nothing(Response),
}

impl Outcome {
    fn response(self) -> Response {
        match self {
            Self::Committed(response) | Self::Nothing(response) => response,
        }
    }
}

/// Reads the key of a request and what else tells the request from others. None if the request has no key.
pub async fn read(server: &ServerState, caller: &Caller, head: &Parts, body: &Bytes) -> Result<Option<Once>, ApiError> {
    let Some(key) = key(&head.headers)? else { return Ok(None) };
    let author = caller.author();
    let key = hash([author.kind.as_str().as_bytes(), author.id.as_bytes(), &key]);
    let content_type = head.headers.get(http::header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // The path in `head` is the one below that of the version.
    let (base, path) = (caller.version().base.as_bytes(), head.uri.path().as_bytes());
    let request = [head.method.as_str().as_bytes(), base, path, content_type].map(<[u8]>::to_vec);
    let content = body.clone();
    let fingerprint = move |_: &_| {
        let [method, base, path, content_type] = &request;
        hash([method, base, path, content_type, &content])
    };
    let fingerprint = Box::pin(server.work.run(body.len(), fingerprint)).await?;
    let now = i64::try_from(server.options.clock.unix_seconds()).unwrap_or(i64::MAX);
    Ok(Some(Once { key, fingerprint, at: now.saturating_mul(1000) }))
}

/// Does an operation, unless a request with the same key did it. Then `repeat` makes the answer from the first revision
/// that it made and the number of its revisions. The caller pins the operation, so that it is not copied; the rest is in boxes, because most requests have no key.
pub async fn respond(
    server: &ServerState,
    caller: &Caller,
    once: Option<Once>,
    operation: Pin<&mut impl Future<Output = Result<Outcome, ApiError>>>,
    repeat: impl AsyncFnOnce(RevisionId, usize) -> Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    match once {
        None => operation.await.map(Outcome::response),
        Some(once) => Box::pin(respond_once(server, caller, once, operation, repeat)).await,
    }
}

async fn respond_once(
    server: &ServerState,
    caller: &Caller,
    once: Once,
    operation: Pin<&mut impl Future<Output = Result<Outcome, ApiError>>>,
    repeat: impl AsyncFnOnce(RevisionId, usize) -> Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    let tenant = caller.tenant().id();
    if let Some(done) = server.store.done(tenant, once).await? {
        return again(server, done, once, tenant, repeat).await;
    }
    let outcome = operation.await;
    let may_be_done = match &outcome {
        Ok(Outcome::Committed(_)) => false,
        Ok(Outcome::Nothing(_)) => true,
        Err(error) => error.status.is_client_error(),
    };
    // Another request with this key may have ended meanwhile, so that this one has nothing to do or is refused.
    match if may_be_done { server.store.done(tenant, once).await? } else { None } {
        Some(done) => again(server, done, once, tenant, repeat).await,
        None => outcome.map(Outcome::response),
    }
}

/// Answers a repeat of a request, or refuses another request with the same key.
async fn again(
    server: &ServerState,
    done: Done,
    once: Once,
    tenant: TenantId,
    repeat: impl AsyncFnOnce(RevisionId, usize) -> Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    // The process that did it may not know yet whether it is kept.
    server.store.confirm(tenant).await?;
    if done.fingerprint != once.fingerprint {
        return Err(ApiError::unprocessable(
            "this `Idempotency-Key` was sent with another request in the last day: use a new key for each change, and \
             send a repeat exactly as the first request, with the same method, path, content type and body",
        ));
    }
    let number = done.numbers.first().copied().ok_or_else(|| ApiError::internal("a key without a revision"))?;
    let mut response = repeat(RevisionId { tenant, number }, done.numbers.len()).await?;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Says in an answer with a token that this server does a request with a key once.
pub fn offer(response: &mut Response) {
    response.headers_mut().insert(KEYS_KEPT, HeaderValue::from(ONCE_KEPT.as_secs()));
}

/// Reads the key in the headers: a string of structured fields (RFC 9651), or the text alone, as most clients send it.
fn key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, ApiError> {
    let malformed = || {
        ApiError::bad_request(format!(
            "the header `Idempotency-Key` must be there once, with 1 to {IDEMPOTENCY_KEY_CHARS} visible ASCII \
             characters, with or without quotation marks around them, such as a UUID"
        ))
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.as_bytes();
    let key = match text.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\"").and_then(unescaped).ok_or_else(malformed)?,
        None => text.to_vec(),
    };
    let is_well_formed = (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if is_well_formed && values.next().is_none() { Ok(Some(key)) } else { Err(malformed()) }
}

/// Reads what is between the quotation marks of a string of structured fields.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter().copied();
    let mut key = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        key.push(match byte {
            b'"' => return None,
            b'\\' => bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?,
            other => other,
        });
    }
    Some(key)
}

/// Hashes values with their lengths, so that other values of the same bytes have another hash.
fn hash<const N: usize>(values: [&[u8]; N]) -> [u8; 32] {
    let hashed =
        |hasher: Sha256, value: &[u8]| hasher.chain_update((value.len() as u64).to_be_bytes()).chain_update(value);
    values.into_iter().fold(Sha256::new(), hashed).finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<Vec<u8>>, ApiError> {
        let named = |value: &&[u8]| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        key(&values.iter().map(named).collect())
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotation_marks() {
        assert_eq!(read(&[]).unwrap(), None);
        let longest = "x".repeat(255);
        for (value, key) in [
            ("a-1", "a-1"),
            ("\"a-1\"", "a-1"),
            ("\"a\\\"\\\\\"", "a\"\\"),
            ("a\"b", "a\"b"),
            ("a\\b", "a\\b"),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            assert_eq!(read(&[value.as_bytes()]).unwrap().unwrap(), key.as_bytes(), "{value}");
        }
    }

    #[test]
    fn a_malformed_key_is_refused_with_what_would_be_right() {
        let too_long = "x".repeat(256);
        let values = [
            "",
            "\"",
            "\"\"",
            "\"a",
            "\"a\"b\"",
            "\"a\\\"",
            "\"a\\b\"",
            "\"a\";b=1",
            "a b",
            "\"a b\"",
            "a\tb",
            "ä",
            &too_long,
        ];
        for value in values {
            let error = read(&[value.as_bytes()]).unwrap_err();
            assert_eq!(error.status.as_u16(), 400, "{value}");
            assert!(
                error.text.contains("must be there once, with 1 to 255 visible ASCII characters"),
                "{}",
                error.text
            );
        }
        assert!(read(&[b"a", b"a"]).is_err());
    }

    #[test]
    fn values_that_are_cut_elsewhere_have_another_hash() {
        assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
        assert_eq!(hash([b"ab", b"c"]), hash([b"ab", b"c"]));
    }
}
