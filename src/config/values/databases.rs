//! Databases.

use url::Url;

use super::Secret;

pub(in crate::config) fn database_url(text: &str) -> Result<Secret<String>, String> {
    let is_known = match text.split_once(':') {
        Some(("sqlite", path)) => !path.trim_start_matches('/').is_empty(),
        Some(("postgres" | "postgresql", _)) => Url::parse(text).is_ok(),
        _ => false,
    };
    let allowed = "sqlite:PATH, sqlite::memory: or postgres://user:password@host:port/database \
        is needed";
    if is_known { Ok(Secret::new(text.to_owned())) } else { Err(allowed.to_owned()) }
}

/// A database's URL as a name: without the password, which may change.
pub fn without_password(url: &str) -> String {
    let Some(mut named) = Url::parse(url).ok().filter(|url| url.scheme() != "sqlite") else {
        return url.to_owned();
    };
    // One without a host has no password to take away.
    let _ = named.set_password(None);
    let kept: Vec<_> = named.query_pairs().filter(|(name, _)| name != "password").collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    named.set_query((!query.is_empty()).then_some(query.as_str()));
    named.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_file_or_a_postgres() {
        for legal in [
            "sqlite:geocast.db",
            "sqlite::memory:",
            "postgres://map:p%40ss@db.example:5432/map?sslmode=require",
            "postgresql://db/map",
            "postgres:///map?host=/run/postgresql",
        ] {
            let url = database_url(legal).unwrap();
            assert_eq!((url.expose().as_str(), format!("{url:?}").as_str()), (legal, "(secret)"));
        }
        for illegal in ["", "geocast.db", "sqlite:", "mysql://db/map", "postgres://db:port/map"] {
            assert!(database_url(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let named = "postgres://map@db/map?sslmode=require";
        assert_eq!(without_password("postgres://map:x@db/map?sslmode=require"), named);
        assert_eq!(without_password("postgres://map@db/map?password=x&sslmode=require"), named);
        assert_eq!(without_password("sqlite:a b.db"), "sqlite:a b.db");
    }
}
