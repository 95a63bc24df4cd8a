//! Which name an author probably meant: a name that differs only in case, or by a slip of the keyboard.

use std::collections::HashSet;

use connectory_model::limits::QUOTED_CHARS;
use connectory_model::shown;

/// How much comparing one run of the linter may do, in bytes of one name times bytes of the other. A long list of names
/// that are all wrong would be compared with itself. When this is used up, no more names are suggested.
const MAX_WORK: usize = 20_000_000;
/// The largest number of slips: characters added, left out, replaced, or swapped with the next.
const MAX_SLIPS: usize = 2;
/// The smallest number of characters that two similar names share.
const MIN_COMMON: usize = 3;

/// Finds similar names, as long as the work is not used up.
pub(crate) struct Suggestions {
    left: usize,
}

impl Default for Suggestions {
    fn default() -> Self {
        Self { left: MAX_WORK }
    }
}

impl Suggestions {
    /// Whether the work is not used up.
    pub fn has_work_left(&self) -> bool {
        self.left > 0
    }

    /// The most similar of some names, as the end of a sentence. Empty where none is similar.
    pub fn sentence(&mut self, name: &str, names: &HashSet<&str>) -> String {
        if self.left == 0 {
            return String::new();
        }
        let work = names.iter().map(|other| name.len().saturating_mul(other.len())).fold(0, usize::saturating_add);
        self.left = self.left.saturating_sub(work);
        if self.left == 0 {
            return String::new();
        }
        question(closest(name, names.iter().copied()))
    }
}

/// The question whether an author meant a name, as the end of a sentence. Empty without a name.
pub fn question(name: Option<&str>) -> String {
    name.map(|name| format!("; did you mean `{}`?", shown(name, QUOTED_CHARS))).unwrap_or_default()
}

/// The most similar of some names, if one is similar.
pub fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let same = names.clone().filter(|other| other.eq_ignore_ascii_case(name)).min();
    same.or_else(|| names.filter_map(|other| Some((slips(name, other)?, other))).min().map(|(_, other)| other))
}

/// Whether a name is another one, but for its case or one slip.
pub fn is_almost(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other) || strsim::osa_distance(name, other) == 1
}

/// By how many slips two names differ, if they are similar.
fn slips(a: &str, b: &str) -> Option<usize> {
    let (longer, difference) = {
        let [a, b] = [a, b].map(|name| name.chars().count());
        (a.max(b), a.abs_diff(b))
    };
    if difference > MAX_SLIPS {
        return None;
    }
    let slips = strsim::osa_distance(a, b);
    (slips <= MAX_SLIPS && longer >= slips + MIN_COMMON).then_some(slips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_almost_right_is_suggested() {
        let names = HashSet::from(["hostName", "hostNamed", "port"]);
        let suggested = |name: &str| Suggestions::default().sentence(name, &names);
        assert_eq!(suggested("hostname"), "; did you mean `hostName`?");
        assert_eq!(suggested("hostNaem"), "; did you mean `hostName`?");
        assert_eq!(suggested("hstNamed"), "; did you mean `hostNamed`?");
        assert_eq!(suggested("sort"), "; did you mean `port`?");
        assert_eq!([suggested("user"), suggested("part of")], ["", ""]);
    }

    #[test]
    fn no_name_is_suggested_after_much_comparing() {
        let long = "x".repeat(1000);
        let names = HashSet::from([long.as_str()]);
        let mut suggestions = Suggestions::default();
        let answers: Vec<_> = (0..20).map(|_| suggestions.sentence(&long.to_uppercase(), &names)).collect();
        assert!(answers[..19].iter().all(|answer| !answer.is_empty()));
        assert_eq!(answers[19], "");
    }
}
