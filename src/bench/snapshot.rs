//! Snapshot: what the whole picture costs, to one client and to a thousand, anew and after a pause.

use std::{fs::File, io::BufWriter, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tracing::info;

use super::{
    Report, Target,
    host::{Host, Start, this_program},
    load::{Checked, ClientsJob, Connected, Job, Order, Published, PublisherJob},
    mesh::{Mesh, Timetable},
    usage::{Cpu, ensure_files, now_ns},
    worker::Worker,
};
use crate::{
    capture::mpk,
    config::{self, Views},
    domain::Clock,
};

/// Clients that look at everything once it has been sent to the first.
const FURTHER: usize = 10;

/// Clients that come back with a cursor.
const RETURNING: usize = 100;

/// Updates a second while they are away.
const RATE: u32 = 1000;

/// Up to so many nodes, clients come back: more are only sent.
const MOST_RETURNED_TO: usize = 100_000;

/// What it took to send everybody a picture.
struct Came {
    connected: Connected,
    /// The server's CPU time.
    cpu_ms: f64,
    /// The clients' CPU time.
    load: Duration,
}

/// Measures each number of nodes with a database and a server of its own.
pub(super) async fn run(
    config: &config::Snapshot,
    seed: u64,
    clock: &Clock,
) -> anyhow::Result<Report> {
    let mut report = super::report("snapshot", seed);
    ensure_files(config.storm as usize)?;
    let sizes = config.nodes.iter().copied().chain(config.full.then_some(1_000_000));
    for (at, nodes) in sizes.enumerate() {
        let nodes = nodes as usize;
        let folder = tempfile::tempdir()?;
        let start = u32::try_from(clock.now().as_millis() / 1000)?;
        info!("a database is filled with {nodes} nodes");
        let database = filled(&folder, &Mesh::new(nodes, seed), start).await?;
        let clients = config.storm as usize + FURTHER + RETURNING;
        let other = None;
        let database_url = Some(database.as_str());
        let host = Host::start(Start { other, database_url, clients, needs_broker: true }).await?;
        host.rests().await?;
        if at == 0 {
            host.describe(&mut report);
            report.parameter("encoding", serde_json::json!(config.encoding));
            report.parameter("awaySeconds", config.away);
        }
        let run = Run { config, host: &host, nodes, seed };
        run.pictures(&mut report).await?;
        if nodes <= MOST_RETURNED_TO {
            run.resume(&mut report, clock).await?;
        }
    }
    Ok(report)
}

/// One number of nodes.
struct Run<'a> {
    config: &'a config::Snapshot,
    host: &'a Host,
    nodes: usize,
    seed: u64,
}

