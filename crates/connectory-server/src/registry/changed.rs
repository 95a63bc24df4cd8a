//! The names of the members that a revision changed: the API's member names, and for example `translations/de` for the
//! texts of a locale.

use std::collections::BTreeSet;

use connectory_model::{Connector, Locale};

/// The members that a revision can change, beside the texts of single locales. `translations` is for those of any locale.
pub const MEMBERS: [&str; 10] = [
    "name",
    "type",
    "className",
    "directConnect",
    "status",
    "connectorMetadata",
    "sourceConfigXml",
    "applicationXml",
    "correlationConfigXml",
    "translations",
];

/// Whether a revision can change a member, such as `sourceConfigXml`, `translations` or `translations/de`.
pub fn is_member(text: &str) -> bool {
    MEMBERS.contains(&text) || text.strip_prefix("translations/").is_some_and(|locale| locale.parse::<Locale>().is_ok())
}

/// Lists the members in which two states of a connector differ, in the order of the API. For a new connector, it lists
/// the members that have a value, except those that every connector has.
pub fn changed_members(before: Option<&Connector>, after: &Connector) -> Vec<String> {
    let metadata = before
        .map_or(!after.connector_metadata.is_empty(), |before| before.connector_metadata != after.connector_metadata);
    let mut members: Vec<String> = Vec::new();
    if let Some(before) = before {
        let of_both = [
            ("name", before.name == after.name),
            ("type", before.connector_type == after.connector_type),
            ("className", before.class_name == after.class_name),
            ("directConnect", before.direct_connect == after.direct_connect),
            ("status", before.status == after.status),
        ];
        members.extend(of_both.iter().filter(|(_, same)| !same).map(|(name, _)| (*name).to_owned()));
    }
    if metadata {
        members.push("connectorMetadata".to_owned());
    }
    let parts: BTreeSet<_> = before.into_iter().chain([after]).flat_map(Connector::parts).collect();
    let changed = parts.into_iter().filter(|part| before.and_then(|before| before.part(*part)) != after.part(*part));
    members.extend(changed.map(|part| part.to_string()));
    members
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use connectory_model::import;
    use connectory_model::translations::Properties;

    use super::*;

    #[test]
    fn each_member_has_its_name() {
        let before = import::from_json(br#"[{"name":"A","scriptName":"a","className":"x.Y"}]"#).unwrap().remove(0);
        assert_eq!(changed_members(Some(&before), &before), Vec::<String>::new());
        let mut after = before.clone();
        after.connector_metadata.insert("a".to_owned(), 1.into());
        after.direct_connect = !after.direct_connect;
        after.translations.0.insert("de".parse().unwrap(), Properties::parse(b"a=b").unwrap());
        assert_eq!(changed_members(Some(&before), &after), ["directConnect", "connectorMetadata", "translations/de"]);
        assert_eq!(
            changed_members(None, &after),
            ["connectorMetadata", "sourceConfigXml", "applicationXml", "correlationConfigXml", "translations/de"]
        );
    }
}
