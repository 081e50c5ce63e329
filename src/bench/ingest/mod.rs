//! Ingest: what a publish costs on its way from the broker to the disk, by stage.

mod stages;
mod traffic;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tracing::info;

use self::{
    stages::{Cost, Meter},
    traffic::{Traffic, packets},
};
use super::{
    Report, Target,
    host::{Host, Start, this_program},
    machine::{LOAD_CORE, start_on},
    usage::now_ns,
};
use crate::{
    config,
    domain::{Clock, Report as Said},
    storage,
};

/// Nodes silent for this long start anew: none.
const FORGET_AFTER: Duration = Duration::from_hours(1000);

/// How long the server may take for all of it.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// Measures each stage alone, and all of them in a server behind a broker.
pub(super) async fn run(
    config: &config::Ingest,
    seed: u64,
    clock: &Clock,
) -> anyhow::Result<Report> {
    let mut report = super::report("ingest", seed);
    let folder = tempfile::tempdir()?;
    info!("making up what is published");
    let mesh = (config.nodes as usize, config.publishes as usize, config.copies);
    let made_up = || Traffic::simulated(mesh, seed, clock.now());
    let recorded = |file: &PathBuf| Traffic::recorded(file, clock.now());
    let traffic = config.recording.as_ref().map_or_else(made_up, recorded)?;
    let decrypt = stages::decrypt(&traffic)?;
    let (decode, reports) = stages::decode(&traffic)?;
    describe(&mut report, config, &traffic, &reports);
    let count = traffic.publishes.len() as f64;
    let each_us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count;
    report.measured("decrypt", each_us(decrypt.cpu), "us/publish");
    report.measured("decode, with decrypt", each_us(decode.cpu), "us/publish");

    // One run fills a database that is given.
    let stored = if config.direct || config.database_url.is_none() {
        Some(alone(&mut report, config, &folder, &reports).await?)
    } else {
        None
    };
    if config.direct {
        return Ok(report);
    }
    let whole = behind_broker(&mut report, config, &folder, &traffic).await?;
    let target = Target::AtMost(if is_postgres(config) { 20.0 } else { 15.0 });
    report.aimed("all: broker to acknowledged", each_us(whole.cpu), "us/publish", target);
    if let Some(stored) = stored {
        let rest = whole.cpu.saturating_sub(decode.cpu + stored.cpu);
        report.measured("receive, acknowledge, world: the rest", each_us(rest), "us/publish");
    }
    let rate = count / whole.wall.as_secs_f64();
    report.aimed("rate", rate, "publishes/s", Target::AtLeast(40_000.0));
    Ok(report)
}

fn describe(report: &mut Report, config: &config::Ingest, traffic: &Traffic, reports: &[Said]) {
    let packets = packets(reports);
    report.parameter("publishes", traffic.publishes.len());
    report.parameter("refused", traffic.publishes.len() - reports.len());
    report.parameter("packets", packets);
    report.parameter("copiesEach", format!("{:.2}", reports.len() as f64 / packets as f64));
    match &config.recording {
        Some(file) => report.parameter("recording", file.display().to_string()),
        None => report.parameter("nodes", config.nodes),
    }
    report.parameter("database", if is_postgres(config) { "Postgres" } else { "SQLite" });
}

fn is_postgres(config: &config::Ingest) -> bool {
    config.database_url.as_ref().is_some_and(|url| url.expose().starts_with("postgres"))
}

