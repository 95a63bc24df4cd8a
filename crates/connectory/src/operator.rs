//! The operator: the user of this system who runs a command.

use connectory_store::AccessOrigin;

/// The origin of the changes of access that a command makes. Its author is the system's user.
pub fn operator() -> AccessOrigin {
    AccessOrigin::operator(whoami::username().unwrap_or_else(|_| "unknown".to_owned()))
}
