//! Fanout: what a server pays to tell many clients of many changes, and how late they are.

use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;
use tracing::info;

use super::{
    Report, Target,
    host::{Host, Start},
    idle::memory_each,
    load::{Checked, ClientsJob, Job, Order, Published, PublisherJob, Tally},
    mesh::Timetable,
    report::BUSY,
    usage::{Cpu, ensure_files, now_ns},
    worker::Worker,
};
use crate::{
    config::{self, Sample},
    domain::Clock,
};

/// How long the load runs before and after what is measured.
const MARGIN: Duration = Duration::from_secs(1);

/// How many clients connect at a time.
const AT_ONCE: usize = 64;

/// A publisher that is later than this is not on time.
const LATE_MS: f64 = 20.0;

/// A server that waits so much of the time for its core is not alone there.
const DISTURBED: f64 = 0.05;

/// A server that is done later than this after the last update did not keep up.
const BEHIND: Duration = Duration::from_secs(2);

/// What was measured.
struct Measured {
    tally: Tally,
    span: Duration,
    cpu: Option<Cpu>,
    load: Duration,
    published: Published,
    /// From the last publish to when nothing came any more.
    caught_up: Duration,
}

/// Drives a server with clients and updates.
pub(super) async fn run(
    config: &config::Fanout,
    seed: u64,
    clock: &Clock,
) -> anyhow::Result<Report> {
    let crowd = &config.crowd;
    let (clients, nodes) = (crowd.clients as usize, config.nodes as usize);
    let mut report = super::report("fanout", seed);
    ensure_files(clients)?;
    let start =
        Start { other: Some(&config.under_test), database_url: None, clients, needs_broker: true };
    let host = Host::start(start).await?;
    describe(&mut report, config, &host);

    let seconds = Duration::from_secs(config.seconds.into());
    let lead = Duration::from_secs(5);
    let start = clock.now().plus(lead).as_millis() / 1000;
    let publisher = PublisherJob {
        broker: host.broker.context("nowhere to publish")?,
        nodes,
        seed,
        introduces: true,
        rate: config.updates,
        updates: (seconds + 2 * MARGIN).as_secs() * u64::from(config.updates),
        start: u32::try_from(start)?,
    };
    info!("{nodes} nodes introduce themselves");
    let updates = publisher.updates;
    let mut publisher = Worker::start(&Job::Publisher(publisher)).await?;
    publisher.hear::<Published>().await?;
    host.rests().await?;

    let sample = match config.check {
        Sample::All => clients,
        Sample::Some(sample) => sample,
    };
    let mut watchers = Worker::start(&Job::Clients(ClientsJob {
        door: host.door.clone(),
        encoding: crowd.encoding,
        types: crowd.types.clone(),
        views: crowd.views,
        first: 0,
        clients,
        sample,
        at_once: AT_ONCE,
        nodes,
        seed,
    }))
    .await?;
    info!("{clients} clients connect");
    let memory = memory_each(&host, std::slice::from_mut(&mut watchers), clients).await?;
    watchers.ask::<bool>(&Order::Rest).await?;

    info!("measuring for {} s", config.seconds);
    let timetable = Timetable { start_ns: now_ns() + 200_000_000, rate: config.updates, nodes };
    let measured = measure(&host, (&mut publisher, &mut watchers), timetable, seconds).await?;
    if !watchers.ask::<bool>(&Order::Rest).await? {
        report.fail("updates still came a minute after the last was published");
    }
    info!("comparing what {} clients hold with what is true", sample.min(clients));
    let checked: Checked = watchers.ask(&Order::Check(Some((timetable, updates)))).await?;

    tell(&mut report, config, &measured);
    if let Some(memory) = memory {
        report.measured("server memory per client", memory.own_kib, "KiB");
        report.measured("server RSS per client", memory.resident_kib, "KiB");
    }
    judge(&mut report, &measured, &checked);
    Ok(report)
}

fn describe(report: &mut Report, config: &config::Fanout, host: &Host) {
    let crowd = &config.crowd;
    host.describe(report);
    report.parameter("clients", crowd.clients);
    report.parameter("views", serde_json::json!(crowd.views));
    report.parameter("encoding", serde_json::json!(crowd.encoding));
    let types = if crowd.types.is_empty() { "all".to_owned() } else { crowd.types.join(" ") };
    report.parameter("types", types);
    report.parameter("nodes", config.nodes);
    report.parameter("updatesPerSecond", config.updates);
    report.parameter("seconds", config.seconds);
}

async fn measure(
    host: &Host,
    (speaker, watchers): (&mut Worker, &mut Worker),
    timetable: Timetable,
    seconds: Duration,
) -> anyhow::Result<Measured> {
    let from_ns = timetable.start_ns + MARGIN.as_nanos() as u64;
    let to_ns = from_ns + seconds.as_nanos() as u64;
    watchers.tell(&Order::Expect(timetable, from_ns, to_ns)).await?;
    speaker.tell(&timetable.start_ns).await?;
    sleep_until(from_ns).await;
    let began_ns = now_ns();
    let cpu = host.cpu()?;
    let load = speaker.cpu()?.total + watchers.cpu()?.total;
    let before: Tally = watchers.ask(&Order::Count).await?;
    sleep_until(to_ns).await;
    let span = Duration::from_nanos(now_ns() - began_ns);
    let cpu = host.cpu()?.zip(cpu).map(|(now, before)| now.since(before));
    let load = (speaker.cpu()?.total + watchers.cpu()?.total).saturating_sub(load);
    let after: Tally = watchers.ask(&Order::Count).await?;
    let published = speaker.hear().await?;
    let last_ns = now_ns();
    watchers.ask::<bool>(&Order::Rest).await?;
    // Those that came late are counted now.
    let latest: Tally = watchers.ask(&Order::Count).await?;
    let tally = Tally { latency: latest.latency, lost: latest.lost, ..after.since(&before) };
    let caught_up = Duration::from_nanos(latest.last_frame_ns.saturating_sub(last_ns));
    Ok(Measured { tally, span, cpu, load, published, caught_up })
}

