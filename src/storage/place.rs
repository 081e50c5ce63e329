//! Which database a URL names.

use std::path::PathBuf;

use super::StoreError;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `SQLite`, gone when it is closed.
    Memory,
    /// `SQLite` in a file.
    File(PathBuf),
    /// A Postgres server; the URL says which, and how to be let in.
    Postgres,
}

impl Place {
    /// `sqlite:PATH`, `sqlite://PATH`, `sqlite::memory:` or `postgres://...`.
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        let unsupported = |reason: &str| Err(StoreError::UnsupportedUrl(reason.to_owned()));
        let Some((scheme, rest)) = url.split_once(':') else {
            return unsupported("it has no scheme");
        };
        match (scheme, rest.strip_prefix("//").unwrap_or(rest)) {
            ("postgres" | "postgresql", _) => Ok(Self::Postgres),
            ("sqlite", "") => unsupported("it has no path"),
            ("sqlite", ":memory:") => Ok(Self::Memory),
            ("sqlite", path) if path.contains('?') => unsupported("it has parameters"),
            ("sqlite", path) => Ok(Self::File(path.into())),
            _ => {
                let is_named = scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
                let scheme = if is_named { scheme } else { "?" };
                unsupported(&format!("its scheme is {scheme}"))
            }
        }
    }
}
