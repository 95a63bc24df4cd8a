//! Which warnings of lint an author allows: by `--allow`, or in the file `lint.toml` beside the connector folders.
//!
//! ```toml
//! allow = ["untranslated"]
//!
//! [folders.hr-system]
//! allow = ["unused-translation"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, str};

use anyhow::{Context, Result, bail};
use connectory_folder::is_almost;
use connectory_folder::lint::{NoWarning, Rule};
use connectory_folder::local::{LocalFolders, read_file};
use connectory_model::limits::DOCUMENT_BYTES;
use connectory_model::visible;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The file that has the allowed warnings.
pub const LINT_FILE: &str = "lint.toml";

/// The warnings that are not reported.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allowed {
    #[serde(deserialize_with = "warnings")]
    allow: Vec<Warning>,
    folders: BTreeMap<String, InFolder>,
}

/// The warnings that are not reported in one connector folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFolder {
    #[serde(deserialize_with = "warnings")]
    allow: Vec<Warning>,
}

/// Reads a list of rules. An error shows how a list is written.
fn warnings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Warning>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Warning>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list, such as `allow = [\"untranslated\"]`")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_seq(List)
}

/// A rule that may be allowed to be broken.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Warning(&'static Rule);

impl TryFrom<String> for Warning {
    type Error = NoWarning;

    fn try_from(id: String) -> Result<Self, NoWarning> {
        id.parse()
    }
}

impl str::FromStr for Warning {
    type Err = NoWarning;

    fn from_str(id: &str) -> Result<Self, NoWarning> {
        Rule::warning(id).map(Self)
    }
}

impl Allowed {
    /// Reads what `lint.toml` allows, if there is one: in the folder of connector folders. If one connector folder was
    /// given, in that folder, or else in the folder around it.
    pub fn read(local: &LocalFolders) -> Result<Self> {
        let Some(path) = lint_file(local)? else { return Ok(Self::default()) };
        let shown = || visible(&path.display().to_string()).into_owned();
        let bytes = read_file(&path, DOCUMENT_BYTES)?.with_context(|| format!("{} is too long", shown()))?;
        let text = str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", shown()))?;
        let allowed: Self = toml::from_str(text).with_context(|| format!("{} is wrong", shown()))?;
        let around = path.parent().unwrap_or(Path::new(""));
        let is_missing = |folder: &&String| !local.is_connector && !around.join(folder).is_dir();
        match allowed.folders.keys().find(is_missing) {
            Some(folder) => bail!("{} is wrong: there is no folder `{}` beside it", shown(), visible(folder)),
            None => Ok(allowed),
        }
    }

    /// Allows more warnings everywhere.
    pub fn and(mut self, warnings: &[Warning]) -> Self {
        self.allow.extend(warnings);
        self
    }

    /// Whether a rule is allowed to be broken in a folder of this name.
    pub fn allows(&self, folder: &str, rule: &'static Rule) -> bool {
        self.allow.contains(&Warning(rule)) || self.allows_in(folder, rule)
    }

    /// Whether a rule is allowed to be broken in a folder of this name, and not everywhere.
    pub fn allows_in(&self, folder: &str, rule: &'static Rule) -> bool {
        self.folders.get(folder).is_some_and(|folder| folder.allow.contains(&Warning(rule)))
    }
}

/// The path of the file, if there is one. A file whose name is almost right is an error: it would allow nothing, without
/// a word.
fn lint_file(local: &LocalFolders) -> Result<Option<PathBuf>> {
    let mut folders = vec![local.dir.clone()];
    if local.is_connector {
        let dir = local.dir.canonicalize().with_context(|| format!("cannot read {}", local.dir.display()))?;
        folders.extend(dir.parent().map(Path::to_owned));
    }
    for folder in folders {
        let path = folder.join(LINT_FILE);
        if path.symlink_metadata().is_ok() {
            return Ok(Some(path));
        }
        // The folder around a connector folder may be one that cannot be listed.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A connector may have such a name.
            let is_folder = entry.file_type().is_ok_and(|entry| entry.is_dir());
            if !is_folder && is_almost(&name, LINT_FILE) {
                let path = entry.path().display().to_string();
                bail!("{} is not read; did you mean `{LINT_FILE}`?", visible(&path));
            }
        }
    }
    Ok(None)
}