/// Stores everything in this process, and then again, when nothing is new.
async fn alone(
    report: &mut Report,
    config: &config::Ingest,
    folder: &TempDir,
    reports: &[Said],
) -> anyhow::Result<Cost> {
    info!("storing it");
    let url = database(config, folder, "alone.db");
    let store = storage::open(&url, FORGET_AFTER).await?;
    let (cost, rows) = stages::store(&*store, reports).await?;
    let (again, more) = stages::store(&*store, reports).await?;
    let bytes = store.sizes().await?.used_bytes;
    store.close().await;
    ensure!(rows > 0, "everything is stored there already: --database-url needs an empty database");
    if more > 0 {
        report.fail(format!("{more} rows were stored a second time"));
    }
    let count = reports.len() as f64;
    let each_us = |cost: Cost| cost.cpu.as_secs_f64() * 1e6 / count;
    report.measured("dedupe and write", each_us(cost), "us/publish");
    report.measured("dedupe alone: all of it again", each_us(again), "us/publish");
    let rate = rows as f64 / cost.wall.as_secs_f64();
    report.aimed("rows stored", rate, "rows/s", Target::AtLeast(100_000.0));
    report.measured("database", bytes as f64 / packets(reports) as f64, "bytes/packet");
    Ok(cost)
}

/// The one that is given, or a new file of this name.
fn database(config: &config::Ingest, folder: &TempDir, name: &str) -> String {
    let given = config.database_url.as_ref().map(|url| url.expose().clone());
    given.unwrap_or_else(|| format!("sqlite:{}", folder.path().join(name).display()))
}

/// All of it through a broker at QoS 1 into a server, as fast as it goes.
async fn behind_broker(
    report: &mut Report,
    config: &config::Ingest,
    folder: &TempDir,
    traffic: &Traffic,
) -> anyhow::Result<Cost> {
    let recording = folder.path().join("publishes.mpk");
    traffic.record(&recording)?;
    let url = database(config, folder, "whole.db");
    let start = Start { other: None, database_url: Some(&url), clients: 0, needs_broker: true };
    let host = Host::start(start).await?;
    host.describe(report);
    info!("publishing it");
    let before = settled(&host).await?;
    let process = host.process().context("the server has ended")?;
    let meter = Meter::of(process)?;
    publish(&host, &recording).await?;
    let began_ns = now_ns();
    let after = loop {
        let after = settled(&host).await?;
        let missing = traffic.publishes.len() as u64 - after.since(&before);
        if missing == 0 {
            break after;
        }
        if Duration::from_nanos(now_ns() - began_ns) > PATIENCE {
            report.fail(format!("{missing} messages were lost"));
            break after;
        }
        sleep(LOOK).await;
    };
    let cost = meter.read()?;
    let commits = after.commits - before.commits;
    report.measured("messages per commit", after.since(&before) as f64 / commits as f64, "");
    Ok(cost)
}

/// Publishes a recording from the other core, and waits until the broker has all of it.
async fn publish(host: &Host, recording: &Path) -> anyhow::Result<()> {
    let broker = host.broker.context("nowhere to publish")?;
    let mut replay = this_program()?;
    replay.args([
        "--log",
        "warn",
        "replay",
        "--qos",
        "1",
        "--mqtt-url",
        &format!("mqtt://{broker}"),
    ]);
    replay.arg(recording).stdout(Stdio::null());
    let done = start_on(LOAD_CORE, replay)?.wait().await?;
    ensure!(done.success(), "the messages could not be published");
    Ok(())
}

/// What a server says of what it has done.
#[derive(Clone, Copy, Debug, Default)]
struct Settled {
    /// Messages that are stored or refused.
    messages: u64,
    commits: u64,
}

impl Settled {
    fn since(&self, before: &Self) -> u64 {
        self.messages - before.messages
    }
}

async fn settled(host: &Host) -> anyhow::Result<Settled> {
    let mut stream = TcpStream::connect(host.door.address).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    if !text.starts_with("HTTP/1.0 200") && !text.starts_with("HTTP/1.1 200") {
        bail!("no metrics: {}", text.lines().next().unwrap_or_default());
    }
    let sum = |name: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let lines = lines.filter(|rest| rest.starts_with(['{', ' ']));
        lines.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    };
    let messages = sum("geocast_receptions_stored_total") + sum("geocast_packets_refused_total");
    Ok(Settled { messages, commits: sum("geocast_commits_total") })
}
