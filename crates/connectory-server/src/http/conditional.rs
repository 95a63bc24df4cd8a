//! Requests that are made on the condition of an entity tag (RFC 9110, section 13; D50 to D52).
//!
//! A handler of a read only adds an [`ETag`] to its response: the service checks the conditions of all reads, because a
//! response that has an entity tag is all that they need. The condition of a change is checked where the change is made:
//! the registry checks it against the very revision that the change replaces.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use connectory_model::limits::{CONDITION_TAGS, QUOTED_CHARS};
use connectory_model::shown;
use connectory_store::RevisionNumber;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::coding::Coding;
use super::error::ApiError;
use super::etag::ETag;

/// The state that a condition is about.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    /// The tag. None for what has no tag of its own besides the revision of its connector.
    pub etag: Option<&'a ETag>,
    /// The revision of the connector. A tag `"<revision>.<hash>"` counts by its revision, whatever was hashed, and the tag
    /// of an answer in any content coding counts. None counts whole tags only.
    pub revision: Option<RevisionNumber>,
    /// Whether `*` stands for it.
    pub exists: bool,
}

impl Current<'_> {
    fn has(&self, tag: &Tag) -> bool {
        let opaque = self.etag.and_then(|etag| etag.0.as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\""));
        opaque == Some(&*tag.opaque)
            || (self.revision.is_some() && (self.revision == tag.revision() || opaque == Some(tag.uncoded())))
    }
}

/// The conditions of a request: `If-Match` and `If-None-Match`. The default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// What a header lists.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`.
    Any,
    /// Tags.
    Listed(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    /// What is between the quotation marks.
    opaque: Box<[u8]>,
}

impl Tag {
    /// The tag that the answer has without its content coding.
    fn uncoded(&self) -> &[u8] {
        let coded = [Coding::Gzip, Coding::Zstd].into_iter().filter_map(Coding::name);
        let start = |name: &str| self.opaque.strip_suffix(name.as_bytes())?.strip_suffix(b"-");
        coded.into_iter().find_map(start).unwrap_or(&self.opaque)
    }

    /// The revision in the tag of a connector.
    fn revision(&self) -> Option<RevisionNumber> {
        let (revision, hash) = std::str::from_utf8(&self.opaque).ok()?.split_once('.')?;
        let is_number = !hash.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
        RevisionNumber::new(revision.parse().ok().filter(|_| is_number)?)
    }
}

impl Condition {
    /// The condition that something still has the tag that a caller read. A text that is no tag is that of nothing.
    pub fn if_match(tag: &str) -> Self {
        let tag = Tag::read(tag.as_bytes()).and_then(|(tag, rest)| rest.is_empty().then_some(tag));
        Self { if_match: Some(Tags::Listed(tag.into_iter().collect())), if_none_match: None }
    }

    /// The condition that nothing is there.
    pub fn if_absent() -> Self {
        Self { if_match: None, if_none_match: Some(Tags::Any) }
    }

    /// The conditions of a change. A header that is not well-formed is refused: a change is never made without the
    /// condition that its caller meant.
    pub fn of_change(headers: &HeaderMap) -> Result<Self, ApiError> {
        let read = |name: HeaderName| {
            Tags::read(headers, &name).map_err(|Malformed| {
                let got = headers.get(&name).map(HeaderValue::as_bytes).unwrap_or_default();
                ApiError::bad_request(format!(
                    "`{}` must be `*`, or at most {CONDITION_TAGS} tags as answers have them in `ETag`, with their quotation \
                     marks and with commas between them; got `{}`",
                    if name == header::IF_MATCH { "If-Match" } else { "If-None-Match" },
                    shown(&String::from_utf8_lossy(got), QUOTED_CHARS)
                ))
            })
        };
        Ok(Self { if_match: read(header::IF_MATCH)?, if_none_match: read(header::IF_NONE_MATCH)? })
    }

