//! `~/.sailpoint/config.yaml`, where the official tools and this one keep named environments. Everything else in the file
//! keeps its value. Comments, and how a value is spelled, are not kept.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use connectory_client::{Environment, home_file};
use serde_json::{Map, Value, json};

use crate::files::{self, Readers};

const ACTIVE: &str = "activeenvironment";
const ENVIRONMENTS: &str = "environments";

fn path() -> Result<PathBuf> {
    home_file().context("there is no home directory, in which ~/.sailpoint/config.yaml would be")
}

/// The file as it was read, with changes that are not written yet.
pub struct HomeFile {
    pub path: PathBuf,
    members: Map<String, Value>,
    environments: Map<String, Value>,
    /// Locked while the file is changed, so that no other command's change is lost.
    lock: Option<File>,
}

impl HomeFile {
    /// Reads the file to change it. Waits until no other command changes it.
    pub fn lock() -> Result<Self> {
        let path = path()?;
        let folder = path.parent().context("the file is in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = folder.join(".connectory.lock");
        let locked = File::options().create(true).truncate(false).write(true).open(&lock).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        let locked = locked.with_context(|| format!("cannot lock {}", lock.display()))?;
        Ok(Self { lock: Some(locked), ..Self::read()? })
    }

    /// Reads the file. One that does not exist is empty.
    pub fn read() -> Result<Self> {
        let path = path()?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let file: Option<Value> = serde_saphyr::from_str_with_options(&text, as_official()).map_err(|error| {
            // The parser's own text shows the lines around the place, which may hold a secret.
            let place = error.location().map(|place| format!(" (line {}, column {})", place.line(), place.column()));
            anyhow!("{} cannot be read as YAML{}; fix it first", path.display(), place.unwrap_or_default())
        })?;
        let object = |value: Option<Value>| match value {
            None | Some(Value::Null) => Some(Map::new()),
            Some(Value::Object(members)) => Some(members),
            Some(_) => None,
        };
        let read = || {
            let mut members = object(file)?;
            let environments = object(members.remove(ENVIRONMENTS))?;
            Some((members, environments))
        };
        let Some((members, environments)) = read() else {
            bail!("{} does not hold `environments` as the official tools write them; fix it first", path.display());
        };
        Ok(Self { path, members, environments, lock: None })
    }

    /// Writes the file, for its owner alone. Refuses if credentials would change: they are texts, and a number is written in
    /// its shortest form.
    pub fn write(mut self) -> Result<()> {
        for (name, environment) in &self.environments {
            let is_number = |member: &&str| environment["pat"][*member].is_number();
            if let Some(member) = ["clientid", "clientsecret"].into_iter().find(is_number) {
                bail!(
                    "{}: `{member}` of the environment `{name}` looks like a number, which would be written in another \
                     way; put it in quotes first",
                    self.path.display()
                );
            }
        }
        self.members.insert(ENVIRONMENTS.to_owned(), self.environments.into());
        let text = serde_saphyr::to_string(&self.members).context("the environments cannot be written as YAML")?;
        files::write(&self.path, text.as_bytes(), Readers::Owner)?;
        drop(self.lock);
        Ok(())
    }

    /// The names of the environments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.environments.keys().map(String::as_str)
    }

    /// The name of the active environment.
    pub fn active(&self) -> Option<&str> {
        self.members.get(ACTIVE)?.as_str().filter(|name| !name.is_empty())
    }

    /// The base URL of an environment.
    pub fn base_url(&self, name: &str) -> Option<&str> {
        self.environments.get(name)?.get("baseurl")?.as_str().filter(|url| !url.is_empty())
    }

    /// The client id of an environment.
    pub fn client_id(&self, name: &str) -> Option<&str> {
        self.environments.get(name)?.get("pat")?.get("clientid")?.as_str()
    }

    /// Sets the service and the credentials of an environment.
    pub fn set(&mut self, name: &str, environment: &Environment) {
        let saved = self.environments.entry(name).or_insert_with(|| json!({}));
        if !saved.is_object() {
            *saved = json!({});
        }
        saved["baseurl"] = environment.base_url.as_str().into();
        saved["pat"] = json!({"clientid": environment.client_id, "clientsecret": environment.client_secret});
    }

    /// Makes an environment the active one.
    pub fn activate(&mut self, name: &str) -> Result<()> {
        self.check(name)?;
        self.members.insert(ACTIVE.to_owned(), name.into());
        Ok(())
    }

    /// Removes an environment. If it was the active one, none is active afterwards.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.check(name)?;
        self.environments.remove(name);
        if self.active() == Some(name) {
            self.members.insert(ACTIVE.to_owned(), "".into());
        }
        Ok(())
    }

    /// The names of all environments, in a sentence.
    pub fn known(&self) -> String {
        let names: Vec<_> = self.names().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn check(&self, name: &str) -> Result<()> {
        if !self.environments.contains_key(name) {
            bail!("{} has no environment `{name}`; it has {}", self.path.display(), self.known());
        }
        Ok(())
    }
}

/// How the official tools read values: `yes` is a text, and `0644` has the base 8.
fn as_official() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true, legacy_octal_numbers: true }
}
