//! The settings file. Each setting is read as the option of its name, so both take the same values and have the same
//! errors.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, Command};
use toml::{Spanned, Value};

/// The option that is no setting: a file cannot name another file.
const CONFIG: &str = "config";

/// Reads options from the text of a TOML file. The path is for errors.
pub fn options<T: Args>(path: &Path, text: &str) -> Result<T> {
    let command = T::augment_args(Command::new("settings").no_binary_name(true).disable_help_flag(true));
    // A list in the file has its own commas, and a variable is no part of the file.
    let command = command.mut_args(|arg| arg.value_delimiter(Resettable::Reset).env(Resettable::Reset));
    let read = toml::from_str::<BTreeMap<Spanned<String>, Spanned<Value>>>(text);
    let line = |start: usize| text[..start].matches('\n').count() + 1;
    let read = read.map_err(|error| {
        // The error's whole text shows the line, which may hold a secret.
        let line = line(error.span().unwrap_or_default().start);
        anyhow!("{}, line {line}: it is no TOML: {}", path.display(), error.message())
    })?;
    let mut settings: Vec<_> = read.into_iter().collect();
    settings.sort_by_key(|(name, _)| name.span().start);
    let mut options = Vec::new();
    for (name, value) in settings {
        let line = line(name.span().start);
        let written = option(&command, name.get_ref(), value.get_ref());
        options.extend(written.map_err(|why| anyhow!("{}, line {line}: {why}", path.display()))?);
    }
    Ok(T::from_arg_matches(&command.try_get_matches_from(options)?)?)
}

/// A setting as it is written on the command line.
fn option(command: &Command, name: &str, value: &Value) -> Result<Vec<String>> {
    let find = |name: &str| command.get_arguments().find(|arg| arg.get_id() == name && name != CONFIG);
    let Some(known) = find(name) else {
        // The same name with other marks, or a similar one that `clap` finds.
        let same = Some(name.replace('-', "_")).filter(|same| find(same).is_some());
        let tried = command.clone().try_get_matches_from([format!("--{}=", name.replace('_', "-"))]);
        let similar = same.or_else(|| match tried.err()?.get(ContextKind::SuggestedArg)? {
            ContextValue::String(option) => Some(option.trim_start_matches('-').replace('-', "_")),
            _ => None,
        });
        let advice = match similar.filter(|similar| similar != CONFIG) {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => "`connectory serve --help` lists the options, which are settings with `_` for `-`".to_owned(),
        };
        bail!("`{name}` is not a setting; {advice}");
    };
    let values = match value {
        Value::Array(values) if matches!(known.get_action(), ArgAction::Append) => values.as_slice(),
        Value::Array(_) => bail!("`{name}` has one value, not a list"),
        value => std::slice::from_ref(value),
    };
    let written = values.iter().map(|value| match value {
        Value::Array(_) | Value::Table(_) => Err(anyhow!("`{name}` has a text or a number as its value")),
        Value::String(text) => Ok(format!("--{}={text}", name.replace('_', "-"))),
        number => Ok(format!("--{}={number}", name.replace('_', "-"))),
    });
    let written = written.collect::<Result<Vec<_>>>()?;
    match command.clone().try_get_matches_from(&written) {
        Ok(_) => Ok(written),
        Err(error) if error.kind() == ErrorKind::ValueValidation => match error.source() {
            Some(why) => Err(anyhow!("`{name}`: {why}")),
            None => Err(anyhow!("`{name}` has a wrong value")),
        },
        Err(_) => Err(anyhow!("`{name}` has no value")),
    }
}