    /// The conditions of a read, if it has any. A header that is not well-formed counts as none: the whole answer is right
    /// for every client.
    pub fn of_read(method: &Method, headers: &HeaderMap) -> Option<Box<Self>> {
        // One pass over the names costs less than to look up two.
        let is_given = headers.keys().any(|name| *name == header::IF_NONE_MATCH || *name == header::IF_MATCH);
        if !is_given || !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let read = |name| Tags::read(headers, &name).unwrap_or_default();
        Some(Box::new(Self { if_match: read(header::IF_MATCH), if_none_match: read(header::IF_NONE_MATCH) }))
    }

    /// Refuses a condition of an operation that cannot check one, so that no client believes that it did.
    pub fn expect_none(headers: &HeaderMap) -> Result<(), ApiError> {
        let names = [(header::IF_MATCH, "If-Match"), (header::IF_NONE_MATCH, "If-None-Match")];
        match names.into_iter().find(|(name, _)| headers.contains_key(name)) {
            None => Ok(()),
            Some((_, name)) => {
                Err(ApiError::bad_request(format!("this operation has no condition `{name}`; leave the header out")))
            }
        }
    }

    /// Whether there is no condition.
    pub fn is_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Whether a change of this state may be made.
    pub fn allows(&self, current: Current<'_>) -> bool {
        self.if_match_holds(current) && self.if_none_match_holds(current)
    }

    fn if_match_holds(&self, current: Current<'_>) -> bool {
        self.if_match.as_ref().is_none_or(|tags| tags.have(current, |tag| !tag.is_weak))
    }

    fn if_none_match_holds(&self, current: Current<'_>) -> bool {
        self.if_none_match.as_ref().is_none_or(|tags| !tags.have(current, |_| true))
    }

    /// Whether the answer to a read with this tag has no body, because the client has it already or wants another one.
    pub fn needs_no_body(&self, etag: &ETag) -> bool {
        let current = Current { etag: Some(etag), revision: None, exists: true };
        !self.if_match_holds(current) || !self.if_none_match_holds(current)
    }

    /// Checks the conditions of a read against its response. Makes a 304 of it if the client has it already, and returns
    /// the error if it is not what the client wants.
    pub fn check_read(&self, response: &mut Response) -> Option<ApiError> {
        let etag = response.headers().get(header::ETAG).filter(|_| response.status() == StatusCode::OK)?;
        let etag = ETag(etag.clone());
        let current = Current { etag: Some(&etag), revision: None, exists: true };
        if !self.if_match_holds(current) {
            let text = "this has another tag than `If-Match` asks for";
            return Some(ApiError::precondition_failed(text).with_etag(etag));
        }
        if !self.if_none_match_holds(current) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            // All others are those of the whole answer (RFC 9110, section 15.4.5).
            for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING] {
                response.headers_mut().remove(name);
            }
        }
        None
    }
}

/// The conditions of a change, as [`Condition::of_change`] reads them.
impl<S: Sync> FromRequestParts<S> for Condition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of_change(&parts.headers)
    }
}

/// A header that is neither `*` nor a list of tags, or that has too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

impl Tags {
    /// Whether one of the tags that count is that of a state.
    fn have(&self, current: Current<'_>, counts: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => current.exists,
            Self::Listed(tags) => tags.iter().any(|tag| counts(tag) && current.has(tag)),
        }
    }

    /// Reads a header. Each of several headers of this name has a part of the list.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Malformed> {
        let mut values = headers.get_all(name).iter().peekable();
        if values.peek().is_none() {
            return Ok(None);
        }
        let (mut tags, mut stars) = (Vec::new(), 0);
        for value in values {
            let mut rest = value.as_bytes();
            loop {
                rest = rest.trim_ascii_start();
                rest = match rest {
                    [] => break,
                    // An empty element of a list counts for nothing (RFC 9110, section 5.6.1).
                    [b',', rest @ ..] => rest,
                    [b'*', rest @ ..] => {
                        stars += 1;
                        end_of_element(rest)?
                    }
                    element => {
                        let (tag, rest) = Tag::read(element).ok_or(Malformed)?;
                        if tags.len() == CONDITION_TAGS {
                            return Err(Malformed);
                        }
                        tags.push(tag);
                        end_of_element(rest)?
                    }
                };
            }
        }
        match (stars, tags.is_empty()) {
            (0, false) => Ok(Some(Self::Listed(tags))),
            (1, true) => Ok(Some(Self::Any)),
            _ => Err(Malformed),
        }
    }
}