async fn sleep_until(moment_ns: u64) {
    sleep(Duration::from_nanos(moment_ns.saturating_sub(now_ns()))).await;
}

fn tell(report: &mut Report, config: &config::Fanout, measured: &Measured) {
    let Measured { tally, span, cpu, .. } = measured;
    let seconds = span.as_secs_f64();
    let deliveries = tally.deliveries() as f64;
    let frames = tally.frames as f64;
    report.measured("deliveries", deliveries / seconds, "updates/s");
    report.measured("status deliveries", tally.statuses as f64 / seconds, "updates/s");
    report.measured("frames", frames / seconds, "frames/s");
    report.measured("bytes per frame", tally.bytes as f64 / frames, "bytes");
    if tally.positions > 0 {
        let each = tally.position_bytes as f64 / tally.positions as f64;
        report.measured("bytes per position", each, "bytes");
    }
    if tally.dense_positions > 0 && config.crowd.encoding == config::WireEncoding::Binary {
        let each = tally.dense_position_bytes as f64 / tally.dense_positions as f64;
        let name = "bytes per position, frames of 50+";
        report.aimed(name, each, "bytes", Target::AtMost(12.0));
    }
    if let Some(cpu) = cpu {
        let spent = cpu.total.as_secs_f64();
        report.measured("server core", spent / seconds * 100.0, "% busy");
        let system = cpu.system.as_secs_f64() / spent * 100.0;
        report.measured("of that in the kernel", system, "%");
        report.measured("server CPU per million deliveries", spent / deliveries * 1e6, "s");
        let name = "frames per CPU second";
        report.aimed(name, frames / spent, "frames", Target::AtLeast(150_000.0));
        let name = "deliveries per CPU second";
        match config.crowd.encoding {
            config::WireEncoding::Binary => {
                report.aimed(name, deliveries / spent, "updates", Target::AtLeast(5e6));
            }
            config::WireEncoding::Json => report.measured(name, deliveries / spent, "updates"),
        }
    }
    // Rarer than that, an update finds everything quiet.
    let is_quiet = config.updates <= 4;
    let ms = |share| tally.latency.quantile_us(share).map_or(f64::NAN, |us| us as f64 / 1000.0);
    let (p50, p99) = ("latency p50", "latency p99");
    if is_quiet {
        report.aimed(p50, ms(0.5), "ms", Target::AtMost(10.0));
        report.aimed(p99, ms(0.99), "ms", Target::AtMost(30.0));
    } else {
        report.measured(p50, ms(0.5), "ms");
        // One tick and 25 ms.
        report.aimed(p99, ms(0.99), "ms", Target::AtMost(125.0));
    }
    report.measured("latency p99.9", ms(0.999), "ms");
    report.measured("latency max", tally.latency.max_us() as f64 / 1000.0, "ms");
    report.measured("latencies measured", tally.latency.count() as f64, "");
    report.measured("caught up after", measured.caught_up.as_secs_f64(), "s");
    report.measured("load core", measured.load.as_secs_f64() / seconds * 100.0, "% busy");
}

/// What makes the numbers doubtful, and what must not be.
fn judge(report: &mut Report, measured: &Measured, checked: &Checked) {
    let Measured { tally, span, load, published, caught_up, .. } = measured;
    let waited = measured.cpu.map_or(0.0, |cpu| cpu.waited.as_secs_f64()) / span.as_secs_f64();
    let ran = measured.cpu.map_or(0.0, |cpu| cpu.total.as_secs_f64()) / span.as_secs_f64();
    if waited > DISTURBED && ran < BUSY {
        report.warn(format!(
            "the server waited {:.0} % of the time for its core: something else runs there, and \
             makes it late",
            waited * 100.0
        ));
    }
    if *caught_up > BEHIND {
        report.warn("the server did not keep up with the updates".to_owned());
    }
    report.warn_of_load("", *load, *span);
    let late_ms = published.late.quantile_us(0.99).map_or(0.0, |us| us as f64 / 1000.0);
    if late_ms > LATE_MS {
        report.warn(format!(
            "the publisher fell behind: 1 % of the updates went out more than {late_ms:.0} ms late"
        ));
    }
    report.measured("publisher late p99", late_ms, "ms");
    report.measured("clients compared", checked.clients as f64, "");
    report.measured("nodes compared", checked.nodes as f64, "");
    report.measured("divergences", checked.diverged as f64, "clients");
    if checked.diverged > 0 {
        let examples = checked.examples.join("; ");
        report.fail(format!(
            "{} of {} clients hold something else than they should: {examples}",
            checked.diverged, checked.clients
        ));
    }
    if tally.lost > 0 {
        report.fail(format!("{} clients were lost", tally.lost));
    }
    if tally.deliveries() == 0 {
        report.fail("nothing was delivered");
    }
}
