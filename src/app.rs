//! The table of contents: opens the rooms, joins them with channels, stops them in order.
//!
//! ```text
//! brokers -> ingest -> [jobs] -> storage -> [patches] -> broadcast -> [mailboxes] -> http -> browsers
//!               ^--- acknowledge ---'          ^-- questions --------------'
//! ```
//!
//! Stopping flows the same way: ingest stops reading and lets go of its queue, storage commits and
//! acknowledges what is left and lets go of its own, broadcast sends the last batch and closes the
//! mailboxes, and the sockets say goodbye.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc};

use anyhow::Context;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::mpsc};
use tracing::info;

use crate::{
    capture::{self, Guarantee, Pace, RecordOptions, ReplayOptions, Summary},
    config::{self, Secret},
    demo::{self, DemoSettings},
    domain::{Clock, SharedLogbook, policy::Policy},
    http::{self, PageSettings},
    ingest::MqttUrl,
    rooms::Rooms,
    storage::{PostgresLimits, Store},
    telemetry::Counters,
    warden::Warden,
    wiring::{
        Beginning, Settings, Source, access, beginning, certificates, database, intake, keeper,
        limits, listen_to, pulse, tls, world, writer,
    },
};

/// Messages received and not committed yet in a demonstration.
const DEMO_PENDING: usize = 2000;

/// Commits that the world has not taken in yet. When full, storage waits.
const COMMITTED: usize = 64;

/// Nodes that administrators want removed. When full, the next one waits.
const REMOVALS: usize = 16;

/// `geocast serve`: runs until `stop`.
pub async fn serve(
    config: config::Serve,
    clock: Clock,
    spans: Option<Counters>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let settings = Settings::of(config)?;
    let mut stop = pin!(stop);
    let door = door(&settings)?;
    let tls = tls(&settings.map).await?;
    let store = tokio::select! {
        store = database(&settings, &door, tls.as_ref()) => store?,
        () = &mut stop => {
            info!("stopped");
            return Ok(());
        }
    };
    // Nothing is shown before it is held to the policy.
    let began = tokio::select! {
        began = beginning(&settings, &*store, &clock, (&door, tls.as_ref())) => began?,
        () = &mut stop => {
            store.close().await;
            info!("stopped");
            return Ok(());
        }
    };
    let mut rooms = Rooms::default();
    let telling = (clock, spans);
    let server = open(&mut rooms, settings, (door, tls), (store, began), telling).await?;
    server.run_until(rooms, stop).await
}

/// `geocast demo`: a server with a simulated mesh, and a database that leaves nothing behind.
pub async fn demo(
    config: config::Demo,
    clock: Clock,
    spans: Option<Counters>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let settings = Settings {
        listen: config.listen,
        database_url: Secret::new("sqlite::memory:".to_owned()),
        database_limits: PostgresLimits::default(),
        source: Source::Embedded { listen: config.broker_listen },
        channel_keys: Vec::new(),
        policy: Policy::default(),
        max_pending: DEMO_PENDING,
        map: config.map,
    };
    let door = door(&settings)?;
    let tls = tls(&settings.map).await?;
    let store = database(&settings, &door, tls.as_ref()).await?;
    let mut rooms = Rooms::default();
    let began = beginning(&settings, &*store, &clock, (&door, tls.as_ref())).await?;
    let telling = (clock.clone(), spans);
    let server = open(&mut rooms, settings, (door, tls), (store, began), telling).await?;
    let broker = server.broker.context("the demonstration needs the embedded broker")?;
    let mesh = DemoSettings { broker, nodes: config.nodes.into(), seed: config.seed };
    rooms.open("demo", demo::run(mesh, clock, rooms.stop.child_token()));
    server.run_until(rooms, stop).await
}

/// `geocast record`: writes what a broker says to a file, until `stop`.
pub async fn record(
    config: config::Record,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let options = RecordOptions {
        url: MqttUrl::parse(config.mqtt_url.expose().as_str())?,
        ca: certificates(config.mqtt_ca.as_deref())?,
        topics: config.mqtt_topic,
        file: config.file,
    };
    capture::record(options, stop).await
}

/// `geocast replay`: publishes a recorded file, to its end or until `stop`.
pub async fn replay(
    config: config::Replay,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let options = ReplayOptions {
        url: MqttUrl::parse(config.mqtt_url.expose().as_str())?,
        ca: certificates(config.mqtt_ca.as_deref())?,
        file: config.file,
        pace: match (config.rate, config.speed) {
            (Some(rate), _) => Pace::Rate(rate),
            (None, Some(speed)) => Pace::Speed(speed),
            (None, None) => Pace::Full,
        },
        guarantee: if config.qos == 0 { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce },
    };
    capture::replay(options, stop).await
}

/// A server whose rooms are open.
struct Server {
    /// Where the embedded broker listens, if there is one.
    broker: Option<SocketAddr>,
    store: Arc<dyn Store>,
}

