//! Idle: what a client costs that watches while nothing happens.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context;
use tokio::time::sleep;
use tracing::info;

use super::{
    Report, Target,
    host::{Host, Start},
    load::{ClientsJob, Connected, Job, Order, Published, PublisherJob, Tally},
    usage::{ensure_files, most_sockets, now_ns},
    worker::Worker,
};
use crate::{
    config::{self, Connections},
    domain::Clock,
};

/// Clients of one process and one address, which has 28,000 ports.
const EACH: usize = 20_000;

/// More than these are not `max`: the kernel needs memory for each as well.
const MOST: usize = 100_000;

/// How long it is looked what the server spends without clients.
const ALONE: Duration = Duration::from_secs(5);

/// Measures each number of clients with a server of its own.
pub(super) async fn run(config: &config::Idle, seed: u64, clock: &Clock) -> anyhow::Result<Report> {
    let mut report = super::report("idle", seed);
    for (at, clients) in config.clients.iter().enumerate() {
        let clients = match clients {
            Connections::Some(clients) => *clients as usize,
            Connections::Max => most_sockets().min(MOST),
        };
        measure(&mut report, config, at == 0, (clients, seed), clock).await?;
    }
    Ok(report)
}

async fn measure(
    report: &mut Report,
    config: &config::Idle,
    is_first: bool,
    (clients, seed): (usize, u64),
    clock: &Clock,
) -> anyhow::Result<()> {
    ensure_files(clients)?;
    let other = Some(&config.under_test);
    let host =
        Host::start(Start { other, database_url: None, clients, needs_broker: true }).await?;
    if is_first {
        host.describe(report);
        report.parameter("views", serde_json::json!(config.views));
        report.parameter("encoding", serde_json::json!(config.encoding));
        report.parameter("nodes", config.nodes);
        report.parameter("seconds", config.seconds);
    }
    let nodes = config.nodes as usize;
    let mut publisher = Worker::start(&Job::Publisher(PublisherJob {
        broker: host.broker.context("nowhere to publish")?,
        nodes,
        seed,
        introduces: true,
        rate: 1,
        updates: 0,
        start: u32::try_from(clock.now().as_millis() / 1000)?,
    }))
    .await?;
    publisher.hear::<Published>().await?;
    drop(publisher);
    host.rests().await?;

    let without = "what the server uses is only known with --server-pid";
    let before = host.cpu()?.context(without)?;
    sleep(ALONE).await;
    let alone = host.cpu()?.context(without)?.since(before).total.as_secs_f64();
    let alone = alone / ALONE.as_secs_f64();

    info!("{clients} clients connect");
    let mut crowds = Vec::new();
    for (process, first) in (0..clients).step_by(EACH).enumerate() {
        let mut door = host.door.clone();
        if process > 0 && door.address.is_ipv4() {
            door.from = Some(Ipv4Addr::new(127, 0, 0, 1 + process as u8).into());
        }
        let crowd = Worker::start(&Job::Clients(ClientsJob {
            door,
            encoding: config.encoding,
            types: Vec::new(),
            views: config.views,
            first,
            clients: EACH.min(clients - first),
            sample: 0,
            at_once: 64,
            nodes,
            seed,
        }))
        .await?;
        crowds.push(crowd);
    }
    let memory = memory_each(&host, &mut crowds, clients).await?.context(without)?;

    info!("nothing happens for {} s", config.seconds);
    let (before, began_ns) = (host.cpu()?.context(without)?, now_ns());
    sleep(Duration::from_secs(config.seconds.into())).await;
    let spent = host.cpu()?.context(without)?.since(before).total;
    let seconds = Duration::from_nanos(now_ns() - began_ns).as_secs_f64();
    let (mut pings, mut lost) = (0, 0);
    for crowd in &mut crowds {
        let tally: Tally = crowd.ask(&Order::Count).await?;
        pings += tally.pings;
        lost += tally.lost;
    }

    let name = format!("{clients} clients: memory each");
    report.aimed(name, memory.own_kib, "KiB", Target::AtMost(4.0));
    report.measured(format!("{clients} clients: RSS each"), memory.resident_kib, "KiB");
    let each_us = (spent.as_secs_f64() / seconds - alone).max(0.0) * 1e6 / clients as f64;
    let name = format!("{clients} clients: CPU each");
    report.aimed(name, each_us, "µs/s", Target::AtMost(1.0));
    report.measured(format!("{clients} clients: server without them"), alone * 1e6, "µs/s");
    report.measured(format!("{clients} clients: heartbeats"), pings as f64, "");
    if lost > 0 {
        report.fail(format!("{lost} of {clients} clients were lost"));
    }
    Ok(())
}

/// What one client more needs of the server's memory.
pub(super) struct MemoryEach {
    pub(super) own_kib: f64,
    pub(super) resident_kib: f64,
}

/// Connects all clients of these crowds, a tenth of them first: what those need, and what the
/// server lets go of meanwhile, is not counted. Nothing where the server's process is not known.
pub(super) async fn memory_each(
    host: &Host,
    crowds: &mut [Worker],
    clients: usize,
) -> anyhow::Result<Option<MemoryEach>> {
    let first = clients / 10;
    if let (Some(crowd), 1..) = (crowds.first_mut(), first) {
        crowd.ask::<Connected>(&Order::Connect(first)).await?;
        host.rests().await?;
    }
    let before = host.memory()?;
    for crowd in crowds {
        crowd.ask::<Connected>(&Order::Connect(clients)).await?;
    }
    host.rests().await?;
    let each = |now: u64, then: u64| (now as f64 - then as f64) / 1024.0 / (clients - first) as f64;
    Ok(host.memory()?.zip(before).map(|(now, before)| MemoryEach {
        own_kib: each(now.own_bytes, before.own_bytes),
        resident_kib: each(now.resident_bytes, before.resident_bytes),
    }))
}
