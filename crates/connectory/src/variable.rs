//! The environment variable that a wrong value comes from. `clap` names only the option that has the variable.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, Error};

/// Adds the name of the variable to the error of a command line, if the value was not on the command line itself.
pub fn name_variable(error: &mut Error, command: &Command, line: impl IntoIterator<Item = OsString>) {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return };
    // Shown as `--log <FILTER>`.
    let Some(option) = shown.split(' ').next().and_then(|word| word.strip_prefix("--")) else { return };
    let is_option = |word: OsString| {
        let word = word.to_string_lossy().into_owned();
        word.strip_prefix("--").is_some_and(|word| word.split('=').next() == Some(option))
    };
    if let Some(variable) = variable_of(option, command)
        && std::env::var_os(&variable).is_some()
        && !line.into_iter().any(is_option)
    {
        let tip = format!("the value is that of the environment variable {}", variable.to_string_lossy());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

/// The variable of an option, in whichever command it is: options of one name have the same variable.
fn variable_of(option: &str, command: &Command) -> Option<OsString> {
    let own = command.get_arguments().find(|arg| arg.get_long() == Some(option) && arg.get_env().is_some());
    let own = own.and_then(|arg| arg.get_env()).map(OsString::from);
    own.or_else(|| command.get_subcommands().find_map(|command| variable_of(option, command)))
}
