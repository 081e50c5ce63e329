//! The configuration file: each `name = value` stands for a flag that was not given.

use std::{ffi::OsString, path::Path};

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};
use toml::Value;

/// The tables of single sources, which stand for no flag.
const SOURCES: &str = "source";

/// The same command line, but with nothing required: what is missing may stand in the file.
pub(super) fn lenient(command: Command) -> Command {
    command.mut_subcommands(|sub| {
        sub.mut_args(|arg| if arg.is_positional() { arg } else { arg.required(false) })
    })
}

/// The settings in the file at `path` as arguments, without those that `matches` holds from the
/// command line or the environment.
pub(super) fn arguments(
    path: &Path,
    command: &Command,
    matches: &ArgMatches,
) -> Result<Vec<OsString>, clap::Error> {
    let fail = |message: String| failed(path, &message);
    let table = read(path)?;
    let Some((sub_command, sub_matches)) = innermost(command, matches) else {
        return Ok(Vec::new());
    };
    let mut arguments = Vec::new();
    for (setting, value) in table.iter().filter(|(setting, _)| *setting != SOURCES) {
        let find = |command: &Command| {
            let mut flags = command.get_arguments().filter(|arg| arg.get_long().is_some());
            flags.find(|arg| arg.get_long() == Some(setting)).map(|arg| arg.get_id().clone())
        };
        let Some(id) = find(sub_command).or_else(|| find(command)) else {
            if command.get_subcommands().any(|other| find(other).is_some()) {
                continue;
            }
            return Err(fail(format!("unknown setting `{setting}`; {}", known(sub_command))));
        };
        let given = [ValueSource::CommandLine, ValueSource::EnvVariable];
        let source = sub_matches.value_source(id.as_str());
        if setting == "config" || source.is_some_and(|source| given.contains(&source)) {
            continue;
        }
        let values = written(value).ok_or_else(|| {
            fail(format!("`{setting}` must be a text, a number, or a list of texts"))
        })?;
        arguments.extend(values.into_iter().map(|value| format!("--{setting}={value}").into()));
    }
    Ok(arguments)
}

/// The command that is given, which may be one of another's.
fn innermost<'a>(
    command: &'a Command,
    matches: &'a ArgMatches,
) -> Option<(&'a Command, &'a ArgMatches)> {
    let (name, matches) = matches.subcommand()?;
    let command = command.find_subcommand(name)?;
    Some(innermost(command, matches).unwrap_or((command, matches)))
}

/// What stands in the file of single sources.
pub(super) fn sources(path: &Path) -> Result<Vec<toml::Table>, clap::Error> {
    let is = |value| match value {
        Value::Table(table) => Some(table),
        _ => None,
    };
    let sources = match read(path)?.remove(SOURCES) {
        None => Some(Vec::new()),
        Some(Value::Array(sources)) => sources.into_iter().map(is).collect(),
        Some(_) => None,
    };
    sources.ok_or_else(|| failed(path, "`source` must be tables, each begun with [[source]]"))
}

fn read(path: &Path) -> Result<toml::Table, clap::Error> {
    let text = std::fs::read_to_string(path).map_err(|error| failed(path, &error.to_string()))?;
    // Without the line itself, which may hold a password.
    text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        failed(path, &format!("line {line}: {}", error.message()))
    })
}

fn failed(path: &Path, message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{}: {message}\n", path.display()))
}

/// A value as flags have it.
pub(super) fn written(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(number) => Some(vec![number.to_string()]),
        Value::Float(number) => Some(vec![number.to_string()]),
        Value::Array(values) => {
            let written = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                _ => None,
            };
            values.iter().map(written).collect()
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn known(command: &Command) -> String {
    let flags = command.get_arguments().filter_map(clap::Arg::get_long);
    let names: Vec<_> =
        flags.filter(|name| !matches!(*name, "help" | "version" | "config")).collect();
    format!("known ones are {}", names.join(", "))
}
