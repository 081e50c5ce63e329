//! Settings of the benchmarks.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Secret, values};

/// Settings of a benchmark.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// Which made-up mesh, views and updates: the same seed makes the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, global = true)]
    pub seed: u64,

    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,

    /// What to measure.
    #[command(subcommand)]
    pub benchmark: Benchmark,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Benchmark {
    /// Messages on their way from the broker to the disk: what each costs, stage by stage.
    Ingest(Ingest),
    /// Many clients, many updates: what each costs the server, and how late it comes.
    Fanout(Fanout),
    /// The whole picture: what it costs to send, to one and to a thousand, anew and after a pause.
    Snapshot(Snapshot),
    /// Clients that watch while nothing happens: what each costs to have.
    Idle(Idle),
    /// Who sees which of a tick's changes, and nothing else: every way to find it out.
    Spatial(Spatial),
    /// What a tick costs while the map grows in one way and in no other.
    Growth(Growth),
}

/// Settings of `geocast bench ingest`.
#[derive(Args, Clone, Debug)]
pub struct Ingest {
    /// How many messages gateways publish.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub publishes: u32,

    /// How many nodes speak.
    #[arg(long, value_name = "COUNT", default_value_t = 5000)]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub nodes: u32,

    /// How many gateways publish a copy of each packet, on average: 1 to 3.
    #[arg(long, value_name = "NUMBER", default_value_t = 2.3, value_parser = values::copies)]
    pub copies: f64,

    /// Publish what is in this recording instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["publishes", "nodes", "copies"])]
    pub recording: Option<PathBuf>,

    /// An empty database to store in, which one run fills: with --direct what storing costs alone
    /// is measured, without it the whole way. If not given, both are, in new SQLite files.
    #[arg(long, value_name = "URL", value_parser = values::database_url)]
    pub database_url: Option<Secret<String>>,

    /// Without a broker and a server: decode and store in this process.
    #[arg(long)]
    pub direct: bool,
}

/// What the views of clients are drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// Everybody looks at everything.
    World,
    /// Some 8 by 6 degrees, where nodes are.
    Country,
    /// Some 0.5 by 0.3 degrees, where nodes are.
    #[default]
    City,
}

/// What clients and server speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WireEncoding {
    /// Text.
    Json,
    /// Protocol buffers.
    #[default]
    Binary,
}

/// How many clients are compared with what is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Each of them.
    All,
    /// So many.
    Some(usize),
}

/// Who looks where.
#[derive(Args, Clone, Debug)]
pub struct Crowd {
    /// How many clients look.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: u32,

    /// What their views are drawn from.
    #[arg(long, value_enum, default_value_t)]
    pub views: Views,

    /// What they speak.
    #[arg(long, value_enum, default_value_t)]
    pub encoding: WireEncoding,

    /// What they ask for, as `messageTypes` of a filter: all of it if not given.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    #[arg(value_parser = ["node", "position", "telemetry", "message", "status"])]
    pub types: Vec<String>,
}

/// Which server is measured.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Another server than this program")]
pub struct UnderTest {
    /// Measure the server that answers here, as ws://127.0.0.1:8080. It must listen to --mqtt.
    #[arg(long, value_name = "URL", requires = "mqtt")]
    #[arg(value_parser = values::socket_url)]
    pub server: Option<Url>,

    /// The broker to publish to, as mqtt://127.0.0.1:1883. If not given, mosquitto is started, or
    /// geocast's own broker where there is none.
    #[arg(long, value_name = "URL")]
    #[arg(value_parser = values::mqtt_url)]
    pub mqtt: Option<Secret<Url>>,

    /// The process of that server, to watch what it uses.
    #[arg(long, value_name = "PID", requires = "server")]
    pub server_pid: Option<u32>,
}

/// Settings of `geocast bench fanout`.
#[derive(Args, Clone, Debug)]
pub struct Fanout {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub crowd: Crowd,

    /// How many nodes there are.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub nodes: u32,

    /// How many positions are published a second.
    #[arg(long, value_name = "RATE", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub updates: u32,

    /// How long to measure.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,

    /// How many clients read everything, tell how late it was, and are compared with what is true
    /// in the end: a number, or all.
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = values::sample)]
    pub check: Sample,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub under_test: UnderTest,
}

/// Settings of `geocast bench snapshot`.
#[derive(Args, Clone, Debug)]
pub struct Snapshot {
    /// How many nodes there are; each number is a run of its own.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,10000,100000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub nodes: Vec<u32>,

    /// A million nodes as well.
    #[arg(long)]
    pub full: bool,

    /// What clients speak.
    #[arg(long, value_enum, default_value_t)]
    pub encoding: WireEncoding,

    /// How many clients come all at once, each with the view of a city.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub storm: u32,

    /// How long clients are away that come back with a cursor, while 1000 updates a second go on.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub away: u32,
}

/// How many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// So many.
    Some(u32),
    /// As many as the limit on open files allows.
    Max,
}

/// Settings of `geocast bench idle`.
#[derive(Args, Clone, Debug)]
pub struct Idle {
    /// How many clients there are, or max, for as many as may be open files; each number is a run
    /// of its own.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,10000,max")]
    #[arg(value_parser = values::connections)]
    pub clients: Vec<Connections>,

    /// What their views are drawn from.
    #[arg(long, value_enum, default_value_t)]
    pub views: Views,

    /// What they speak.
    #[arg(long, value_enum, default_value_t)]
    pub encoding: WireEncoding,

    /// How many nodes there are.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub nodes: u32,

    /// How long nothing happens. Heartbeats go on, one every 30 seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub under_test: UnderTest,
}

/// Settings of `geocast bench spatial`.
#[derive(Args, Clone, Debug)]
pub struct Spatial {
    /// How many clients look.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,10000,50000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: Vec<u32>,

    /// How many nodes have changed in the tick; each with each number of clients.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,10000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub updates: Vec<u32>,

    /// What their views are drawn from.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "city,country,world")]
    pub views: Vec<Views>,
}

/// Settings of `geocast bench growth`.
#[derive(Args, Clone, Debug)]
pub struct Growth {
    /// How many clients look where nothing happens.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,5000,20000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: Vec<u32>,

    /// How many nodes are at rest.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,10000,100000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub nodes: Vec<u32>,

    /// How many clients look where nodes move, each at a rectangle of its own.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "100,500,2500")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub watchers: Vec<u32>,

    /// How many nodes move in each tick.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub updates: u32,
}
