//! Content codings of answers (RFC 9110, section 8.4; D80): which one a client accepts, and how bytes are compressed.
//!
//! Only the answers of the Connectors API and of its extensions are compressed. They have no secrets. An answer that has a
//! secret and something that others can choose would tell the secret by its length when it is compressed (BREACH), so
//! tokens and the console's pages never are.

use std::convert::Infallible;
use std::io::{self, Write as _};

use axum::extract::FromRequestParts;
use bytes::Bytes;
use connectory_model::limits::{CODED_BYTES, ZSTD_WINDOW_LOG};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

/// The level of gzip: half as fast as the fastest one, and nearly as small as the default.
const GZIP_LEVEL: u32 = 4;

/// A content coding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The bytes as they are.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// The name in `Content-Encoding`. None for the bytes as they are.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// Compresses bytes. The same bytes always become the same.
    pub fn encode(self, bytes: &Bytes) -> Bytes {
        let coded = match self {
            Self::Identity => return bytes.clone(),
            Self::Gzip => {
                let into = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = gzip(into);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Zstd => zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL).and_then(|mut encoder| {
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                encoder.compress(bytes)
            }),
        };
        // The boxed slice returns the unused rest: what is cached counts by its length.
        coded.expect("memory takes all that is written").into_boxed_slice().into()
    }
}

/// A compressor with gzip.
pub fn gzip<W: io::Write>(into: W) -> GzEncoder<W> {
    GzEncoder::new(into, Compression::new(GZIP_LEVEL))
}

/// What a client accepts (RFC 9110, section 12.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    coding: Coding,
    /// Whether the bytes as they are are refused, so that small answers are compressed too.
    not_plain: bool,
}

impl Accepted {
    /// A client that asks for no coding.
    pub const PLAIN: Self = Self { coding: Coding::Identity, not_plain: false };

    /// Reads `Accept-Encoding`. Of the codings with the largest weight, zstd is taken before gzip, and both before none.
    /// `*` stands for gzip, which every client knows. A client that refuses all that there is gets the bytes as they are.
    pub fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            return Self::PLAIN;
        }
        let [mut gzip, mut zstd, mut identity, mut any] = [None; 4];
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let weight = match parts.next_back().filter(|part| part.contains(&b'=')) {
                    Some(part) => weight(part),
                    None => Some(1000),
                };
                let name = element.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let of = match name {
                    b"*" => &mut any,
                    name if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => &mut gzip,
                    name if name.eq_ignore_ascii_case(b"zstd") => &mut zstd,
                    name if name.eq_ignore_ascii_case(b"identity") => &mut identity,
                    _ => continue,
                };
                *of = weight.or(*of);
            }
        }
        // What is refused is not meant by `*`.
        let any_zstd = if gzip == Some(0) { any } else { None };
        let (gzip, zstd) = (gzip.or(any).unwrap_or(0), zstd.or(any_zstd).unwrap_or(0));
        let not_plain = identity.or(any) == Some(0);
        // Without a weight of its own, no coding is as good as the least one that is accepted.
        let plain = identity.unwrap_or(0);
        let coding = match zstd.max(gzip) {
            0 => return Self::PLAIN,
            best if plain > best => Coding::Identity,
            best if zstd == best => Coding::Zstd,
            _ => Coding::Gzip,
        };
        Self { coding, not_plain }
    }

    /// The coding of an answer with so many bytes. A small one is not worth it.
    pub fn of_size(self, bytes: usize) -> Coding {
        if bytes >= CODED_BYTES || (self.not_plain && bytes > 0) { self.coding } else { Coding::Identity }
    }

    /// The coding of large answers.
    pub fn coding(self) -> Coding {
        self.coding
    }
}

/// What the client of a request accepts.
impl<S: Sync> FromRequestParts<S> for Accepted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Reads the weight of a coding in thousandths: `q=` and a number from 0 to 1.
fn weight(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    let weight = value.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1")]
    name.trim().eq_ignore_ascii_case("q").then_some((weight * 1000.0) as u16)
}

/// Names the coding of an answer in its head, and that other clients get it in another one.
pub fn name_coding(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_with_the_largest_weight_is_taken() {
        let of = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
            Accepted::of(&headers.collect())
        };
        for (values, coding) in [
            (&[][..], Coding::Identity),
            (&[""], Coding::Identity),
            (&["identity"], Coding::Identity),
            (&["br, deflate"], Coding::Identity),
            (&["gzip"], Coding::Gzip),
            (&["X-GZIP"], Coding::Gzip),
            (&["gzip, deflate, br, zstd"], Coding::Zstd),
            (&["gzip", "zstd"], Coding::Zstd),
            (&["gzip;q=1.0, zstd;q=0.9"], Coding::Gzip),
            (&["gzip ; Q=0.5 , zstd;q=0"], Coding::Gzip),
            (&["gzip;q=0"], Coding::Identity),
            (&["gzip;q=0.000"], Coding::Identity),
            (&["gzip;q=0.001"], Coding::Gzip),
            (&["gzip;q=2"], Coding::Identity),
            (&["gzip;q=x"], Coding::Identity),
            (&["gzip;q=NaN"], Coding::Identity),
            (&["*"], Coding::Gzip),
            (&["*;q=0"], Coding::Identity),
            (&["gzip;q=0, *"], Coding::Zstd),
            (&["gzip;q=0.5, identity"], Coding::Identity),
            (&["gzip, identity"], Coding::Gzip),
            (&["identity;q=0.5, *;q=0"], Coding::Identity),
            (&["gzip, *;q=0"], Coding::Gzip),
        ] {
            assert_eq!(of(values).of_size(CODED_BYTES), coding, "{values:?}");
        }
        for (value, coding) in [
            ("gzip", Coding::Identity),
            ("gzip, identity;q=0", Coding::Gzip),
            ("gzip, *;q=0", Coding::Gzip),
            ("identity;q=0", Coding::Identity),
        ] {
            assert_eq!(of(&[value]).of_size(CODED_BYTES - 1), coding, "{value}");
            assert_eq!(of(&[value]).of_size(0), Coding::Identity, "{value}: there is nothing to compress");
        }
    }
}
