//! Addresses that a command line has where they are wrong. They may hold a password, so no error repeats them.

use clap::Error;
use clap::error::{ContextKind, ContextValue};

/// Shortens addresses in the error of a command line to their schemes.
pub fn hide_addresses(error: &mut Error) {
    let is_database = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => shown.starts_with("--database "),
        _ => false,
    };
    let shorter = |(kind, value): (ContextKind, &ContextValue)| {
        let ContextValue::String(text) = value else { return None };
        let short = match text.split_once(':').unwrap_or((text, "")) {
            // What was meant as a password may be anywhere.
            (scheme, _) if is_database && kind == ContextKind::InvalidValue && scheme.contains('=') => "…".to_owned(),
            (scheme, _) if scheme == text => return None,
            (scheme, _) if is_database && kind == ContextKind::InvalidValue && scheme != "sqlite" => {
                format!("{scheme}:…")
            }
            (scheme, rest) if rest.starts_with("//") && rest.contains('@') => format!("{scheme}://…"),
            _ => return None,
        };
        Some((kind, ContextValue::String(short)))
    };
    let shorter: Vec<_> = error.context().filter_map(shorter).collect();
    for (kind, value) in shorter {
        error.insert(kind, value);
    }
}
