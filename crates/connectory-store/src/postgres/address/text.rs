//! The text of an address, read as libpq reads it. The `url` crate cannot read it, because it may have several hosts.

use percent_encoding::percent_decode_str;

use super::error::AddressError;
use super::options::{TEXT, known, nearest};

/// Reads the options of an address, each at most once. Those in the query replace those before it.
pub(super) fn read(text: &str) -> Result<Vec<(&'static str, String)>, AddressError> {
    if text.len() > TEXT {
        return Err(AddressError::TooLong(text.len()));
    }
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or(AddressError::Scheme)?;
    let (login, rest) = match rest.find(['@', '/']) {
        Some(end) if rest[end..].starts_with('@') => (Some(&rest[..end]), &rest[end + 1..]),
        _ => (None, rest),
    };
    // Another @ is a sign that a password has one, or a / before it. What follows would be taken for hosts and options,
    // and be shown.
    if rest.contains('@') || login.is_some_and(|login| login.contains('?')) {
        return Err(AddressError::Reserved);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));

    let mut options = read_query(query)?;
    let mut add = |name, value: String| {
        if !value.is_empty() && options.iter().all(|(given, _)| *given != name) {
            options.push((name, value));
        }
    };
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        add("user", decode(user, "the user")?);
        add("password", decode(password, "the password")?);
    }
    add("dbname", decode(database, "the database")?);
    let (names, ports) = read_hosts(hosts)?;
    add("host", names);
    add("port", ports);
    Ok(options)
}

/// Reads hosts with ports into a list of hosts and one of ports, separated by commas. The list of ports is empty if no
/// host has one.
fn read_hosts(hosts: &str) -> Result<(String, String), AddressError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = if let Some(host) = host.strip_prefix('[') {
            let (name, rest) = host.split_once(']').ok_or(AddressError::Brackets)?;
            let port = rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or(AddressError::Brackets)?;
            (name, port)
        } else {
            host.split_once(':').unwrap_or((host, ""))
        };
        names.push(decode(name, "a host")?);
        ports.push(decode(port, "a port")?);
    }
    let has_ports = ports.iter().any(|port| !port.is_empty());
    Ok((names.join(","), if has_ports { ports.join(",") } else { String::new() }))
}

fn read_query(query: &str) -> Result<Vec<(&'static str, String)>, AddressError> {
    let mut options: Vec<(&'static str, String)> = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or(AddressError::NoValue)?;
        let (name, mut value) = (decode(name, "the name of an option")?, decode(value, "the value of an option")?);
        let name = match known(&name) {
            Some(name) => name,
            // JDBC's way to ask for TLS, which libpq reads too.
            None if name == "ssl" && value == "true" => {
                "require".clone_into(&mut value);
                "sslmode"
            }
            None => {
                // The rest of a password with an & looks like an option.
                let name = Some(name).filter(|_| !query.contains("pass")).map(|name| name.escape_debug().to_string());
                let nearest = name.as_deref().and_then(nearest);
                return Err(AddressError::Unknown { name, nearest });
            }
        };
        if options.iter().any(|(given, _)| *given == name) {
            return Err(AddressError::Repeated(name));
        }
        options.push((name, value));
    }
    Ok(options)
}

/// Decodes percent-encoded text. As in libpq, a plus sign is a plus sign.
fn decode(text: &str, what: &'static str) -> Result<String, AddressError> {
    let is_encoded = |after: &str| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_encoded) {
        return Err(AddressError::Encoding(what));
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| AddressError::Encoding(what))?;
    if decoded.contains('\0') {
        return Err(AddressError::Encoding(what));
    }
    Ok(decoded.into_owned())
}
