//! Which sections and fields of a form are shown before anything is filled in.

use std::collections::HashMap;

use super::types::{Condition, Field, Form};

impl Condition {
    fn holds_for(&self, value: &str) -> bool {
        value == self.value || self.value.split(',').any(|one| one.trim() == value)
    }
}

impl Form {
    /// Finds what is shown before anything is filled in. A field that is not shown has no value.
    pub(super) fn show(&mut self) {
        let by_name = {
            let mut fields = HashMap::new();
            for field in self.fields() {
                fields.entry(field.name.as_str()).or_insert(field);
            }
            let mut shown = HashMap::with_capacity(fields.len());
            for field in fields.values() {
                follow(field, &fields, &mut shown);
            }
            let values = fields.into_iter().map(|(name, field)| {
                let value = shown.get(name).is_some_and(|shown| *shown).then(|| field.initial().to_owned());
                (name.to_owned(), value)
            });
            values.collect::<HashMap<_, _>>()
        };
        let holds = |condition: &Option<Condition>| {
            condition.as_ref().is_none_or(|condition| {
                by_name.get(&condition.field).and_then(Option::as_ref).is_some_and(|value| condition.holds_for(value))
            })
        };
        for section in self.menus.iter_mut().flat_map(|menu| &mut menu.sections) {
            section.is_shown = holds(&section.condition);
            for field in &mut section.fields {
                field.is_shown = holds(&field.condition);
            }
        }
    }
}

/// Finds whether a field is shown, and whether each field is shown on which this depends.
fn follow<'a>(field: &'a Field, fields: &HashMap<&'a str, &'a Field>, shown: &mut HashMap<&'a str, bool>) {
    let (mut field, mut path) = (field, Vec::new());
    let is_shown = loop {
        if let Some(known) = shown.get(field.name.as_str()) {
            break *known;
        }
        // Conditions may form a circle; none of its members is shown then.
        shown.insert(&field.name, false);
        path.push(&field.name);
        let Some(condition) = &field.condition else { break true };
        let Some(parent) = fields.get(condition.field.as_str()) else { break false };
        if !condition.holds_for(parent.initial()) {
            break false;
        }
        field = parent;
    };
    shown.extend(path.into_iter().map(|name| (name.as_str(), is_shown)));
}