impl Tag {
    /// Reads the tag at the begin of bytes. Returns the rest, too.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let weak = bytes.strip_prefix(b"W/");
        let quoted = weak.unwrap_or(bytes).strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let opaque = &quoted[..end];
        let is_well_formed = opaque.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..));
        is_well_formed.then(|| (Self { is_weak: weak.is_some(), opaque: opaque.into() }, &quoted[end + 1..]))
    }
}

/// Checks that an element of a list ends here.
fn end_of_element(rest: &[u8]) -> Result<&[u8], Malformed> {
    let rest = rest.trim_ascii_start();
    if rest.is_empty() || rest.starts_with(b",") { Ok(rest) } else { Err(Malformed) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn tags(values: &[&[u8]]) -> Result<Option<Tags>, Malformed> {
        let named = |value: &&[u8]| (header::IF_MATCH, HeaderValue::from_bytes(value).unwrap());
        Tags::read(&values.iter().map(named).collect(), &header::IF_MATCH)
    }

    fn change(name: HeaderName, value: &str) -> Condition {
        Condition::of_change(&[(name, HeaderValue::try_from(value).unwrap())].into_iter().collect()).unwrap()
    }

    fn number(number: i64) -> RevisionNumber {
        RevisionNumber::new(number).unwrap()
    }

    /// Clients keep tags for as long as they like, and other servers must make the same ones.
    #[test]
    fn tags_never_change() {
        assert_eq!(ETag::of("").as_str(), "\"47DEQpj8HBSa-_TImW-5JA\"");
        assert_eq!(ETag::of_revision(number(12), "abc").as_str(), "\"12.ungWv48Bz-pBQUDeXa4iIw\"");
        assert_eq!(ETag::of_digest(super::super::etag::digest("abc")), ETag::of("abc"));
    }

    #[test]
    fn a_star_or_a_list_is_read() {
        let tag = |opaque: &str, is_weak| Tag { is_weak, opaque: opaque.as_bytes().into() };
        assert_eq!(tags(&[]), Ok(None));
        for star in ["*", " * ", ",*,"] {
            assert_eq!(tags(&[star.as_bytes()]), Ok(Some(Tags::Any)), "{star}");
        }
        let list = Ok(Some(Tags::Listed(vec![tag("a", false), tag("b,*", true), tag("", false)])));
        assert_eq!(tags(&[b"\"a\", W/\"b,*\",\"\""]), list);
        assert_eq!(tags(&[b"\"a\"", b" ,\t,W/\"b,*\" ,,", b"\"\""]), list);
        assert_eq!(
            tags(&[b"\"\xe4\""]).unwrap().unwrap(),
            Tags::Listed(vec![Tag { is_weak: false, opaque: [0xe4].into() }])
        );
    }

    #[test]
    fn what_is_not_well_formed_is_refused_for_changes_and_ignored_for_reads() {
        let values = [
            "",
            ",",
            "a",
            "\"a",
            "a\"",
            "w/\"a\"",
            "W\"a\"",
            "W/ \"a\"",
            "\"a\" \"b\"",
            "\"a\"b",
            "\"a b\"",
            "*, \"a\"",
            "*,*",
            "**",
        ];
        for value in values {
            assert_eq!(tags(&[value.as_bytes()]), Err(Malformed), "{value}");
            let headers = [(header::IF_NONE_MATCH, HeaderValue::try_from(value).unwrap())].into_iter().collect();
            let error = Condition::of_change(&headers).unwrap_err();
            assert!(
                error.text.starts_with("`If-None-Match` must be `*`, or at most 100 tags as answers have them"),
                "{}",
                error.text
            );
            assert_eq!(error.status, StatusCode::BAD_REQUEST);
            assert!(Condition::of_read(&Method::GET, &headers).unwrap().is_none(), "{value}");
        }
        assert_eq!(tags(&[b"*", b"*"]), Err(Malformed));
        let list = |count: usize| tags(&[vec!["\"a\""; count].join(",").as_bytes()]);
        assert!(list(100).is_ok() && list(101) == Err(Malformed));
    }

    #[test]
    fn a_connector_counts_by_its_revision_and_a_document_by_its_bytes_too() {
        let etag = ETag::of("document");
        let connector = Current { etag: None, revision: Some(number(12)), exists: true };
        let document = Current { etag: Some(&etag), ..connector };
        let allows = |value: &str, current| change(header::IF_MATCH, value).allows(current);
        for value in ["*", "\"12.a\"", "\"11.a\", \"12.b\""] {
            assert!(allows(value, connector) && allows(value, document), "{value}");
        }
        for value in ["W/\"12.a\"", "\"12\"", "\"12.\"", "\"+12.a\"", "\"112.a\"", "\".a\"", "\"0.a\"", "\"x\""] {
            assert!(!allows(value, connector) && !allows(value, document), "{value}");
        }
        let of_document = Condition::if_match(etag.as_str());
        assert!(of_document.allows(document) && !of_document.allows(connector));
        for text in ["", "*", "\"12.a", "\"12.a\" ", "12.a"] {
            assert!(!Condition::if_match(text).allows(document), "{text}");
        }
        assert!(!allows(&format!("W/{}", etag.as_str()), document));
        let none = |value: &str, current| change(header::IF_NONE_MATCH, value).allows(current);
        assert!(!none("*", document) && none("*", Current { exists: false, ..document }));
        assert!(!none(&format!("W/{}", etag.as_str()), document) && !none("W/\"12.a\"", document));
        assert!(none("\"x\", \"11.a\"", document));
        assert!(Condition::default().is_none() && Condition::default().allows(document));
    }

    proptest! {
        /// A header is read or refused, whatever it is.
        #[test]
        fn any_header_is_read_or_refused(values in prop::collection::vec("[ \t,*W/\"a.1\u{e4}]{0,12}", 0..3)) {
            let values: Vec<_> = values.iter().map(String::as_bytes).collect();
            if let Ok(Some(Tags::Listed(tags))) = tags(&values) {
                prop_assert!(!tags.is_empty());
                prop_assert!(tags.iter().all(|tag| !tag.opaque.contains(&b'"') && !tag.opaque.contains(&b' ')));
            }
        }

        /// A list is read as it was written, however it is spaced and cut.
        #[test]
        fn a_list_is_read_as_it_was_written(
            list in prop::collection::vec((any::<bool>(), "[!#-~\u{e4}]{0,6}", "[ \t]{0,2},[ ,]{0,2}", any::<bool>()), 1..5),
        ) {
            let (mut values, mut expected) = (vec![String::new()], Vec::new());
            for (is_weak, opaque, space, is_cut) in list {
                let value = values.last_mut().unwrap();
                write!(value, "{}\"{opaque}\"{space}", if is_weak { "W/" } else { "" }).unwrap();
                if is_cut {
                    values.push(String::new());
                }
                expected.push(Tag { is_weak, opaque: opaque.into_bytes().into() });
            }
            let values: Vec<_> = values.iter().map(String::as_bytes).collect();
            prop_assert_eq!(tags(&values), Ok(Some(Tags::Listed(expected))));
        }
    }
}