impl Run<'_> {
    fn name(&self, what: &str) -> String {
        format!("{} nodes, {what}", self.nodes)
    }

    fn clients(&self, views: Views, clients: usize, sample: usize) -> Job {
        Job::Clients(ClientsJob {
            door: self.host.door.clone(),
            encoding: self.config.encoding,
            types: Vec::new(),
            views,
            first: 0,
            clients,
            sample,
            at_once: clients,
            nodes: self.nodes,
            seed: self.seed,
        })
    }

    /// Connects so many clients at once and says what that took.
    async fn connect(&self, views: Views, clients: usize) -> anyhow::Result<Came> {
        let mut crowd = Worker::start(&self.clients(views, clients, 0)).await?;
        let (before, load) = (self.spent()?, crowd.cpu()?);
        let connected = crowd.ask(&Order::Connect(clients)).await?;
        let cpu_ms = self.spent()?.since(before).total.as_secs_f64() * 1000.0;
        Ok(Came { connected, cpu_ms, load: crowd.cpu()?.since(load).total })
    }

    fn spent(&self) -> anyhow::Result<Cpu> {
        self.host.cpu()?.context("the server's process is not known")
    }

    async fn pictures(&self, report: &mut Report) -> anyhow::Result<()> {
        let Came { connected: cold, cpu_ms, .. } = self.connect(Views::World, 1).await?;
        report.measured(self.name("all of them"), cold.bytes as f64 / 1e6, "MB");
        report.measured(self.name("cold: time"), cold.elapsed_ns as f64 / 1e6, "ms");
        let is_aimed = self.nodes == 100_000;
        let mut tell = |what: &str, ms: f64, most: f64| {
            if is_aimed {
                report.aimed(self.name(what), ms, "ms", Target::AtMost(most));
            } else {
                report.measured(self.name(what), ms, "ms");
            }
        };
        tell("cold: server CPU", cpu_ms, 10.0);
        self.host.rests().await?;
        let Came { connected: further, cpu_ms, .. } = self.connect(Views::World, FURTHER).await?;
        tell("again: server CPU each", cpu_ms / FURTHER as f64, 1.0);
        let each = further.elapsed_ns as f64 / 1e6 / FURTHER as f64;
        report.measured(self.name("again: time each"), each, "ms");
        self.host.rests().await?;

        let clients = self.config.storm as usize;
        info!("{clients} clients come at once");
        let Came { connected: storm, cpu_ms, load } = self.connect(Views::City, clients).await?;
        let ms = |share| storm.each.quantile_us(share).map_or(f64::NAN, |us| us as f64 / 1000.0);
        let name = |what: &str| self.name(&format!("storm of {clients}: {what}"));
        report.measured(name("all served"), storm.elapsed_ns as f64 / 1e6, "ms");
        report.measured(name("p50"), ms(0.5), "ms");
        report.measured(name("p99"), ms(0.99), "ms");
        report.measured(name("server CPU each"), cpu_ms / clients as f64, "ms");
        report.measured(name("bytes each"), storm.bytes as f64 / clients as f64, "bytes");
        report.warn_of_load(&name(""), load, Duration::from_nanos(storm.elapsed_ns));
        self.host.rests().await
    }

    async fn resume(&self, report: &mut Report, clock: &Clock) -> anyhow::Result<()> {
        let away = Duration::from_secs(self.config.away.into());
        let span = away + Duration::from_secs(4);
        let start = clock.now().plus(Duration::from_secs(2)).as_millis() / 1000;
        let updates = span.as_secs() * u64::from(RATE);
        let mut publisher = Worker::start(&Job::Publisher(PublisherJob {
            broker: self.host.broker.context("nowhere to publish")?,
            nodes: self.nodes,
            seed: self.seed,
            introduces: false,
            rate: RATE,
            updates,
            start: u32::try_from(start)?,
        }))
        .await?;
        publisher.hear::<Published>().await?;
        let mut crowd = Worker::start(&self.clients(Views::Country, RETURNING, RETURNING)).await?;
        let first: Connected = crowd.ask(&Order::Connect(RETURNING)).await?;
        let timetable = Timetable { start_ns: now_ns(), rate: RATE, nodes: self.nodes };
        publisher.tell(&timetable.start_ns).await?;
        info!("{RETURNING} clients are away for {} s", self.config.away);
        let away_ms = u64::from(self.config.away) * 1000;
        let load = crowd.cpu()?;
        let back: Connected = crowd.ask(&Order::Return(away_ms)).await?;
        let load = crowd.cpu()?.since(load).total;
        publisher.hear::<Published>().await?;
        crowd.ask::<bool>(&Order::Rest).await?;
        let checked: Checked = crowd.ask(&Order::Check(Some((timetable, updates)))).await?;

        let p99 = back.each.quantile_us(0.99).map_or(f64::NAN, |us| us as f64 / 1000.0);
        let name = |what: &str| self.name(&format!("resume after {} s: {what}", self.config.away));
        report.measured(name("p99"), p99, "ms");
        report.measured(name("bytes each"), back.bytes as f64 / RETURNING as f64, "bytes");
        let anew = first.bytes as f64 / RETURNING as f64;
        report.measured(name("anew it was"), anew, "bytes");
        report.warn_of_load(&name(""), load, Duration::from_nanos(back.elapsed_ns));
        report.measured(name("divergences"), checked.diverged as f64, "clients");
        if back.full > 0 {
            report.warn(format!("{} of {RETURNING} cursors were not taken", back.full));
        }
        if checked.diverged > 0 {
            let examples = checked.examples.join("; ");
            report.fail(format!("{} clients hold something else: {examples}", checked.diverged));
        }
        Ok(())
    }
}

/// A database in which every node has said who and where it is.
async fn filled(folder: &TempDir, mesh: &Mesh, start: u32) -> anyhow::Result<String> {
    let recording = folder.path().join("mesh.mpk");
    record(&recording, mesh, start - 60)?;
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let mut import = this_program()?;
    import.args(["--log", "warn", "import"]).arg(&recording);
    import.args(["--database-url", &database]);
    let done = import.stdout(Stdio::null()).kill_on_drop(true).status().await?;
    ensure!(done.success(), "the database could not be filled");
    Ok(database)
}

fn record(path: &Path, mesh: &Mesh, rx_time: u32) -> anyhow::Result<()> {
    let mut writer = mpk::Writer::new(BufWriter::new(File::create(path)?))?;
    for node in 0..mesh.len() {
        let [user, telemetry] = mesh.introduction(node, rx_time);
        for frame in [user, telemetry, mesh.position(node, 0, rx_time)] {
            writer.write(0, &frame.topic, &frame.payload)?;
        }
    }
    writer.flush()?;
    Ok(())
}
