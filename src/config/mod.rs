//! Configuration: plain values from flags, the environment and a file. Knows nobody.
//!
//! Every flag `--some-name` can also stand in the environment as `GEOCAST_SOME_NAME` and in the
//! TOML file given with `--config` as `some-name = ...`. A flag wins over the environment, and
//! the environment over the file. `geocast help COMMAND` is the reference.

#![expect(clippy::doc_markdown, reason = "the comments on flags are the help texts")]

mod access;
mod bench;
mod file;
mod limits;
mod map;
mod policy;
mod recording;
mod retention;
mod tools;
mod values;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use url::Url;

pub use access::{Access, CreateToken, OnOff, RevokeToken, Role, Token, TokenAction};
pub use bench::{
    Bench, Benchmark, Connections, Crowd, Fanout, Growth, Idle, Ingest, Sample, Snapshot, Spatial,
    UnderTest, Views, WireEncoding,
};
pub use limits::Limits;
pub use map::Map;
pub use policy::{Degrees, HomeZone, PerSpan, Policy, Region, SourcePolicy, Treatment};
pub use recording::{Record, Replay};
pub use retention::Retention;
pub use tools::{Backup, Check, Database, Forget, Import, Migrate};
pub use values::{Secret, without_password};

/// A live map of a mesh network: MQTT in, exactly what changes in each browser's view out.
#[derive(Debug, Parser)]
#[command(name = "geocast", version, propagate_version = true, subcommand_required = true)]
pub struct Cli {
    /// Settings from this TOML file, one `name = value` for each flag `--name`.
    #[arg(long, value_name = "FILE", env = "GEOCAST_CONFIG", global = true)]
    pub config: Option<PathBuf>,

    /// How log lines are written.
    #[arg(long, value_enum, default_value_t, env = "GEOCAST_LOG_FORMAT", global = true)]
    pub log_format: LogFormat,

