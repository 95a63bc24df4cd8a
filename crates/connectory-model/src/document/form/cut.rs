//! Cutting a long form, so that a page shows no more than it may.

use super::types::{Condition, Field, Form, Menu, Section, Text};

impl Form {
    /// Removes everything after so many menus, sections, fields and options, or after so many bytes of texts. Returns
    /// whether it removed anything.
    pub fn cut(&mut self, parts: usize, bytes: usize) -> bool {
        let mut left = Left { parts, bytes };
        let mut fitting = 0;
        for menu in &mut self.menus {
            if !left.fits(menu.label.len()) {
                break;
            }
            fitting += 1;
            if menu.cut(&mut left) {
                self.menus.truncate(fitting);
                return true;
            }
        }
        let was_cut = fitting < self.menus.len();
        self.menus.truncate(fitting);
        was_cut
    }
}

/// How many parts and bytes of a form may still be shown.
struct Left {
    parts: usize,
    bytes: usize,
}

impl Left {
    /// Whether a part with so many bytes of texts may be shown. After the first part that may not, no other may.
    fn fits(&mut self, bytes: usize) -> bool {
        let left = self.parts.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        (self.parts, self.bytes) = left.unwrap_or_default();
        left.is_some()
    }
}

impl Menu {
    fn cut(&mut self, left: &mut Left) -> bool {
        let mut fitting = 0;
        for section in &mut self.sections {
            let condition = section.condition.as_ref().map_or(0, Condition::bytes);
            let link = section.link.as_ref().map_or(0, |(address, text)| address.len() + text.len());
            if !left.fits(section.label.len() + section.info.as_ref().map_or(0, |info| info.len()) + link + condition) {
                break;
            }
            fitting += 1;
            if section.cut(left) {
                self.sections.truncate(fitting);
                return true;
            }
        }
        let was_cut = fitting < self.sections.len();
        self.sections.truncate(fitting);
        was_cut
    }
}

impl Section {
    fn cut(&mut self, left: &mut Left) -> bool {
        let mut fitting = 0;
        for field in &mut self.fields {
            if !left.fits(field.bytes()) {
                break;
            }
            fitting += 1;
            let options = field.options.iter();
            let fitting_options =
                options.take_while(|choice| left.fits(choice.label.len() + choice.value.len())).count();
            if fitting_options < field.options.len() {
                field.options.truncate(fitting_options);
                self.fields.truncate(fitting);
                return true;
            }
        }
        let was_cut = fitting < self.fields.len();
        self.fields.truncate(fitting);
        was_cut
    }
}

impl Condition {
    fn bytes(&self) -> usize {
        self.field.len() + self.value.len()
    }
}

impl Field {
    /// How many bytes its texts have, without those of its options.
    fn bytes(&self) -> usize {
        let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
        let condition = self.condition.as_ref().map_or(0, Condition::bytes);
        let default = self.default.as_ref().map_or(0, String::len);
        let own = self.name.len() + self.label.len() + self.field_type.len();
        own + default + text(&self.placeholder) + text(&self.help) + condition
    }
}
