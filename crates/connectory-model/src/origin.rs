//! Where a connector comes from, and its storage path, which marks custom connectors.

use crate::ScriptName;

/// How the storage paths of custom connectors begin (the specification's mark).
const CUSTOM_LOCATION: &str = "custom-connector/";

/// Whether a connector belongs to one tenant or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A tenant created the connector.
    Custom,
    /// The connector is part of the catalog that the server was started with.
    BuiltIn,
}

impl Origin {
    /// The storage path of a connector.
    pub fn location(self, script_name: &ScriptName) -> String {
        match self {
            Self::Custom => format!("{CUSTOM_LOCATION}{script_name}"),
            Self::BuiltIn => format!("connector/{script_name}"),
        }
    }

    /// The origin of the connector with a storage path.
    pub fn of_location(location: &str) -> Self {
        if location.starts_with(CUSTOM_LOCATION) { Self::Custom } else { Self::BuiltIn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_its_origin() {
        let name: ScriptName = "custom-connector".parse().expect("a script name");
        for origin in [Origin::Custom, Origin::BuiltIn] {
            assert_eq!(Origin::of_location(&origin.location(&name)), origin);
        }
    }
}
