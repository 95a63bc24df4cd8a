//! Rules of XML 1.0 and of its namespaces that the parser of the tree does not check. A document that breaks them would be
//! refused by strict parsers, such as those of Java, long after it was stored.

use memchr::memmem;
use quick_xml::events::{BytesDecl, BytesPI, BytesStart, Event};

use crate::limits::QUOTED_CHARS;
use crate::shown;

/// What is wrong, and how many bytes after the beginning of its event.
type Wrong = (usize, String);

/// Checks an event.
pub(super) fn check(event: &Event<'_>) -> Result<(), Wrong> {
    match event {
        Event::Start(tag) | Event::Empty(tag) => check_tag(tag),
        Event::GeneralRef(reference) => check_reference(reference).map_err(|reason| (0, reason)),
        Event::Decl(declaration) => check_declaration(declaration).map_err(|reason| (0, reason)),
        Event::PI(instruction) => check_instruction(instruction).map_err(|reason| (0, reason)),
        _ => Ok(()),
    }
}

/// Checks the references and the declarations of namespaces in a tag.
fn check_tag(tag: &BytesStart<'_>) -> Result<(), Wrong> {
    for at in memmem::find_iter(tag.as_bytes(), "&#") {
        let name = &tag[at + 1..];
        check_reference(&name[..name.find(';').unwrap_or(name.len())]).map_err(|reason| (at + 1, reason))?;
    }
    let Some(first) = memmem::find(tag.as_bytes(), b"xmlns:") else { return Ok(()) };
    for attribute in tag.attributes().with_checks(false).flatten() {
        let reason = match attribute.key.as_ref().strip_prefix("xmlns:") {
            Some("xmlns") => "`xmlns` declares namespaces; take another prefix".to_owned(),
            Some(prefix) if attribute.value.is_empty() => {
                let prefix = shown(prefix, QUOTED_CHARS);
                format!("the prefix `{prefix}` has no namespace; expected `xmlns:{prefix}=\"…\"` with a URI")
            }
            _ => continue,
        };
        return Err((first + 1, reason));
    }
    Ok(())
}

/// Checks the name of a reference: what is between `&` and `;`. A reference by name is checked by the parser of the tree.
fn check_reference(name: &str) -> Result<(), String> {
    let Some(number) = name.strip_prefix('#') else { return Ok(()) };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Ok(());
    }
    let char = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    if char.is_some_and(is_xml_char) {
        return Ok(());
    }
    Err(format!("`&{};` is no character that XML 1.0 can hold; remove it", shown(name, QUOTED_CHARS)))
}

/// Checks the names, the order and the values of a declaration (section 2.8).
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), String> {
    let content: &str = declaration;
    let mut rest = &["version", "encoding", "standalone"][..];
    for attribute in BytesStart::from_content(content, "xml".len()).attributes() {
        // What is no attribute is told by the parser of the tree.
        let Ok(attribute) = attribute else { break };
        let name = attribute.key.as_ref();
        let Some(at) = rest.iter().position(|expected| *expected == name) else {
            return Err(format!(
                "`{}` is not expected there; a declaration has `version`, then `encoding`, then `standalone`",
                shown(name, QUOTED_CHARS)
            ));
        };
        rest = &rest[at + 1..];
        let value = &*attribute.value;
        match name {
            "encoding" if !is_encoding_name(value) => {
                let value = shown(value, QUOTED_CHARS);
                return Err(format!("`{value}` is not the name of an encoding; expected a name such as `UTF-8`"));
            }
            "standalone" if !matches!(value, "yes" | "no") => {
                return Err(format!("`standalone` is `{}`; expected `yes` or `no`", shown(value, QUOTED_CHARS)));
            }
            _ => {}
        }
    }
    // Many parsers read no other version, and none of the documents needs one.
    match declaration.version() {
        Ok(version) if version != "1.0" => {
            let version = shown(&version, QUOTED_CHARS);
            Err(format!("the document declares XML version `{version}`; declare version 1.0"))
        }
        _ => Ok(()),
    }
}

/// Section 4.3.3.
fn is_encoding_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Checks the target of an instruction (section 2.6, and section 7 of Namespaces in XML).
fn check_instruction(instruction: &BytesPI<'_>) -> Result<(), String> {
    let target = instruction.target();
    if target.eq_ignore_ascii_case("xml") {
        return Err(format!("`<?{target}` is reserved; a declaration begins with `<?xml` in small letters"));
    }
    if target.contains(':') {
        return Err(format!("the instruction `<?{}` has a colon in its name", shown(target, QUOTED_CHARS)));
    }
    Ok(())
}

/// Whether XML 1.0 can hold the character (section 2.2).
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
