//! Filters, typed: what compiles is what the service supports.

use std::fmt;
use std::str::FromStr;

use connectory_model::filter::{FilterError, quoted};

/// A filter for a list of connectors.
///
/// ```
/// use connectory_client::Filter;
///
/// let filter = Filter::name().contains("HR \"old\"").and(Filter::direct_connect(true));
/// assert_eq!(filter.to_string(), r#"(name co "HR \"old\"" and directConnect eq true)"#);
/// assert_eq!((!Filter::category("HR")).to_string(), r#"not (category eq "HR")"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(pub(crate) String);

impl Filter {
    /// By name.
    pub const fn name() -> Text<false> {
        Text("name")
    }

    /// By type.
    pub const fn connector_type() -> Text<true> {
        Text("type")
    }

    /// By whether the connector reaches its source directly.
    pub fn direct_connect(wanted: bool) -> Self {
        Self(format!("directConnect eq {wanted}"))
    }

    /// By category, without case.
    pub fn category(category: &str) -> Self {
        Self(format!("category eq {}", quoted(category)))
    }

    /// Those that have all of these features.
    pub fn features<'a>(features: impl IntoIterator<Item = &'a str>) -> Self {
        Self::all_of("features", features)
    }

    /// Those that have all of these labels.
    pub fn labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        Self::all_of("labels", labels)
    }

    fn all_of<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<_> = values.into_iter().map(quoted).collect();
        Self(format!("{field} ca ({})", values.join(",")))
    }

    /// What passes both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(format!("({})", [self.0, other.0].join(" and ")))
    }

    /// What passes either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(format!("({})", [self.0, other.0].join(" or ")))
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    /// What does not pass.
    fn not(self) -> Self {
        Self(format!("not ({self})"))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    /// Checks a filter that is written out, by the rules of the service.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        connectory_model::filter::Filter::parse(text).map(|_| Self(text.to_owned()))
    }
}

/// A field that holds a text; comparisons ignore case. `WHOLE` says whether it can be compared as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Text<const WHOLE: bool>(&'static str);

impl<const WHOLE: bool> Text<WHOLE> {
    /// Those that contain this.
    pub fn contains(self, part: &str) -> Filter {
        Filter(format!("{} co {}", self.0, quoted(part)))
    }

    /// Those that begin so.
    pub fn starts_with(self, start: &str) -> Filter {
        Filter(format!("{} sw {}", self.0, quoted(start)))
    }
}

impl Text<true> {
    /// Those that are this.
    pub fn equals(self, text: &str) -> Filter {
        Filter(format!("{} eq {}", self.0, quoted(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_that_can_be_made_is_one_that_the_service_reads() {
        let odd = "a\\\"b) or (";
        for filter in [
            Filter::name().contains(odd).or(Filter::name().starts_with(odd)).and(!Filter::direct_connect(false)),
            Filter::connector_type().equals(odd).and(Filter::connector_type().contains("")),
            Filter::category(odd).or(Filter::features([odd, "b"])).or(Filter::labels(["ä"])),
        ] {
            assert_eq!(filter.to_string().parse().as_ref(), Ok(&filter), "{filter}");
        }
        assert!("name eq \"a\"".parse::<Filter>().is_err());
    }
}
