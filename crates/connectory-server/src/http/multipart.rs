//! The heads of multipart bodies as clients write them (RFC 2046, 2183, 5987 and 7578; D85): names in any case, values with and
//! without quotation marks, parameters in any order.

use bytes::Bytes;
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// The boundary of a form, if a content type is that of one.
pub fn boundary(content_type: &str) -> Option<String> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = Parameters::of(content_type).find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    found.map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The name of a part.
pub fn part_name(headers: &HeaderMap) -> Option<String> {
    named(headers, "name")
}

/// The name of the file of a part.
pub fn file_name(headers: &HeaderMap) -> Option<String> {
    named(headers, "filename")
}

/// A parameter of a part's disposition. An extended one (RFC 5987), which is in its own encoding, comes before the plain one.
fn named(headers: &HeaderMap, parameter: &str) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::CONTENT_DISPOSITION)?.as_bytes());
    let mut plain = None;
    for (name, value) in Parameters::of(&value) {
        if name.strip_suffix('*').is_some_and(|name| name.eq_ignore_ascii_case(parameter))
            && let Some(text) = extended(&value)
        {
            return Some(text);
        }
        if name.eq_ignore_ascii_case(parameter) && plain.is_none() {
            plain = Some(value);
        }
    }
    plain
}

/// Reads an extended value: a character encoding, a language, and percent-encoded bytes.
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (encoding, _language, bytes) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = percent_decode_str(bytes);
    if encoding.eq_ignore_ascii_case("utf-8") {
        return bytes.decode_utf8().ok().map(Into::into);
    }
    encoding.eq_ignore_ascii_case("iso-8859-1").then(|| bytes.map(char::from).collect())
}

/// The parameters of a header's value: names and values.
struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    fn of(value: &'a str) -> Self {
        Self(value.find(';').map_or("", |start| &value[start..]))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(|c: char| c == ';' || c.is_ascii_whitespace());
        let (name, rest) = rest.split_at(rest.find(['=', ';']).unwrap_or(rest.len()));
        let rest = rest.strip_prefix('=').unwrap_or_default().trim_ascii_start();
        let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let (value, rest) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
            (value.trim_ascii_end().to_owned(), rest)
        };
        self.0 = rest.find(';').map_or("", |start| &rest[start..]);
        let name = name.trim_ascii_end();
        (!name.is_empty()).then_some((name, value))
    }
}

/// Reads up to the closing quotation mark. Returns the rest, too. Browsers before 2021 sent backslashes in the names of files
/// as they are, so only those before a quotation mark and a backslash count.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// Unfolds the heads of parts while a body passes (RFC 822, section 3.1.1): a line that begins with white space goes on with the
/// line before it.
pub struct Unfolding {
    /// A line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// How many bytes of the delimiter have passed just now.
    matched: usize,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Within the content of a part, or before the first one.
    Content,
    /// Behind a delimiter, in its line.
    Delimiter,
    /// At the begin of a head.
    Start,
    /// Within a line of a head.
    Head,
    /// Behind the carriage return of a line of a head.
    Return,
    /// Behind a line break of a head, which has not passed yet.
    Break,
}

impl Unfolding {
    /// Unfolds a body with this boundary.
    pub fn new(boundary: &str) -> Self {
        // The first delimiter has no line break before it.
        Self { delimiter: format!("\r\n--{boundary}").into_bytes(), matched: 2, place: Place::Content }
    }

