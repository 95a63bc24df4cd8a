//! Who may do what: scopes, user levels and the two permissions that they add up to.
//!
//! The rule is the specification's: reading and writing both need one of three user levels, and a scope that
//! grants the connector configuration. Anything that is not granted here is denied.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::QUOTED_CHARS;
use crate::shown;

/// The longest name of a tenant, in bytes. It is part of commands and tokens.
const TENANT_NAME_BYTES: usize = 100;

/// Whether a tenant may have this name: 1 to 100 letters, digits, `-` and `_`.
pub fn is_tenant_name(text: &str) -> bool {
    (1..=TENANT_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $(#[serde(rename = $word)] #[doc = concat!("`", $word, "`")] $variant,)+
        }

        impl $name {
            /// All values, the most powerful first.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| UnknownWord {
                    what: $what,
                    word: shown(word, QUOTED_CHARS).to_owned(),
                    known: Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

words! {
    /// The base level of access of the user behind an API client.
    UserLevel, "user level" {
        OrgAdmin = "ORG_ADMIN",
        SourceAdmin = "SOURCE_ADMIN",
        SourceSubadmin = "SOURCE_SUBADMIN",
        RoleAdmin = "ROLE_ADMIN",
        RoleSubadmin = "ROLE_SUBADMIN",
        CertAdmin = "CERT_ADMIN",
        ReportAdmin = "REPORT_ADMIN",
        Helpdesk = "HELPDESK",
        User = "USER",
    }
}

words! {
    /// What a token allows.
    Scope, "scope" {
        All = "sp:scopes:all",
        ManageConnectors = "idn:connector-config:manage",
        ReadConnectors = "idn:connector-config:read",
        Default = "sp:scopes:default",
    }
}

/// A word that is not a known scope or user level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {what}; known are {known}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: String,
}

/// Several scopes. As text they are separated by spaces, as in OAuth (RFC 6749, section 3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Whether these scopes grant a scope: they have it, or they have [`Scope::All`], which grants every scope.
    pub fn grant(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || self.0.contains(&Scope::All)
    }

    /// The scopes among `asked` that these scopes grant.
    #[must_use]
    pub fn narrowed(&self, asked: &Self) -> Self {
        asked.iter().copied().filter(|scope| self.grant(*scope)).collect()
    }
}

impl Deref for Scopes {
    type Target = [Scope];

    fn deref(&self) -> &[Scope] {
        &self.0
    }
}

impl<const N: usize> From<[Scope; N]> for Scopes {
    fn from(scopes: [Scope; N]) -> Self {
        Self(scopes.to_vec())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut distinct = Vec::new();
        for scope in scopes {
            if !distinct.contains(&scope) {
                distinct.push(scope);
            }
        }
        Self(distinct)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            let space = if position > 0 { " " } else { "" };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_whitespace().map(str::parse).collect()
    }
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Lists or gets connectors.
    Read,
    /// Creates, changes or deletes connectors.
    Write,
    /// Creates or deletes API clients (D4: who may do this may have every scope and level).
    ManageClients,
}

impl Permission {
    fn levels(self) -> &'static [UserLevel] {
        match self {
            Self::Read | Self::Write => &[UserLevel::OrgAdmin, UserLevel::SourceAdmin, UserLevel::SourceSubadmin],
            Self::ManageClients => &[UserLevel::OrgAdmin],
        }
    }

    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Read => &[Scope::ReadConnectors, Scope::ManageConnectors, Scope::All],
            Self::Write => &[Scope::ManageConnectors, Scope::All],
            Self::ManageClients => &[Scope::All],
        }
    }

    /// Whether a user of this level with these scopes has the permission.
    ///
    /// # Errors
    /// [`Denied`] says what is missing and what would be enough.
    pub fn check(self, level: UserLevel, scopes: &[Scope]) -> Result<(), Denied> {
        if !self.levels().contains(&level) {
            return Err(Denied::Level { permission: self, level });
        }
        if !self.scopes().iter().any(|scope| scopes.contains(scope)) {
            return Err(Denied::Scope(self));
        }
        Ok(())
    }
}

