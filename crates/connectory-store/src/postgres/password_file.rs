//! The password file of libpq: lines with host, port, database, user and password, separated by colons.

use std::path::Path;

use super::address::error::AddressError;
use super::address::options::Name;
use super::files::{self, Privacy};

/// The content of a password file. It has no `Debug`, because it has passwords.
pub(super) struct PasswordFile(String);

/// Whom a password is for.
pub(super) struct Login<'a> {
    /// The host, or the folder of the socket.
    pub(super) host: &'a str,
    pub(super) is_socket: bool,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

impl PasswordFile {
    /// Reads a password file, if it exists. A file that others can read is an error, not only a warning as in libpq: a
    /// password that is not used looks like a wrong one.
    pub(super) fn read(setting: Name, path: &Path) -> Result<Option<Self>, AddressError> {
        let Some(bytes) = files::read(setting, path, Privacy::Owner)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| AddressError::File {
            setting,
            path: path.to_owned(),
            why: "which is not UTF-8".to_owned(),
        })?;
        Ok(Some(Self(text)))
    }

    /// Finds the password in the first line that fits. An empty one is the same as none.
    pub(super) fn password(&self, login: &Login<'_>) -> Option<String> {
        let port = login.port.to_string();
        let first = self.0.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let (host, rest) = next_field(line)?;
            let fits_host = host.is(login.host) || (login.is_socket && host.is("localhost"));
            let (listed_port, rest) = next_field(rest)?;
            let (database, rest) = next_field(rest)?;
            let (user, password) = next_field(rest)?;
            let fits = fits_host && listed_port.is(&port) && database.is(login.database) && user.is(login.user);
            fits.then(|| unescape(password))
        });
        first.filter(|password| !password.is_empty())
    }
}

/// A field as it is written.
struct Field<'a>(&'a str);

impl Field<'_> {
    fn is(&self, value: &str) -> bool {
        self.0 == "*" || unescape(self.0) == value
    }
}

/// Splits a line after its first field.
fn next_field(line: &str) -> Option<(Field<'_>, &str)> {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    Some((Field(&line[..end]), &line[end + 1..]))
}

/// Removes the backslashes of `\:` and `\\`, up to a colon.
fn unescape(field: &str) -> String {
    let mut characters = field.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            ':' => break,
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str, host: &str) -> Option<String> {
        let login =
            Login { host, is_socket: host.starts_with('/'), port: 5432, database: "connectory", user: "a:b\\c" };
        PasswordFile(text.to_owned()).password(&login)
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# db:5432:connectory:a:wrong\n\nbroken\ndb:5433:connectory:a\\:b\\\\c:other port\r\n\
                    db:5432:*:a\\:b\\\\c:a\\:b\\\\\r\ndb:*:*:*:second\nlocalhost:*:*:*:local\n/tmp:*:*:*:folder";
        assert_eq!(password(text, "db").as_deref(), Some("a:b\\"));
        assert_eq!(password(text, "db2"), None);
        assert_eq!(password(text, "localhost").as_deref(), Some("local"));
        assert_eq!(password(text, "/tmp").as_deref(), Some("local"));
        assert_eq!(password("/tmp:*:*:*:folder", "/tmp").as_deref(), Some("folder"));
        assert_eq!(password("*:*:*:*:\n*:*:*:*:second", "x"), None);
        assert_eq!(password("*:*:*:*:ends with \\", "x").as_deref(), Some("ends with "));
    }
}