impl Server {
    /// Runs until `stop`, closes the rooms, and the database after the last of them.
    async fn run_until(self, rooms: Rooms, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let result = rooms.run_until(stop).await;
        self.store.close().await;
        result.inspect(|()| info!("stopped"))
    }
}

fn door(settings: &Settings) -> anyhow::Result<Arc<TcpListener>> {
    let cannot = || format!("cannot listen on --listen {}", settings.listen);
    http::listen(settings.listen).map(Arc::new).with_context(cannot)
}

/// Opens every room of a server.
async fn open(
    rooms: &mut Rooms,
    settings: Settings,
    (door, tls): (Arc<TcpListener>, Option<Arc<http::Tls>>),
    (store, began): (Arc<dyn Store>, Beginning),
    (clock, spans): (Clock, Option<Counters>),
) -> anyhow::Result<Server> {
    let mut registry = Registry::with_prefix("geocast");
    if let Some(spans) = spans {
        spans.register(&mut registry);
    }
    // One half waits while the other is being committed.
    let most_jobs = settings.max_pending / 2;
    let (jobs_in, jobs) = mpsc::channel(settings.max_pending - most_jobs);
    let (committed_in, committed) = mpsc::channel(COMMITTED);

    let Beginning { kept_out, loaded, left, refusals } = began;
    let (live, broadcaster) = world((loaded, left), &settings.map, &clock, &mut registry);

    let jobs = (jobs, most_jobs);
    let told = (committed_in, broadcaster.due());
    let (writer, mut vitals) =
        writer(&store, jobs, told, kept_out.clone(), rooms, &clock, &mut registry);
    rooms.open("storage", async move { Ok(writer.run().await?) });
    let keeper = keeper(&store, &settings.map.retention, rooms, &clock, &mut vitals, &mut registry);
    rooms.open("retention", async move {
        keeper.run().await;
        Ok(())
    });
    let leave_at = Arc::clone(&store);
    rooms.open("broadcast", async move {
        let left = broadcaster.run(committed).await;
        leave_at.leave(&left).await.context("clients will have to start afresh")
    });

    let policy = (settings.policy, kept_out);
    let (intake, gatekeeper) = intake(&settings.channel_keys, policy, &clock, &mut registry)?;
    let logbook = SharedLogbook::default();
    logbook.restore(refusals);
    let intake = intake.noting_in(logbook.clone());
    let (removals_in, removals) = mpsc::channel(REMOVALS);
    let warden = Warden {
        store: Arc::clone(&store),
        gatekeeper,
        intake: intake.clone(),
        jobs: jobs_in.clone(),
        removals,
        logbook: logbook.clone(),
        clock: clock.clone(),
        stop: rooms.stop.clone(),
    };
    rooms.open("warden", async move {
        warden.run().await;
        Ok(())
    });
    let broker = listen_to(settings.source, &intake, jobs_in, rooms, &mut vitals).await?;

    let metrics = http::Metrics::default();
    metrics.register(&mut registry);
    let access = access(&settings.map, settings.listen, &store);
    let page =
        PageSettings { name: settings.map.map_name, map_style_url: settings.map.map_style_url };
    let parts = http::Parts {
        live,
        store: Arc::clone(&store),
        clock,
        vitals,
        registry,
        metrics,
        page,
        pulse: pulse(&settings.map.limits),
        limits: limits(&settings.map.limits),
        access,
        removals: removals_in,
        tls,
        logbook,
    };
    if let Some(address) = settings.map.cot_listen {
        let door = http::listen(address)
            .with_context(|| format!("cannot listen on --cot-listen {address}"))?;
        info!("TAK clients are told on tcp://{}", door.local_addr()?);
        let stop = rooms.stop.clone().cancelled_owned();
        let (live, clock) = (parts.live.clone(), parts.clock.clone());
        rooms.open("cot", async move {
            http::serve_cot(door, live, clock, stop).await;
            Ok(())
        });
    }
    if let Some(group) = settings.map.cot_multicast {
        let interface = settings.map.cot_interface;
        let told = http::CotGroup::open(group, interface)
            .with_context(|| format!("cannot tell --cot-multicast {group} by {interface}"))?;
        info!("TAK devices are told on udp://{group} by {interface}");
        let stop = rooms.stop.clone().cancelled_owned();
        let (live, clock) = (parts.live.clone(), parts.clock.clone());
        rooms.open("cot multicast", async move {
            told.tell(live, clock, stop).await;
            Ok(())
        });
    }
    let address = door.local_addr()?;
    let scheme = if parts.tls.is_some() { "https" } else { "http" };
    let stop = rooms.stop.clone().cancelled_owned();
    rooms.open("http", async move {
        http::serve(door, parts, stop).await;
        Ok(())
    });
    info!("listening on {scheme}://{address}");
    Ok(Server { broker, store })
}
