//! The built binary as a command that ends by itself.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// `geocast` with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geocast"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What it answers; it must succeed.
pub(crate) fn answer(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it fails: one line, on standard error.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    one_line(&output)
}

/// The one line of a command that failed.
pub(crate) fn one_line(output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

/// The URL of the database that geocast keeps in `folder`.
pub(crate) fn database_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("geocast.db").display())
}
