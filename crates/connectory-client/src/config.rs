//! The service and the API client, from the sources that the official SDKs read, in their order.
//!
//! 1. the variables `SAIL_BASE_URL`, `SAIL_CLIENT_ID` and `SAIL_CLIENT_SECRET`,
//! 2. `./config.json` with `BaseURL`, `ClientId` and `ClientSecret`,
//! 3. `~/.sailpoint/config.yaml`, of which `activeenvironment` names one of the `environments`.
//!
//! The first source with a base URL is used. It must have the other two values as well, so that no service gets the
//! credentials of another.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use directories::BaseDirs;
use serde::Deserialize;

/// A service, and the credentials of an API client.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// The service's address, such as `https://acme.api.identitynow.com`.
    pub base_url: String,
    /// The API client's id.
    pub client_id: String,
    /// The API client's secret.
    pub client_secret: String,
}

impl fmt::Debug for Environment {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("base_url", &self.base_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Where an [`Environment`] was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentSource {
    /// The variables `SAIL_BASE_URL`, `SAIL_CLIENT_ID` and `SAIL_CLIENT_SECRET`.
    Variables,
    /// `./config.json`.
    LocalFile(PathBuf),
    /// `~/.sailpoint/config.yaml`.
    HomeFile {
        /// The file.
        path: PathBuf,
        /// The name of the environment.
        name: String,
    },
}

impl fmt::Display for EnvironmentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variables => f.write_str("the variables SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET"),
            Self::LocalFile(path) => write!(f, "{}", path.display()),
            Self::HomeFile { path, name } => write!(f, "the environment `{name}` of {}", path.display()),
        }
    }
}

/// An environment, and where it was found.
type Found = (Environment, EnvironmentSource);

/// Why the configuration cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// No source has a service.
    #[error(
        "no service is configured; set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or name one in ./config.json or ~/.sailpoint/config.yaml"
    )]
    Nowhere,
    /// The home file has environments, but none is active.
    #[error("no environment of {} is active; choose one of {known} with `connectory env use NAME` or --env NAME", .path.display())]
    NoneActive {
        /// The file.
        path: PathBuf,
        /// The names in the file.
        known: String,
    },
    /// A source has a service but not its credentials, or an environment has no service.
    #[error("{source_name} has no {missing}; {advice}")]
    Incomplete {
        /// The source.
        source_name: String,
        /// The missing value.
        missing: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The home file has no environment of this name.
    #[error("{} has no environment `{name}`; it has {known}", .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The names in the file.
        known: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    #[serde(alias = "BaseURL", alias = "baseurl")]
    base_url: Option<String>,
    #[serde(alias = "ClientId", alias = "clientid")]
    client_id: Option<String>,
    #[serde(alias = "ClientSecret", alias = "clientsecret")]
    client_secret: Option<String>,
}

/// How a source calls its values, and what to do where it lacks one.
struct Names {
    client_id: &'static str,
    client_secret: &'static str,
    advice: &'static str,
}

const VARIABLES: Names = Names {
    client_id: "SAIL_CLIENT_ID",
    client_secret: "SAIL_CLIENT_SECRET",
    advice: "set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, or unset SAIL_BASE_URL, or give --env NAME",
};
const LOCAL_FILE: Names = Names {
    client_id: "`ClientId`",
    client_secret: "`ClientSecret`",
    advice: "write it there beside `BaseURL`, or give --env NAME",
};
const HOME_FILE: Names = Names {
    client_id: "`clientid` in `pat`",
    client_secret: "`clientsecret` in `pat`",
    advice: "`connectory login` writes it",
};

impl Parts {
    /// The environment, unless there is no base URL.
    fn complete(self, source: impl fmt::Display, names: &Names) -> Result<Option<Environment>, ConfigError> {
        let value = |value: Option<String>| value.filter(|value| !value.is_empty());
        let Some(base_url) = value(self.base_url) else { return Ok(None) };
        let missing = |missing| incomplete(&source, missing, names);
        Ok(Some(Environment {
            base_url,
            client_id: value(self.client_id).ok_or_else(|| missing(names.client_id))?,
            client_secret: value(self.client_secret).ok_or_else(|| missing(names.client_secret))?,
        }))
    }
}

fn incomplete(source: &impl fmt::Display, missing: &'static str, names: &Names) -> ConfigError {
    ConfigError::Incomplete { source_name: source.to_string(), missing, advice: names.advice }
}

/// `~/.sailpoint/config.yaml`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct HomeFile {
    activeenvironment: String,
    environments: BTreeMap<String, HomeEnvironment>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HomeEnvironment {
    baseurl: Option<String>,
    pat: Parts,
}

