//! The API versions: the base paths that serve the same operations, and their differences.

use connectory_model::wire::DetailShape;
use enum_map::{Enum, EnumMap};

/// A version of the API. Each version has its own base path.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// The name of the version in code.
    pub name: VersionName,
    /// The path of the list, which is the base of all other paths.
    pub base: &'static str,
    /// The route of a connector.
    pub detail: &'static str,
    /// The suffix that makes operation ids unique among the versions in the OpenAPI document.
    pub suffix: &'static str,
    /// The operations of the version.
    pub operations: Operations,
    /// The members of details (specification: only the newest API has `provisioningPolicies`).
    pub detail_shape: DetailShape,
}

/// The operations of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operations {
    /// All operations of the specification.
    All,
    /// Only the list.
    List,
    /// Operations that the specification does not have.
    Extensions,
}

macro_rules! versions {
    ($($(#[doc = $doc:literal])* $name:ident = $base:literal, $suffix:literal $(, $member:ident: $value:expr)*;)+) => {
        /// The name of an API version in code. The rate limit counts requests for each name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
        pub enum VersionName {
            $($(#[doc = $doc])* $name,)+
        }

        /// All versions of the API.
        pub static VERSIONS: EnumMap<VersionName, ApiVersion> = EnumMap::from_array([$(
            ApiVersion {
                $($member: $value,)*
                ..ApiVersion {
                    name: VersionName::$name,
                    base: $base,
                    detail: concat!($base, "/{scriptName}"),
                    suffix: $suffix,
                    operations: Operations::All,
                    detail_shape: DetailShape::Plain,
                }
            },
        )+]);
    };
}

versions! {
    /// Version 3.
    V3 = "/v3/connectors", "";
    /// Version 2024.
    V2024 = "/v2024/connectors", "V2024";
    /// Version 2025.
    V2025 = "/v2025/connectors", "V2025";
    /// Version 2026.
    V2026 = "/v2026/connectors", "V2026";
    /// The newest API, whose paths begin with the resource.
    ConnectorsV1 = "/connectors/v1", "ConnectorsV1", detail_shape: DetailShape::WithPolicies;
    /// Beta, which has only the list.
    Beta = "/beta/connectors", "Beta", operations: Operations::List;
    /// This server's own operations on connectors.
    Connectory = "/connectory/v1/connectors", "Connectory", operations: Operations::Extensions,
        detail_shape: DetailShape::WithPolicies;
}

/// Whether a path is one of the API: of one of its versions, of this server's own operations, or of OAuth. The console and
/// the pages for people are beside it.
pub fn is_of_api(path: &str) -> bool {
    let below = |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    VERSIONS.values().any(|version| below(version.base)) || below("/connectory/v1") || below("/oauth")
}

impl VersionName {
    /// Returns the version with this name.
    pub fn version(self) -> &'static ApiVersion {
        &VERSIONS[self]
    }
}
