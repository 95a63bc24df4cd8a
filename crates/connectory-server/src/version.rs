//! The API versions: where the same operations are served, and what differs.

use connectory_model::wire::DetailShape;

/// A version of the API, which is a base path.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// Its position in [`VERSIONS`]; rate limits are counted per version.
    pub index: usize,
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

macro_rules! version {
    ($index:literal, $base:literal, $suffix:literal) => {
        ApiVersion {
            index: $index,
            base: $base,
            detail: concat!($base, "/{scriptName}"),
            suffix: $suffix,
            is_complete: true,
            detail_shape: DetailShape::Plain,
        }
    };
}

/// How many versions there are.
pub const COUNT: usize = 6;

/// Every version.
pub static VERSIONS: [ApiVersion; COUNT] = [
    version!(0, "/v3/connectors", ""),
    version!(1, "/v2024/connectors", "V2024"),
    version!(2, "/v2025/connectors", "V2025"),
    version!(3, "/v2026/connectors", "V2026"),
    ApiVersion { detail_shape: DetailShape::WithPolicies, ..version!(4, "/connectors/v1", "ConnectorsV1") },
    ApiVersion { is_complete: false, ..version!(5, "/beta/connectors", "Beta") },
];

/// The version that has all that there is.
pub static NEWEST: &ApiVersion = &VERSIONS[4];