impl Environment {
    /// The environment of the first source that has one.
    pub fn load() -> Result<Self, ConfigError> {
        Self::find().map(|(environment, _)| environment)
    }

    /// An environment of `~/.sailpoint/config.yaml` by its name.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        Self::find_named(name).map(|(environment, _)| environment)
    }

    /// The environment of the first source that has one, and this source.
    pub fn find() -> Result<(Self, EnvironmentSource), ConfigError> {
        let variable = |name| std::env::var(name).ok();
        let home = home_file();
        Self::from_sources(
            Parts {
                base_url: variable("SAIL_BASE_URL"),
                client_id: variable("SAIL_CLIENT_ID"),
                client_secret: variable("SAIL_CLIENT_SECRET"),
            },
            Path::new("./config.json"),
            home.as_deref(),
        )
    }

    /// An environment of `~/.sailpoint/config.yaml` by its name, and this source.
    pub fn find_named(name: &str) -> Result<(Self, EnvironmentSource), ConfigError> {
        let path = home_file().ok_or(ConfigError::Nowhere)?;
        let unknown = ConfigError::Unknown { path: path.clone(), name: name.to_owned(), known: "none".to_owned() };
        Self::from_home(&path, Some(name))?.ok_or(unknown)
    }

    fn from_sources(variables: Parts, local: &Path, home: Option<&Path>) -> Result<Found, ConfigError> {
        if let Some(environment) = variables.complete("the service of SAIL_BASE_URL", &VARIABLES)? {
            return Ok((environment, EnvironmentSource::Variables));
        }
        if let Some(text) = read(local)? {
            let parts: Parts = serde_json::from_str(&text).map_err(|error| {
                let place = Some((error.line() as u64, error.column() as u64));
                wrong(local, place, "not JSON with the texts `BaseURL`, `ClientId` and `ClientSecret`")
            })?;
            if let Some(environment) = parts.complete(local.display(), &LOCAL_FILE)? {
                return Ok((environment, EnvironmentSource::LocalFile(local.to_owned())));
            }
        }
        let home = home.map(|home| Self::from_home(home, None)).transpose()?.flatten();
        home.ok_or(ConfigError::Nowhere)
    }

    fn from_home(path: &Path, name: Option<&str>) -> Result<Option<Found>, ConfigError> {
        let Some(text) = read(path)? else { return Ok(None) };
        let mut file: HomeFile = serde_saphyr::from_str(&text).map_err(|error| {
            let place = error.location().map(|place| (place.line(), place.column()));
            wrong(path, place, "not YAML with `environments` as the official tools write them")
        })?;
        let name = name.map_or(file.activeenvironment, str::to_owned);
        let Some(found) = file.environments.remove(&name) else {
            let path = path.to_owned();
            let known: Vec<_> = file.environments.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return match name.is_empty() {
                true if file.environments.is_empty() => Ok(None),
                true => Err(ConfigError::NoneActive { path, known }),
                false => Err(ConfigError::Unknown { path, name, known }),
            };
        };
        let source = EnvironmentSource::HomeFile { path: path.to_owned(), name };
        let parts = Parts { base_url: found.baseurl, ..found.pat };
        match parts.complete(&source, &HOME_FILE)? {
            Some(environment) => Ok(Some((environment, source))),
            None => Err(incomplete(&source, "`baseurl`", &HOME_FILE)),
        }
    }
}

/// The file where the official tools save named environments.
pub fn home_file() -> Option<PathBuf> {
    BaseDirs::new().map(|directories| directories.home_dir().join(".sailpoint").join("config.yaml"))
}

fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        // Editors on Windows write a byte order mark, which is no part of the text.
        Ok(text) => Ok(Some(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, reason: &dyn fmt::Display) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}

