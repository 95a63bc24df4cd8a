//! The API versions: where the same operations are served, and what differs.

use connectory_model::wire::DetailShape;
use enum_map::{Enum, EnumMap};

/// A version of the API, which is a base path.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// Its name.
    pub name: VersionName,
    /// Where its list is.
    pub base: &'static str,
    /// Where a connector is, as a route.
    pub detail: &'static str,
    /// What tells its operations apart from those of other versions in the OpenAPI document.
    pub suffix: &'static str,
    /// Whether it has all operations or the list only.
    pub is_complete: bool,
    /// Which members its details have (specification: `provisioningPolicies` in the newest API only).
    pub detail_shape: DetailShape,
}

macro_rules! versions {
    ($($(#[doc = $doc:literal])* $name:ident = $base:literal, $suffix:literal $(, $member:ident: $value:expr)*;)+) => {
        /// What tells the versions apart in code: the rate limit counts requests for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        pub enum VersionName {
            $($(#[doc = $doc])* $name,)+
        }

        /// Every version.
        pub static VERSIONS: EnumMap<VersionName, ApiVersion> = EnumMap::from_array([$(
            ApiVersion {
                $($member: $value,)*
                ..ApiVersion {
                    name: VersionName::$name,
                    base: $base,
                    detail: concat!($base, "/{scriptName}"),
                    suffix: $suffix,
                    is_complete: true,
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
    /// Beta: the list only.
    Beta = "/beta/connectors", "Beta", is_complete: false;
}

impl VersionName {
    /// The version of this name.
    pub fn version(self) -> &'static ApiVersion {
        &VERSIONS[self]
    }
}
