//! How long histories are kept.

use std::time::Duration;

use clap::{Args, CommandFactory as _, error::ErrorKind};

use super::values;

/// What is kept of histories. Ages are by when this server heard of something; zero is for ever.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Retention")]
pub struct Retention {
    /// How long packets are kept, with their receptions; 0 is for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d", env = "GEOCAST_KEEP_PACKETS")]
    #[arg(value_parser = values::age)]
    pub keep_packets: Duration,

    /// How long it is kept where nodes were; 0 is for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d", env = "GEOCAST_KEEP_POSITIONS")]
    #[arg(value_parser = values::age)]
    pub keep_positions: Duration,

    /// How long it is kept what nodes measured; 0 is for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d", env = "GEOCAST_KEEP_TELEMETRY")]
    #[arg(value_parser = values::age)]
    pub keep_telemetry: Duration,

    /// How long messages are kept; 0 is for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d", env = "GEOCAST_KEEP_MESSAGES")]
    #[arg(value_parser = values::age)]
    pub keep_messages: Duration,

    /// How long it is kept who heard whom; 0 is for ever.
    #[arg(long, value_name = "SPAN", default_value = "30d", env = "GEOCAST_KEEP_LINKS")]
    #[arg(value_parser = values::age)]
    pub keep_links: Duration,

    /// How large an SQLite database may be, as in 2GB or 500MiB: beyond that the oldest history is
    /// removed, whatever its age; 0 is without a ceiling.
    #[arg(long, value_name = "SIZE", default_value = "0", env = "GEOCAST_MAX_DATABASE_BYTES")]
    #[arg(value_parser = values::size)]
    pub max_database_bytes: u64,
}

impl Retention {
    /// Whether it goes together with the database.
    pub(super) fn check(&self, database_url: &str) -> Result<(), clap::Error> {
        if self.max_database_bytes == 0 || database_url.starts_with("sqlite:") {
            return Ok(());
        }
        let message = "--max-database-bytes is for SQLite: a Postgres database has no ceiling";
        Err(super::Cli::command().error(ErrorKind::ValueValidation, message))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_ceiling_is_for_sqlite() {
        let parse = |url| {
            let line = ["geocast", "serve", "--max-database-bytes", "1GB", "--database-url", url];
            crate::config::parse(line.map(Into::into))
        };
        assert!(parse("sqlite:geocast.db").is_ok());
        let error = parse("postgres://localhost/geocast").unwrap_err().to_string();
        assert!(error.contains("--max-database-bytes is for SQLite"), "{error}");
    }
}