/// The error of a file whose text is wrong. It has the place alone: the texts of parsers show what stands there, which may be
/// a secret.
fn wrong(path: &Path, place: Option<(u64, u64)>, what: &str) -> ConfigError {
    let place = place.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default();
    unreadable(path, &format_args!("{place}{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(base_url: &str) -> Parts {
        Parts { base_url: Some(base_url.to_owned()), client_id: Some("i".into()), client_secret: Some("s3cret".into()) }
    }

    #[test]
    fn the_first_source_with_a_service_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (local, home) = (folder.path().join("config.json"), folder.path().join("config.yaml"));
        let load = |variables| Environment::from_sources(variables, &local, Some(&home));
        assert!(matches!(load(Parts::default()), Err(ConfigError::Nowhere)));

        let yaml = "authtype: pat\nactiveenvironment: dev\nenvironments:\n  dev:\n    tenanturl: https://t\n    \
                    baseurl: https://home\n    pat:\n      clientid: h\n      clientsecret: hs\n  prod: {}\n";
        std::fs::write(&home, yaml).unwrap();
        let (environment, source) = load(Parts::default()).unwrap();
        assert_eq!((environment.base_url.as_str(), environment.client_id.as_str()), ("https://home", "h"));
        assert_eq!(source, EnvironmentSource::HomeFile { path: home.clone(), name: "dev".to_owned() });

        std::fs::write(&local, r#"{"ClientId": "l", "ClientSecret": "ls", "BaseURL": "https://local"}"#).unwrap();
        let (environment, source) = load(Parts::default()).unwrap();
        assert_eq!(
            (environment.base_url.as_str(), source),
            ("https://local", EnvironmentSource::LocalFile(local.clone()))
        );
        // Files as editors on Windows save them.
        for file in [&local, &home] {
            let marked = format!("\u{feff}{}", std::fs::read_to_string(file).unwrap());
            std::fs::write(file, marked).unwrap();
        }
        assert_eq!(load(Parts::default()).unwrap().0.base_url, "https://local");
        let named = Environment::from_home(&home, Some("dev")).unwrap().unwrap().0;
        assert_eq!(named.base_url, "https://home");
        let (environment, source) = load(parts("https://variables")).unwrap();
        assert_eq!(source, EnvironmentSource::Variables);
        assert_eq!(environment.base_url, "https://variables");
        assert!(!format!("{environment:?}").contains("s3cret"));
    }

    #[test]
    fn an_error_names_the_missing_value() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("config.yaml");
        std::fs::write(&home, "environments:\n  dev:\n    baseurl: https://x\n  empty: {}\n").unwrap();
        let unknown = Environment::from_home(&home, Some("prod")).unwrap_err().to_string();
        assert!(unknown.ends_with("has no environment `prod`; it has `dev`, `empty`"), "{unknown}");
        let advice = "`connectory login` writes it";
        for (name, missing) in [("dev", "`clientid` in `pat`"), ("empty", "`baseurl`")] {
            let incomplete = Environment::from_home(&home, Some(name)).unwrap_err().to_string();
            let expected = format!("the environment `{name}` of {} has no {missing}; {advice}", home.display());
            assert_eq!(incomplete, expected);
        }
        let no_secret = Parts { client_secret: None, ..parts("https://x") };
        let (variables, local) = (folder.path().join("none.json"), folder.path().join("config.json"));
        let error = Environment::from_sources(no_secret, &variables, None).unwrap_err().to_string();
        let expected = "the service of SAIL_BASE_URL has no SAIL_CLIENT_SECRET; set SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, \
                        or unset SAIL_BASE_URL, or give --env NAME";
        assert_eq!(error, expected);
        std::fs::write(&local, r#"{"BaseURL": "https://x"}"#).unwrap();
        let error = Environment::from_sources(Parts::default(), &local, None).unwrap_err().to_string();
        assert!(error.contains("config.json has no `ClientId`; write it there beside `BaseURL`"), "{error}");
        let error = Environment::from_sources(Parts::default(), &variables, Some(&home)).unwrap_err().to_string();
        let choice = "is active; choose one of `dev`, `empty` with `connectory env use NAME` or --env NAME";
        assert!(error.ends_with(choice), "{error}");
    }

    #[test]
    fn the_error_of_a_damaged_file_has_its_place_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (local, home) = (folder.path().join("config.json"), folder.path().join("config.yaml"));
        let load = || Environment::from_sources(Parts::default(), &local, Some(&home)).unwrap_err().to_string();
        let environment = "environments:\n  a:\n    pat:\n      clientsecret: s3cret\n";
        for (damage, place) in [
            ("bad: [\n", "line "),
            ("      clientsecret: s3cret\n", "line 5, column 7"),
            ("  b: s3cret\n", "line 5, column 6"),
            ("    s3cret", "line "),
        ] {
            std::fs::write(&home, format!("{environment}{damage}")).unwrap();
            let error = load();
            assert!(error.contains(place) && !error.contains("s3cret") && !error.contains('\n'), "{error}");
        }
        for damaged in
            ["\"s3cret\"", "{\"ClientSecret\": \"s3cret\" 1}", "{\"ClientId\": 0,\n\"ClientSecret\": \"s3cret\"}"]
        {
            std::fs::write(&local, damaged).unwrap();
            let error = load();
            assert!(error.contains("line 1, column ") && !error.contains("s3cret"), "{error}");
        }
    }
}
