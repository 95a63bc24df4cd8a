//! The hosts of an address: three lists that belong together.

use std::net::IpAddr;
use std::path::Path;

use percent_encoding::utf8_percent_encode;
use rustls::pki_types::ServerName;

use super::error::AddressError;
use super::options::{HOSTS, PLAIN};
use super::settings::{Setting, Settings};

/// PostgreSQL's port.
const PORT: u16 = 5432;
/// The folders of sockets: Debian's, and that of PostgreSQL itself.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A host as the settings have it.
pub(super) struct Host {
    /// The name, an IP address, or the folder of a socket.
    pub(super) name: String,
    /// The address to connect to, if it is not that of the name.
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
}

/// Reads the hosts. There is at least one.
pub(super) fn read(settings: &Settings) -> Result<Vec<Host>, AddressError> {
    let (names, ips) = (List::of(settings, "host"), List::of(settings, "hostaddr"));
    let count = names.count().or(ips.count()).unwrap_or(1);
    if count > HOSTS {
        return Err(AddressError::TooManyHosts(count));
    }
    let mut ports = List::of(settings, "port");
    // One port is that of all hosts.
    if let [one] = ports.values[..] {
        ports.values = vec![one; count];
    }
    let hosts = (0..count).map(|index| {
        let ip = ips.read(index, count, "one IP address for each host", |text| text.parse().ok())?;
        let port = ports.read(
            index,
            count,
            "a number from 1 to 65535, or a list with one for each host; an IPv6 address is in brackets, such as \
             [::1]:5432, and / in a password is written %2F",
            |text| text.parse().ok().filter(|port| *port > 0),
        )?;
        let port = port.unwrap_or(PORT);
        let name = names.read(
            index,
            count,
            "the name of a host, an IP address without a zone, or the folder of a socket, which begins with /",
            |text| is_well_formed(text).then(|| text.to_owned()),
        )?;
        let name = name.or(ip.map(|ip: IpAddr| ip.to_string())).unwrap_or_else(|| default_name(port));
        Ok(Host { name, ip, port })
    });
    hosts.collect()
}

/// A setting with values separated by commas. It has no values if it is not given.
struct List<'a> {
    setting: Option<&'a Setting>,
    values: Vec<&'a str>,
}

impl<'a> List<'a> {
    fn of(settings: &'a Settings, name: &str) -> Self {
        let setting = settings.get(name);
        let values = setting.map(|setting| setting.value.split(',').map(str::trim).collect());
        Self { setting, values: values.unwrap_or_default() }
    }

    fn count(&self) -> Option<usize> {
        self.setting.map(|_| self.values.len())
    }

    /// Reads a value of a list that must have `count` values. An empty value is none.
    fn read<T>(
        &self,
        index: usize,
        count: usize,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, AddressError> {
        let Some(setting) = self.setting else { return Ok(None) };
        let value = self.values.get(index).filter(|_| self.values.len() == count);
        match value {
            Some(&"") => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| setting.must_be(expected)),
            None => Err(setting.must_be(expected)),
        }
    }
}

/// Whether a host is the folder of a socket.
pub(super) fn is_socket(name: &str) -> bool {
    name.starts_with('/')
}

fn is_well_formed(name: &str) -> bool {
    (is_socket(name) || ServerName::try_from(name).is_ok()) && !name.contains(char::is_control)
}

/// Chooses the host that `psql` would choose: the folder of the system's sockets.
fn default_name(port: u16) -> String {
    let [debian, upstream] = SOCKETS;
    if Path::new(debian).is_dir() {
        debian.to_owned()
    } else if Path::new(upstream).join(format!(".s.PGSQL.{port}")).exists() {
        upstream.to_owned()
    } else {
        "localhost".to_owned()
    }
}

/// Writes a host and its port as in an address.
pub(super) fn shown(name: &str, port: u16) -> String {
    if name.contains(':') && !is_socket(name) {
        return format!("[{name}]:{port}");
    }
    format!("{}:{port}", utf8_percent_encode(name, PLAIN))
}