    /// What is logged, as in `warn,geocast=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn,geocast=info",
        env = "GEOCAST_LOG",
        global = true
    )]
    #[arg(value_parser = values::log_filter)]
    pub log: String,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Where traces are sent, if anywhere.
    pub fn otlp_endpoint(&self) -> Option<&Url> {
        match &self.command {
            Command::Serve(Serve { map, .. }) | Command::Demo(Demo { map, .. }) => {
                map.otlp_endpoint.as_ref()
            }
            _ => None,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What geocast can do.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub enum Command {
    /// Run the server: take in packets, store them, show them.
    Serve(Serve),
    /// Show a simulated mesh: broker, database and map in one, leaving nothing behind.
    Demo(Demo),
    /// Record MQTT messages to a file.
    Record(Record),
    /// Publish a recorded file to a broker.
    Replay(Replay),
    /// Fill a database from a recorded file, without a broker.
    Import(Import),
    /// Copy the database into a file; the server may go on meanwhile.
    Backup(Backup),
    /// Look through the database: is it sound, and what is in it?
    Check(Check),
    /// Bring the schema of the database up to date, as the server does at its start.
    Migrate(Migrate),
    /// Make, list and revoke the tokens that people and programs are known by.
    Token(Token),
    /// Remove a node everywhere, history included, and keep it out.
    Forget(Forget),
    /// Measure how fast it is, here.
    Bench(Bench),
    /// The clients and publishers of a benchmark, which starts them.
    #[command(hide = true)]
    BenchLoad,
}

/// Settings of the server.
#[derive(Args, Clone, Debug)]
pub struct Serve {
    /// Where the map, the API and the metrics are served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "GEOCAST_LISTEN")]
    #[arg(value_parser = values::address)]
    pub listen: SocketAddr,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,

    /// Connections to Postgres at a time: one writes, the others read.
    #[arg(long, value_name = "COUNT", default_value_t = 5, env = "GEOCAST_DATABASE_CONNECTIONS")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,

    /// How long Postgres may take to answer before it is given up and asked again.
    #[arg(long, value_name = "SPAN", default_value = "30s", env = "GEOCAST_DATABASE_TIMEOUT")]
    #[arg(value_parser = values::span)]
    pub database_timeout: Duration,

    /// A broker to read from, as mqtt://user:password@host:1883 or mqtts://...; may be given
    /// several times. Without one, geocast is a broker itself.
    #[arg(long, value_name = "URL", env = "GEOCAST_MQTT_URL", value_delimiter = ',')]
    #[arg(value_parser = values::mqtt_url, hide_env_values = true)]
    pub mqtt_url: Vec<Secret<Url>>,

    /// Certificates (PEM) of the authorities to trust for mqtts://, in place of the usual ones.
    #[arg(long, value_name = "FILE", env = "GEOCAST_MQTT_CA")]
    pub mqtt_ca: Option<PathBuf>,

    /// What to subscribe to; may be given several times. $share/GROUP/FILTER shares it out among
    /// the servers that name the same group.
    #[arg(long, value_name = "FILTER", default_value = "msh/#", env = "GEOCAST_MQTT_TOPIC")]
    #[arg(value_parser = values::topic_filter, value_delimiter = ',')]
    pub mqtt_topic: Vec<String>,

    /// Names this server to its brokers, which keep messages for it while it is away: stable, and
    /// different for every server on one broker. Made from the machine and the database if not given.
    #[arg(long, value_name = "ID", env = "GEOCAST_MQTT_CLIENT_ID")]
    #[arg(value_parser = values::client_id)]
    pub mqtt_client_id: Option<String>,

    /// A channel's key; may be given several times. The default key AQ== is always known.
    #[arg(long, value_name = "NAME=BASE64", env = "GEOCAST_CHANNEL_KEY", value_delimiter = ',')]
    #[arg(value_parser = values::channel_key, hide_env_values = true)]
    pub channel_key: Vec<Secret<String>>,

    /// How long a broker may leave a question unanswered before it is given up for a while.
    #[arg(long, value_name = "SPAN", default_value = "10s", env = "GEOCAST_MQTT_TIMEOUT")]
    #[arg(value_parser = values::patience)]
    pub mqtt_timeout: Duration,

    /// Messages received and not committed yet, at most: those that wait and those being
    /// committed. Beyond it nothing is read, and brokers hold the rest.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, env = "GEOCAST_MAX_PENDING")]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub max_pending: u32,

    /// Where the embedded broker listens; port 0 takes a free one. Only without --mqtt-url.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    #[arg(value_parser = values::address, env = "GEOCAST_BROKER_LISTEN")]
    pub broker_listen: SocketAddr,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub policy: Policy,

    /// What differs for single sources: the `[[source]]` tables of the file.
    #[arg(skip)]
    pub sources: Vec<SourcePolicy>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub map: Map,
}

/// Settings of the demonstration.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Where the map is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "GEOCAST_LISTEN")]
    #[arg(value_parser = values::address)]
    pub listen: SocketAddr,

    /// Where the embedded broker listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    #[arg(value_parser = values::address, env = "GEOCAST_BROKER_LISTEN")]
    pub broker_listen: SocketAddr,

    /// How many nodes there are.
    #[arg(long, value_name = "COUNT", default_value_t = 300, env = "GEOCAST_NODES")]
    #[arg(value_parser = clap::value_parser!(u16).range(20..=5000))]
    pub nodes: u16,

    /// The same seed gives the same mesh.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, env = "GEOCAST_SEED")]
    pub seed: u64,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub map: Map,
}

/// The configuration from these arguments (the program's name first), the environment, and the
/// file that they name.
pub fn parse<I>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = OsString>,
{
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = file::lenient(Cli::command()).try_get_matches_from(&arguments).map_err(hushed)?;
    if let Some(path) = matches.get_one::<PathBuf>("config") {
        arguments.extend(file::arguments(path, &Cli::command(), &matches)?);
    }
    let matches = Cli::command().try_get_matches_from(&arguments).map_err(hushed)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let of_sources = match &cli.config {
        Some(path) => file::sources(path)?,
        None => Vec::new(),
    };
    match &mut cli.command {
        Command::Serve(Serve { policy, sources, .. })
        | Command::Import(Import { policy, sources, .. }) => {
            policy.check()?;
            *sources = policy.of_sources(of_sources)?;
        }
        _ => {}
    }
    match &cli.command {
        Command::Serve(Serve { map, database, .. }) => {
            map.limits.check()?;
            map.access.check()?;
            map.retention.check(database.database_url.expose())?;
        }
        Command::Demo(Demo { map, .. }) => {
            map.limits.check()?;
            map.access.check()?;
        }
        Command::Record(_)
        | Command::Replay(_)
        | Command::Import(_)
        | Command::Backup(_)
        | Command::Check(_)
        | Command::Migrate(_)
        | Command::Token(_)
        | Command::Forget(_)
        | Command::Bench(_)
        | Command::BenchLoad => {}
    }
    Ok(cli)
}

/// The same error without the secrets that a wrong value may hold: under a service manager, what
/// is printed is logged.
fn hushed(mut error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (flag, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let is_secret = ["--channel-key", "--admin-token"].iter().any(|name| flag.starts_with(name));
    let shown = if is_secret || value.contains("password=") {
        "(not shown)".to_owned()
    } else if let Some((_, host)) = value.rsplit_once('@') {
        format!("(not shown)@{host}")
    } else {
        return error;
    };
    error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    error
}
