//! The values of a map in a source template, as JSON (D69).
//!
//! A map has entries, and an entry has its value as an attribute, as text, or as elements: `String`, `Boolean`, a number, `List`,
//! `Map`, nested as the author wants. Elements of other kinds, such as `Script` or `Reference`, are read by one rule, so that
//! nothing of an entry is lost. Fields are never values: each has entries of its own.

use roxmltree::Node;
use serde_json::{Map, Value};

/// The entries below an element, without those of values and fields below it. Of two entries of one key, the last one counts.
pub(super) fn entries(parent: Node<'_, '_>) -> Map<String, Value> {
    let mut entries = Map::new();
    read_entries(parent, &mut entries);
    entries
}

fn read_entries(parent: Node<'_, '_>, entries: &mut Map<String, Value>) {
    for node in elements(parent) {
        match node.attribute("key").filter(|_| node.has_tag_name("entry")) {
            Some(key) => {
                entries.insert(key.to_owned(), entry(node));
            }
            None => read_entries(node, entries),
        }
    }
}

/// The text of an element, without that of elements in it. Comments and CDATA sections do not end it.
pub(super) fn text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// The elements that can be values, or hold some.
fn elements<'a, 'i>(parent: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.children().filter(|node| node.is_element() && !node.has_tag_name("Field"))
}

fn entry(node: Node<'_, '_>) -> Value {
    node.attribute("value").map_or_else(|| content(node), Value::from)
}

/// What an element holds: one value, several as an array, or its text.
fn content(node: Node<'_, '_>) -> Value {
    let mut values: Vec<_> = elements(node).map(value).collect();
    match values.len() {
        0 => text(node).into(),
        1 => values.remove(0),
        _ => values.into(),
    }
}

fn value(node: Node<'_, '_>) -> Value {
    match node.tag_name().name() {
        "value" | "Attributes" => content(node),
        "String" => text(node).into(),
        "Boolean" => boolean(text(node)),
        "Integer" | "Long" | "Short" | "Date" => number(text(node), |text| text.parse::<i64>().ok().map(Value::from)),
        "Double" | "Float" => number(text(node), |text| text.parse::<f64>().ok().map(Value::from)),
        "List" | "Set" => elements(node).map(value).collect(),
        "Map" => entries(node).into(),
        "null" => Value::Null,
        _ => other(node),
    }
}

/// Without a text, a boolean is false: that is how the vendor's products write it.
fn boolean(text: String) -> Value {
    match text.trim() {
        "" => false.into(),
        word if word.eq_ignore_ascii_case("true") => true.into(),
        word if word.eq_ignore_ascii_case("false") => false.into(),
        _ => text.into(),
    }
}

/// A number, or the text where it is none that JSON can have.
fn number(text: String, parse: impl FnOnce(&str) -> Option<Value>) -> Value {
    parse(text.trim()).filter(|number| !number.is_null()).unwrap_or_else(|| text.into())
}

