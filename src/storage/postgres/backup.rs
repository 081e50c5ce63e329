//! A copy of a database by `pg_dump`, which knows best how.

use std::{io::ErrorKind, path::Path, process::Stdio};

use tokio::process::Command;
use url::{Url, form_urlencoded};

use super::connection::Server;
use crate::storage::{Copied, PostgresLimits, StoreError, draft::Draft};

/// The format that `pg_restore` reads, without what a run leaves for the next one: a server that
/// starts from a copy begins a new epoch, as clients may have seen more than it holds.
const OPTIONS: [&str; 2] = ["--format=custom", "--exclude-table-data=continuation"];

/// Copies the database of this URL to `to`.
pub(in crate::storage) async fn back_up(url: &str, to: &Path) -> Result<Copied, StoreError> {
    Server::parse(url, PostgresLimits::default())?;
    let (url, password) = without_password(url)?;
    let copy = Draft::new(to, 0o600)?;
    let mut dump = Command::new("pg_dump");
    dump.args(OPTIONS)
        .arg("--no-password")
        .arg(format!("--dbname={url}"))
        .arg("--file")
        .arg(copy.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(password) = password {
        // Arguments can be read by every user of the machine.
        dump.env("PGPASSWORD", password);
    }
    let output = dump.output().await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => copy.refused(&missing(&url)),
        _ => copy.refused(&format!("pg_dump: {error}")),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(copy.refused(&said.lines().collect::<Vec<_>>().join("; ")));
    }
    Ok(Copied { bytes: copy.publish()?, rows: Vec::new() })
}

fn missing(url: &Url) -> String {
    let options = OPTIONS.join(" ");
    format!(
        "pg_dump is not installed here; install the PostgreSQL client programs of the server's \
         version or newer, or run this where they are: pg_dump {options} --file=FILE '{url}'"
    )
}

/// A URL without its password, and the password.
fn without_password(url: &str) -> Result<(Url, Option<String>), StoreError> {
    let unusable = |error: url::ParseError| StoreError::UnsupportedUrl(error.to_string());
    let mut named = Url::parse(url).map_err(unusable)?;
    let mut password = named.password().map(|encoded| {
        // Percent-encoded as in a form, but for what has a meaning only there.
        let value = encoded.replace('+', "%2B").replace('&', "%26");
        form_urlencoded::parse(format!("={value}").as_bytes()).map(|(_, text)| text).collect()
    });
    // One without a host has no password to take away.
    let _ = named.set_password(None);
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in named.query_pairs() {
        if name == "password" {
            password = Some(value.into_owned());
        } else {
            kept.append_pair(&name, &value);
        }
    }
    let kept = kept.finish();
    named.set_query((!kept.is_empty()).then_some(kept.as_str()));
    Ok((named, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_a_url_as_it_was_meant() {
        for (url, without, password) in [
            ("postgres://u@h/d", "postgres://u@h/d", None),
            ("postgres://u:a%20b+c&d%25@h:5/d", "postgres://u@h:5/d", Some("a b+c&d%")),
            (
                "postgres://u@h/d?sslmode=require&password=x%26y",
                "postgres://u@h/d?sslmode=require",
                Some("x&y"),
            ),
        ] {
            let (named, found) = without_password(url).unwrap();
            assert_eq!((named.as_str(), found.as_deref()), (without, password));
        }
    }
}
