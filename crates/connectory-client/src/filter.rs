//! Typed filters: a filter that compiles is one that the service supports.

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

    /// Connectors with all of these features.
    pub fn features<'a>(features: impl IntoIterator<Item = &'a str>) -> Self {
        Self::all_of("features", features)
    }

    /// Connectors with all of these labels.
    pub fn labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        Self::all_of("labels", labels)
    }

    fn all_of<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<_> = values.into_iter().map(quoted).collect();
        Self(format!("{field} ca ({})", values.join(",")))
    }

    /// Connectors that match both filters.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(format!("({})", [self.0, other.0].join(" and ")))
    }

    /// Connectors that match one of the filters, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(format!("({})", [self.0, other.0].join(" or ")))
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    /// Connectors that do not match the filter.
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

    /// Checks a written filter by the rules of the service.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        connectory_model::filter::Filter::parse(text).map(|_| Self(text.to_owned()))
    }
}

/// A text field. Comparisons ignore case. `EQUALS` says whether the service supports `eq` for it.
#[derive(Debug, Clone, Copy)]
pub struct Text<const EQUALS: bool>(&'static str);

impl<const EQUALS: bool> Text<EQUALS> {
    /// Connectors whose field contains a text.
    pub fn contains(self, part: &str) -> Filter {
        Filter(format!("{} co {}", self.0, quoted(part)))
    }

    /// Connectors whose field starts with a text.
    pub fn starts_with(self, start: &str) -> Filter {
        Filter(format!("{} sw {}", self.0, quoted(start)))
    }
}

impl Text<true> {
    /// Connectors whose field equals a text.
    pub fn equals(self, text: &str) -> Filter {
        Filter(format!("{} eq {}", self.0, quoted(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_can_read_every_filter() {
        let quoted = "a\\\"b) or (";
        for filter in [
            Filter::name().contains(quoted).or(Filter::name().starts_with(quoted)).and(!Filter::direct_connect(false)),
            Filter::connector_type().equals(quoted).and(Filter::connector_type().contains("")),
            Filter::category(quoted).or(Filter::features([quoted, "b"])).or(Filter::labels(["ä"])),
        ] {
            assert_eq!(filter.to_string().parse().as_ref(), Ok(&filter), "{filter}");
        }
        assert!("name eq \"a\"".parse::<Filter>().is_err());
    }
}