/// An element that has a meaning of its own, such as `Reference`: its text, or an object of its attributes and elements.
/// Several elements of one name are an array; a text beside attributes or elements is `text`.
fn other(node: Node<'_, '_>) -> Value {
    let text = text(node);
    let mut members: Map<_, _> =
        node.attributes().map(|attribute| (attribute.name().to_owned(), attribute.value().into())).collect();
    let mut children: Map<String, Value> = Map::new();
    for child in elements(node) {
        let read = value(child);
        let values = children.entry(child.tag_name().name()).or_insert_with(|| Value::Array(Vec::new()));
        values.as_array_mut().expect("arrays only").push(read);
    }
    for (name, values) in children {
        let Value::Array(mut values) = values else { continue };
        let read = if values.len() == 1 { values.remove(0) } else { values.into() };
        members.insert(name, read);
    }
    if members.is_empty() {
        return text.into();
    }
    if !text.trim().is_empty() {
        members.insert("text".to_owned(), text.into());
    }
    members.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::xml;

    fn of(map: &str) -> Value {
        let text = format!("<Attributes>{map}</Attributes>");
        entries(xml::parse(&text).expect(map).root_element()).into()
    }

    fn of_value(content: &str) -> Value {
        of(&format!("<Map><entry key='k'>{content}</entry></Map>"))["k"].clone()
    }

    #[test]
    fn an_entry_has_its_value_in_one_of_many_ways() {
        for (content, expected) in [
            ("", json!("")),
            ("a &amp; b", json!("a & b")),
            ("a<!-- x -->b<![CDATA[<c>]]>", json!("ab<c>")),
            ("<value> a </value>", json!(" a ")),
            ("<value><String> a </String></value>", json!(" a ")),
            ("\n <value>\n  <String>a<!-- x -->b</String>\n </value>\n", json!("ab")),
            ("<String>a</String>", json!("a")),
            ("<value><Boolean>true</Boolean></value>", json!(true)),
            ("<value><Boolean> False </Boolean></value>", json!(false)),
            ("<value><Boolean/></value>", json!(false)),
            ("<value><Boolean>perhaps</Boolean></value>", json!("perhaps")),
            ("<value><Integer> 5 </Integer></value>", json!(5)),
            ("<value><Long>-9223372036854775808</Long></value>", json!(i64::MIN)),
            ("<value><Long>9223372036854775808</Long></value>", json!("9223372036854775808")),
            ("<value><Date>1690000000000</Date></value>", json!(1_690_000_000_000_i64)),
            ("<value><Double>1.5</Double></value>", json!(1.5)),
            ("<value><Float>NaN</Float></value>", json!("NaN")),
            ("<value><null/></value>", json!(null)),
            ("<value><List/></value>", json!([])),
            ("<value><Map/></value>", json!({})),
            ("<value><List><String>a</String><Boolean>true</Boolean><List/></List></value>", json!(["a", true, []])),
            ("<value><Set><String>a</String></Set></value>", json!(["a"])),
            ("<value><String>a</String><String>b</String></value>", json!(["a", "b"])),
            (
                "<value><Map><entry key='a' value='1'/><entry key='b'><value><List><Map><entry key='k' value='2'/></Map>\
                 </List></value></entry></Map></value>",
                json!({"a": "1", "b": [{"k": "2"}]}),
            ),
            ("<Attributes><Map><entry key='a' value='1'/></Map></Attributes>", json!({"a": "1"})),
            (
                "<value><Script language='beanshell'><Source>return 1;</Source></Script></value>",
                json!({"language": "beanshell", "Source": "return 1;"}),
            ),
            ("<value><Reference class='Rule' name='R'/></value>", json!({"class": "Rule", "name": "R"})),
            ("<value><Secret a='1'>x</Secret></value>", json!({"a": "1", "text": "x"})),
            ("<value><Odd>x</Odd></value>", json!("x")),
            ("<value><Odd><P>a</P><P>b</P></Odd></value>", json!({"P": ["a", "b"]})),
        ] {
            assert_eq!(of_value(content), expected, "{content}");
        }
    }

    #[test]
    fn a_value_keeps_its_keys_for_itself() {
        let inner = "<value><Map><entry key='inner' value='i'/><entry key='k2' value='i'/></Map></value>";
        assert_eq!(
            of(&format!("<Map><entry key='k'>{inner}</entry><entry key='k2' value='outer'/></Map>")),
            json!({"k": {"inner": "i", "k2": "i"}, "k2": "outer"})
        );
        assert_eq!(of("<entry key='a' value='1'/><Map><entry key='b' value='2'/></Map>"), json!({"a": "1", "b": "2"}));
        assert_eq!(of("<Map><entry key='a' value='1'/><entry key='a' value='2'/></Map>"), json!({"a": "2"}));
        assert_eq!(
            of("<Map><entry key='a' value='1'><value><Boolean>true</Boolean></value></entry></Map>"),
            json!({"a": "1"})
        );
        assert_eq!(of_value("<value><Odd><Field name='f'/>x</Odd></value>"), json!("x"));
    }

    #[test]
    fn the_deepest_value_is_read_by_clients() {
        let levels = crate::limits::XML_DEPTH - 4;
        let deep = format!("<value>{}{}</value>", "<List>".repeat(levels), "</List>".repeat(levels));
        let text = of_value(&deep).to_string();
        // An answer has it below six levels of its own, and serde_json reads 128.
        let answer = format!("{}{text}{}", "[".repeat(6), "]".repeat(6));
        assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{} levels", text.len() / 2);
    }
}
