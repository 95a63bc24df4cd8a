//! What an address may have: the options and their names, the modes of protection, and the limits.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The most bytes of an address.
pub(in crate::postgres) const TEXT: usize = 8 * 1024;
/// The most hosts of an address.
pub(in crate::postgres) const HOSTS: usize = 16;

/// Characters that are written as they are.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is done with an option.
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// Its value is used.
    Read,
    /// It changes nothing, and these are its only values. The first is proposed.
    Only(&'static [&'static str]),
    /// It is refused.
    Refuse,
}
use Use::{Only, Read, Refuse};

/// The options: libpq's, and one of ours. Those of which libpq has a variable have its name.
pub(super) const OPTIONS: &[(&str, Option<&str>, Use)] = &[
    ("application_name", Some("PGAPPNAME"), Read),
    ("channel_binding", Some("PGCHANNELBINDING"), Read),
    ("client_encoding", None, Only(&["UTF8", "utf8", "UTF-8", "utf-8", "auto"])),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Read),
    ("connectory_insecure", None, Read),
    ("dbname", Some("PGDATABASE"), Read),
    ("fallback_application_name", None, Read),
    ("gssdelegation", None, Only(&["0"])),
    ("gssencmode", None, Only(&["disable", "prefer"])),
    ("gsslib", None, Refuse),
    ("host", Some("PGHOST"), Read),
    ("hostaddr", None, Read),
    ("keepalives", None, Read),
    ("keepalives_count", None, Read),
    ("keepalives_idle", None, Read),
    ("keepalives_interval", None, Read),
    ("krbsrvname", None, Refuse),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Read),
    ("max_protocol_version", None, Refuse),
    ("min_protocol_version", None, Refuse),
    ("options", Some("PGOPTIONS"), Read),
    ("passfile", Some("PGPASSFILE"), Read),
    ("password", Some("PGPASSWORD"), Read),
    ("port", Some("PGPORT"), Read),
    ("replication", None, Only(&["false", "off", "no", "0"])),
    ("require_auth", Some("PGREQUIREAUTH"), Refuse),
    ("requirepeer", Some("PGREQUIREPEER"), Refuse),
    ("requiressl", None, Refuse),
    ("service", Some("PGSERVICE"), Refuse),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Refuse),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Only(&["TLSv1.2", "TLSv1.1", "TLSv1"])),
    ("sslcert", Some("PGSSLCERT"), Read),
    ("sslcertmode", None, Only(&["allow"])),
    ("sslcompression", None, Only(&["0"])),
    ("sslcrl", Some("PGSSLCRL"), Refuse),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refuse),
    ("sslkey", Some("PGSSLKEY"), Read),
    ("sslkeylogfile", None, Refuse),
    ("sslmode", Some("PGSSLMODE"), Read),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Only(&["postgres"])),
    ("sslpassword", None, Refuse),
    ("sslrootcert", Some("PGSSLROOTCERT"), Read),
    ("sslsni", None, Only(&["1"])),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Read),
    ("tcp_user_timeout", None, Read),
    ("user", Some("PGUSER"), Read),
];

/// The name of a setting, as its author wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// An option in the text of the address.
    Option(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A file at its usual place.
    Default(&'static str),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => write!(formatter, "the option {name}"),
            Self::Variable(name) => write!(formatter, "the variable {name}"),
            Self::Default(what) => write!(formatter, "the {what}"),
        }
    }
}

/// How a connection is protected, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Without TLS.
    Disable,
    /// With TLS if the server refuses a connection without.
    Allow,
    /// With TLS if the server can.
    Prefer,
    /// With TLS. The chain of the server's certificate is checked if the address names an authority.
    Require,
    /// With TLS and a certificate of an authority that the address names.
    VerifyCa,
    /// As [`Self::VerifyCa`], and the certificate is for the host.
    VerifyFull,
}

/// The modes by their names.
pub(super) const MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

impl fmt::Display for SslMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = MODES.iter().find(|(_, mode)| mode == self).map_or("", |(name, _)| name);
        formatter.write_str(name)
    }
}

/// Finds the option with a name.
pub(super) fn known(name: &str) -> Option<&'static str> {
    OPTIONS.iter().map(|(known, ..)| *known).find(|known| *known == name)
}

/// Finds the option whose name is most like a misspelled one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let read = OPTIONS.iter().filter(|(.., what)| matches!(what, Read)).map(|(known, ..)| *known);
    let distances = read.map(|known| (strsim::osa_distance(&name.to_ascii_lowercase(), known), known));
    distances.min().filter(|(distance, known)| *distance <= 3 && *distance * 2 < known.len()).map(|(_, known)| known)
}
