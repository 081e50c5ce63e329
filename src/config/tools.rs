//! Settings of what is done to a database by hand.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Policy, Secret, SourcePolicy, values};

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct Database {
    /// Where everything is kept: sqlite:PATH, or postgres://user:password@host:port/database.
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:geocast.db",
        env = "GEOCAST_DATABASE_URL"
    )]
    #[arg(value_parser = values::database_url, hide_env_values = true)]
    pub database_url: Secret<String>,
}

/// Settings of a backup.
#[derive(Args, Clone, Debug)]
pub struct Backup {
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}

/// Settings of a check.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// Answer in JSON, for programs.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}

/// Settings of a migration.
#[derive(Args, Clone, Debug)]
pub struct Migrate {
    /// Only say what would be run.
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}

/// Settings of a removal.
#[derive(Args, Clone, Debug)]
pub struct Forget {
    /// The node, as in !a1b2c3d4.
    #[arg(value_name = "NODE", value_parser = values::some_text)]
    pub node: String,

    /// Let the node in again. What was removed stays removed.
    #[arg(long)]
    pub undo: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}

/// Settings of an import.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// The recorded file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,

    /// When the recording began, as in 2026-11-21T12:00:00Z. If not given, it is told by what the
    /// gateways' clocks say in it.
    #[arg(long, value_name = "TIME", env = "GEOCAST_BEGAN_AT")]
    #[arg(value_parser = values::moment)]
    pub began_at: Option<i64>,

    /// A channel's key; may be given several times. The default key AQ== is always known.
    #[arg(long, value_name = "NAME=BASE64", env = "GEOCAST_CHANNEL_KEY", value_delimiter = ',')]
    #[arg(value_parser = values::channel_key, hide_env_values = true)]
    pub channel_key: Vec<Secret<String>>,

    /// A node silent for this long starts anew: the same as that of the server.
    #[arg(long, value_name = "SPAN", default_value = "7d", env = "GEOCAST_FORGET_AFTER")]
    #[arg(value_parser = values::span)]
    pub forget_after: Duration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub policy: Policy,

    /// What differs for single sources: the `[[source]]` tables of the file.
    #[arg(skip)]
    pub sources: Vec<SourcePolicy>,
}