    /// Passes a piece of the body on.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        let mut out: Option<Vec<u8>> = None;
        let mut rest = &piece[..];
        while let Some((&byte, after)) = rest.split_first() {
            let at = piece.len() - rest.len();
            rest = after;
            match self.place {
                Place::Content if byte == self.delimiter[self.matched] => {
                    self.matched += 1;
                    if self.matched == self.delimiter.len() {
                        (self.place, self.matched) = (Place::Delimiter, 0);
                    }
                }
                // A carriage return is only at the begin of a delimiter.
                Place::Content => self.matched = usize::from(byte == b'\r'),
                Place::Delimiter if byte == b'\n' => self.place = Place::Start,
                // The last delimiter ends in two hyphens, and other text means that this is none.
                Place::Delimiter if byte == b'\r' || byte == b' ' || byte == b'\t' => {}
                Place::Delimiter => (self.place, self.matched) = (Place::Content, 0),
                // A head without a line: its end may be the begin of a delimiter.
                Place::Start if byte == b'\r' => (self.place, self.matched) = (Place::Content, 1),
                Place::Start => self.place = Place::Head,
                Place::Head if byte == b'\r' => {
                    self.place = Place::Return;
                    // It passes when it is known whether the next line goes on with this one.
                    out.get_or_insert_with(|| piece[..at].to_vec());
                    continue;
                }
                Place::Head => {}
                Place::Return if byte == b'\n' => {
                    self.place = Place::Break;
                    out.get_or_insert_with(|| piece[..at].to_vec());
                    continue;
                }
                Place::Return => {
                    self.place = Place::Head;
                    out.get_or_insert_with(|| piece[..at].to_vec()).push(b'\r');
                }
                Place::Break => {
                    let out = out.get_or_insert_with(|| piece[..at].to_vec());
                    match byte {
                        b' ' | b'\t' => self.place = Place::Head,
                        b'\r' => {
                            // The empty line at the end of the head may be the begin of a delimiter.
                            out.extend(b"\r\n");
                            (self.place, self.matched) = (Place::Content, 1);
                        }
                        _ => {
                            out.extend(b"\r\n");
                            self.place = Place::Head;
                        }
                    }
                }
            }
            if let Some(out) = &mut out {
                out.push(byte);
            }
        }
        out.map_or(piece, Into::into)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn boundaries_are_read_as_clients_write_them() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=b", Some("b")),
            ("Multipart/Form-Data;Boundary=b;", Some("b")),
            ("multipart/form-data; charset=utf-8; boundary=\"a b:c\"", Some("a b:c")),
            ("multipart/form-data; boundary=----=_Part_1_2.3", Some("----=_Part_1_2.3")),
            ("multipart/form-data; boundary = b ; charset=utf-8", Some("b")),
            ("multipart/form-data; x=\";boundary=c\"; boundary=b", Some("b")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=b", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
        }
    }

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (disposition, expected) in [
            ("form-data; name=\"file\"", Some("file")),
            ("form-data; name=file", Some("file")),
            ("Form-Data;NAME=\"file\";filename=x", Some("file")),
            ("form-data ; name = \"file\" ; filename=x", Some("file")),
            ("form-data; filename=\"a; name=b.xml\"; name=\"file\"", Some("file")),
            ("form-data; filename=\"C:\\dir\\\"; name=\"file\"", None),
            ("form-data; filename=\"a\\\"; name=b\"; name=file", Some("file")),
            ("form-data; filename*=UTF-8''Gr%C3%B6%C3%9Fe.xml; name=file", Some("file")),
            ("form-data; name=\"f\\\"i\\\\le\"", Some("f\"i\\le")),
            ("form-data; name=x; name*=utf-8'en'f%69le", Some("file")),
            ("form-data; name*=iso-8859-1''%E4", Some("ä")),
            ("form-data; name*=koi8-r''%C1; name=file", Some("file")),
            ("form-data; name=\"Größe\"", Some("Größe")),
            ("attachment; name=file", Some("file")),
            ("form-data; filename=file", None),
            ("form-data; name=\"\"", Some("")),
        ] {
            let value = HeaderValue::from_bytes(disposition.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value)]);
            assert_eq!(part_name(&headers).as_deref(), expected, "{disposition}");
        }
        let value = HeaderValue::from_static("form-data; name=file; filename=\"hr/translations/de.properties\"");
        let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value)]);
        assert_eq!(file_name(&headers).as_deref(), Some("hr/translations/de.properties"));
    }

    #[test]
    fn heads_are_unfolded_and_contents_stay_as_they_are() {
        let content = "\r\n x\r\n\ty\r\n--bad\r\n z\r\r\n\r\n--b x\r\n q\r\n";
        let body = |fold: &str| {
            format!("--b\r\nA: 1;{fold} n=f;{fold}\tm\r\nB: 2\r\n\r\n{content}\r\n--b\r\n\r\n w\r\n--b--\r\n n\r\n")
        };
        for size in 1..body("\r\n").len() {
            let mut unfolding = Unfolding::new("b");
            let body_folded = body("\r\n");
            let pieces = body_folded.as_bytes().chunks(size);
            let passed: Vec<u8> =
                pieces.flat_map(|piece| unfolding.pass(Bytes::copy_from_slice(piece)).to_vec()).collect();
            assert_eq!(String::from_utf8(passed).unwrap(), body(""), "{size}");
        }
    }
}