/// Why a permission is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The user level is not high enough.
    #[error("user level {level} does not have access to this; it takes {}", list(.permission.levels(), " or "))]
    Level {
        /// The permission.
        permission: Permission,
        /// The user level.
        level: UserLevel,
    },
    /// No scope of the token grants it.
    #[error("the token's scopes do not allow this; it takes one of {}", list(.0.scopes(), ", "))]
    Scope(Permission),
}

fn list(words: &[impl fmt::Display], separator: &str) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scopes_are_written_with_spaces_and_read_back() {
        let scopes: Scopes = Scope::ALL.iter().copied().collect();
        let text = "sp:scopes:all idn:connector-config:manage idn:connector-config:read sp:scopes:default";
        assert_eq!(scopes.to_string(), text);
        assert_eq!(text.replace(' ', "\t ").parse(), Ok(scopes));
        assert_eq!((Scopes::default().to_string(), "".parse()), (String::new(), Ok(Scopes::default())));
        assert_eq!(serde_json::to_string(&Scopes::from([Scope::All])).expect("JSON"), r#"["sp:scopes:all"]"#);
        let error = "sp:scopes:all x".parse::<Scopes>().expect_err("unknown").to_string();
        assert!(error.starts_with("`x` is not a scope; known are sp:scopes:all, "), "{error}");
    }

    #[test]
    fn a_scope_is_there_once() {
        let twice: Scopes = [Scope::All, Scope::Default, Scope::All].into_iter().collect();
        assert_eq!(twice, [Scope::All, Scope::Default].into());
    }

    #[test]
    fn all_scopes_grant_each_one() {
        let (all, read) = (Scopes::from([Scope::All]), Scopes::from([Scope::ReadConnectors]));
        assert_eq!(all.narrowed(&read), read);
        assert_eq!(read.narrowed(&all), Scopes::default());
        assert_eq!(read.narrowed(&[Scope::ManageConnectors, Scope::ReadConnectors].into()), read);
    }

    proptest! {
        #[test]
        fn any_scopes_read_back(words in prop::collection::vec(prop::sample::select(Scope::ALL.to_vec()), 0..6)) {
            let scopes: Scopes = words.into_iter().collect();
            prop_assert_eq!(scopes.to_string().parse(), Ok(scopes));
        }

        #[test]
        fn any_text_is_scopes_or_names_the_word_that_is_not(text in "(sp:scopes:all|sp:scopes:default|[ \\t]|\\PC){0,8}") {
            match text.parse::<Scopes>() {
                Ok(scopes) => {
                    let mut words: Vec<_> = text.split_whitespace().collect();
                    let mut seen = std::collections::HashSet::new();
                    words.retain(|word| seen.insert(*word));
                    prop_assert_eq!(scopes.to_string(), words.join(" "));
                }
                Err(error) => prop_assert!(text.contains(&error.word)),
            }
        }
    }

    #[test]
    fn level_and_scope_are_both_needed() {
        use Permission::{ManageClients, Read, Write};
        let table = [
            (Read, UserLevel::OrgAdmin, Scope::ReadConnectors, true),
            (Read, UserLevel::SourceSubadmin, Scope::ManageConnectors, true),
            (Read, UserLevel::SourceAdmin, Scope::All, true),
            (Read, UserLevel::Helpdesk, Scope::All, false),
            (Read, UserLevel::OrgAdmin, Scope::Default, false),
            (Write, UserLevel::OrgAdmin, Scope::ReadConnectors, false),
            (Write, UserLevel::OrgAdmin, Scope::ManageConnectors, true),
            (Write, UserLevel::User, Scope::ManageConnectors, false),
            (ManageClients, UserLevel::OrgAdmin, Scope::All, true),
            (ManageClients, UserLevel::SourceAdmin, Scope::All, false),
            (ManageClients, UserLevel::OrgAdmin, Scope::ManageConnectors, false),
        ];
        for (permission, level, scope, allowed) in table {
            assert_eq!(permission.check(level, &[scope]).is_ok(), allowed, "{permission:?} {level} {scope}");
        }
        assert_eq!(
            Write.check(UserLevel::OrgAdmin, &[]).unwrap_err().to_string(),
            "the token's scopes do not allow this; it takes one of idn:connector-config:manage, sp:scopes:all"
        );
    }
}
