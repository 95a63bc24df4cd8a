//! Why an address cannot be used. No error shows a value of the address, because what was meant as a password may be
//! anywhere in a text that is not well-formed.

use std::path::PathBuf;

use super::options::{HOSTS, Name, SslMode, TEXT};

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The text is too long.
    #[error("the address has {0} bytes; it may have {TEXT}")]
    TooLong(usize),
    /// The text is not an address of PostgreSQL.
    #[error(
        "an address of PostgreSQL begins with postgres:// or postgresql://, such as \
         postgres://user@db.example.com/connectory"
    )]
    Scheme,
    /// A user or password has a character with which something else begins.
    #[error(
        "the address has @, / or ? in the user, the password or another value, where it would begin something else; \
         write %40 for @, %2F for / and %3F for ?"
    )]
    Reserved,
    /// A percent sign does not begin an encoded byte, or the bytes are not text.
    #[error(
        "{0} in the address is not encoded well: after % there are two hexadecimal digits, and the bytes are UTF-8 \
         without NUL; write %25 for %"
    )]
    Encoding(&'static str),
    /// Brackets around an IPv6 address do not end.
    #[error("a host in brackets must end with ] or with ]:PORT, such as [::1]:5432")]
    Brackets,
    /// An option has no value.
    #[error("an option in the address has no value; write ?NAME=VALUE&NAME=VALUE, and %26 for & inside of a value")]
    NoValue,
    /// No option has this name. The name is not shown if it may be a part of a password.
    #[error("no option of an address {}{}", match .name { Some(name) => format!("is named {name}"), None => "has the name that one in the address has; in a password, write %26 for &".to_owned() }, .nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: Option<String>,
        /// The known name that is most like it.
        nearest: Option<&'static str>,
    },
    /// An option is given twice.
    #[error("the address has the option {0} twice; keep one")]
    Repeated(&'static str),
    /// libpq has this option, and connectory does not.
    #[error("connectory does not support {0}; remove it")]
    Unsupported(Name),
    /// A setting has a value that it cannot have.
    #[error("{setting} must be {expected}")]
    Value {
        /// The setting.
        setting: Name,
        /// What its value must be.
        expected: String,
    },
    /// There are too many hosts.
    #[error("the address has {0} hosts; it may have {HOSTS}")]
    TooManyHosts(usize),
    /// A host that is not local would be reached without TLS, or without checking who answers.
    #[error(
        "sslmode={mode} does not protect the connection to {host}, which is not this machine: {}. Use \
         sslmode=verify-full, with sslrootcert=FILE if your own authority signed the server's certificate, or add \
         connectory_insecure=yes if you trust the network",
        match .mode { SslMode::Require => "nothing checks who answers", _ => "it can be without TLS" }
    )]
    Insecure {
        /// The host.
        host: String,
        /// The mode.
        mode: SslMode,
    },
    /// A mode needs the certificates of an authority.
    #[error(
        "sslmode=verify-ca needs sslrootcert=FILE, the certificates of your authority; the authorities of the system sign \
         for everyone, so use sslmode=verify-full with them"
    )]
    NoRoots,
    /// The authorities of the system are asked for in a mode that does not check the name.
    #[error("sslrootcert=system needs sslmode=verify-full: the authorities of the system sign for everyone")]
    WeakSystem,
    /// Of a client's certificate and its key, one is missing.
    #[error("a client's certificate needs both sslcert and sslkey")]
    HalfIdentity,
    /// A file cannot be used.
    #[error("{setting} is {}, {why}", .path.display())]
    File {
        /// The setting with the file's path.
        setting: Name,
        /// The path.
        path: PathBuf,
        /// Why it cannot be used.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The name of the system's user is unknown.
    #[error("the address names no user, and the system's user has no name; write postgres://USER@HOST/DATABASE")]
    NoUser,
}
