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

use std::{future::Future, net::SocketAddr, path::Path, pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tracing::info;
use url::Url;

use crate::{
    broadcast::{self, Broadcaster, LiveMap},
    capture::{self, Guarantee, Pace, RecordOptions, ReplayOptions, Summary},
    config::{self, Map, Secret},
    demo::{self, DemoSettings},
    domain::{Clock, Lifetimes, World},
    http::{self, PageSettings, Rate, TickEncoder, Vital},
    ingest::{
        self, Broker, BrokerWatch, ChannelKey, ChannelKeys, ConnectionState, Decoder, Intake,
        MqttSettings, MqttSource, MqttUrl,
    },
    rooms::Rooms,
    storage::{self, Job, Keep, Keeper, Lag, PostgresLimits, Store, Writer},
};

/// Messages received and not committed yet in a demonstration.
const DEMO_PENDING: usize = 2000;

/// Commits that the world has not taken in yet. When full, storage waits.
const COMMITTED: usize = 64;

/// Messages that the world starts with.
const RECENT_MESSAGES: u32 = 200;

/// A message that waits longer than this for its commit is a reason to worry.
const MAX_LAG: Duration = Duration::from_secs(10);

/// How long a failing database is tried again once the server is stopping.
const STORAGE_GRACE: Duration = Duration::from_secs(5);

/// Where messages come from.
enum Source {
    /// Other brokers.
    Brokers(Brokers),
    /// A broker of our own.
    Embedded { listen: SocketAddr },
}

/// Which brokers to listen to, for what, and as whom.
struct Brokers {
    urls: Vec<Secret<Url>>,
    ca: Option<Vec<u8>>,
    topics: Vec<String>,
    client_id: String,
    patience: Duration,
}

/// What makes a server.
struct Settings {
    listen: SocketAddr,
    database_url: Secret<String>,
    database_limits: PostgresLimits,
    source: Source,
    channel_keys: Vec<Secret<String>>,
    /// Messages received and not committed yet. Beyond it ingest stops reading, and brokers hold
    /// the rest.
    max_pending: usize,
    map: Map,
}

/// `geocast serve`: runs until `stop`.
pub async fn serve(
    config: config::Serve,
    clock: Clock,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    // Each keeps one place for its next message.
    let brokers = config.mqtt_url.len();
    let source = if config.mqtt_url.is_empty() {
        Source::Embedded { listen: config.broker_listen }
    } else {
        let database = config::without_password(config.database_url.expose());
        let own_id = || ingest::own_client_id(&database);
        Source::Brokers(Brokers {
            urls: config.mqtt_url,
            ca: certificates(config.mqtt_ca.as_deref())?,
            topics: config.mqtt_topic,
            client_id: config.mqtt_client_id.unwrap_or_else(own_id),
            patience: config.mqtt_timeout,
        })
    };
    let settings = Settings {
        listen: config.listen,
        database_url: config.database_url,
        database_limits: PostgresLimits {
            connections: config.database_connections,
            timeout: config.database_timeout,
        },
        source,
        channel_keys: config.channel_key,
        max_pending: (config.max_pending as usize).max(4 * brokers),
        map: config.map,
    };
    let mut stop = pin!(stop);
    let door = door(&settings)?;
    let store = tokio::select! {
        store = database(&settings, &door) => store?,
        () = &mut stop => {
            info!("stopped");
            return Ok(());
        }
    };
    let mut rooms = Rooms::default();
    let server = open(&mut rooms, settings, door, store, clock).await?;
    server.run_until(rooms, stop).await
}

/// `geocast demo`: a server with a simulated mesh, and a database that leaves nothing behind.
pub async fn demo(
    config: config::Demo,
    clock: Clock,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let settings = Settings {
        listen: config.listen,
        database_url: Secret::new("sqlite::memory:".to_owned()),
        database_limits: PostgresLimits::default(),
        source: Source::Embedded { listen: config.broker_listen },
        channel_keys: Vec::new(),
        max_pending: DEMO_PENDING,
        map: config.map,
    };
    let door = door(&settings)?;
    let store = database(&settings, &door).await?;
    let mut rooms = Rooms::default();
    let server = open(&mut rooms, settings, door, store, clock.clone()).await?;
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

fn certificates(file: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |file: &Path| {
        std::fs::read(file).with_context(|| format!("cannot read --mqtt-ca {}", file.display()))
    };
    file.map(read).transpose()
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

/// The database, once it is there. Until then whoever comes to the door is told why it is not.
async fn database(settings: &Settings, door: &Arc<TcpListener>) -> anyhow::Result<Arc<dyn Store>> {
    let (trouble, troubled) = watch::channel(None);
    let opening = storage::open_when_there(
        settings.database_url.expose(),
        settings.map.forget_after,
        settings.database_limits,
        trouble,
    );
    let clients = &settings.map.limits;
    let door = (Arc::clone(door), door.local_addr()?);
    let work = http::answer_during(opening, troubled, door, (limits(clients), pulse(clients)));
    Ok(Box::pin(work).await?)
}

/// Opens every room of a server.
async fn open(
    rooms: &mut Rooms,
    settings: Settings,
    door: Arc<TcpListener>,
    store: Arc<dyn Store>,
    clock: Clock,
) -> anyhow::Result<Server> {
    let mut registry = Registry::with_prefix("geocast");
    // One half waits while the other is being committed.
    let most_jobs = settings.max_pending / 2;
    let (jobs_in, jobs) = mpsc::channel(settings.max_pending - most_jobs);
    let (committed_in, committed) = mpsc::channel(COMMITTED);

    let (live, broadcaster) = world(&*store, &settings.map, &clock, &mut registry).await?;

    let (writer, mut vitals) =
        writer(&store, (jobs, most_jobs), committed_in, rooms, &clock, &mut registry);
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

    let intake = intake(&settings.channel_keys, &clock, &mut registry)?;
    let broker = listen_to(settings.source, &intake, jobs_in, rooms, &mut vitals).await?;

    let metrics = http::Metrics::default();
    metrics.register(&mut registry);
    let page =
        PageSettings { name: settings.map.map_name, map_style_url: settings.map.map_style_url };
    let admin_token = settings.map.admin_token.map(|token| http::AdminToken::new(token.expose()));
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
        admin_token,
    };
    let address = door.local_addr()?;
    let stop = rooms.stop.clone().cancelled_owned();
    rooms.open("http", async move {
        http::serve(door, parts, stop).await;
        Ok(())
    });
    info!("listening on http://{address}");
    Ok(Server { broker, store })
}

fn pulse(limits: &config::Limits) -> http::Pulse {
    http::Pulse { heartbeat: limits.heartbeat, timeout: limits.client_timeout }
}

/// What clients may ask for.
fn limits(limits: &config::Limits) -> http::Limits {
    let per_second = |count, burst| Rate::new(count, Duration::from_secs(1), burst);
    let per_minute = |count, burst| Rate::new(count, Duration::from_mins(1), burst);
    http::Limits {
        connections: limits.max_connections as usize,
        connections_per_address: limits.max_connections_per_address as usize,
        handshake: limits.handshake_timeout,
        messages: per_second(limits.max_messages_per_second, limits.message_burst),
        messages_per_address: per_second(
            limits.max_messages_per_second_per_address,
            limits.message_burst_per_address,
        ),
        subscriptions: per_minute(limits.max_subscriptions_per_minute, limits.subscription_burst),
        subscriptions_per_address: per_minute(
            limits.max_subscriptions_per_minute_per_address,
            limits.subscription_burst_per_address,
        ),
        message_bytes: limits.max_message_bytes as usize,
        write_budget_bytes: limits.write_budget as usize,
        trusted_proxies: limits.trusted_proxy.clone(),
        origins: limits.allow_origin.iter().cloned().collect(),
    }
}

/// The world as it was left, and the task that owns it.
async fn world(
    store: &dyn Store,
    map: &Map,
    clock: &Clock,
    registry: &mut Registry,
) -> anyhow::Result<(LiveMap, Broadcaster<TickEncoder>)> {
    let now = clock.now();
    let lifetimes = Lifetimes {
        offline_after: map.offline_after,
        forget_after: map.forget_after,
        tombstones: map.resume_within,
    };
    let loaded = store.load(now.minus(map.forget_after), RECENT_MESSAGES).await?;
    info!(nodes = loaded.nodes.len(), "{} nodes are known from before", loaded.nodes.len());
    let left = store.take_left().await?;
    let new_epoch = || format!("{:x}-{:x}", now.as_millis(), std::process::id());
    let settings = broadcast::Settings {
        tick: Duration::from_millis(map.tick_ms),
        epoch: left.as_ref().map_or_else(new_epoch, |left| left.epoch.clone()),
    };
    let world = World::restore(lifetimes, loaded.nodes, loaded.messages, left, now);
    let metrics = broadcast::Metrics::default();
    metrics.register(registry);
    let encoder = TickEncoder::default();
    let (broadcaster, live) = Broadcaster::new(world, encoder, settings, clock.clone(), metrics);
    Ok((live, broadcaster))
}

/// The task that writes, and what is to be said of its health.
fn writer(
    store: &Arc<dyn Store>,
    (jobs, most_jobs): (mpsc::Receiver<Job>, usize),
    committed: mpsc::Sender<storage::Committed>,
    rooms: &Rooms,
    clock: &Clock,
    registry: &mut Registry,
) -> (Writer, Vec<Vital>) {
    let metrics = storage::Metrics::default();
    metrics.register(registry);
    let (trouble, troubled) = watch::channel(None);
    let (waiting_since, waiting) = watch::channel(None);
    let lag = Lag::new(waiting, clock.clone());
    registry.register_collector(Box::new(lag.clone()));
    let vitals = vec![
        Vital::new("storage", move || match troubled.borrow().clone() {
            None => Ok("commits".to_owned()),
            Some(trouble) => Err(trouble),
        }),
        Vital::new("ingest", move || {
            let lag = lag.now();
            let text = format!("{} ms behind", lag.as_millis());
            if lag < MAX_LAG { Ok(text) } else { Err(text) }
        }),
    ];
    let writer = Writer {
        store: Arc::clone(store),
        jobs,
        most_jobs,
        committed,
        trouble,
        waiting_since,
        metrics,
        stop: rooms.stop.clone(),
        grace: STORAGE_GRACE,
    };
    (writer, vitals)
}

/// The task that removes what is too old, and what is to be said of its health.
fn keeper(
    store: &Arc<dyn Store>,
    kept: &config::Retention,
    rooms: &Rooms,
    clock: &Clock,
    vitals: &mut Vec<Vital>,
    registry: &mut Registry,
) -> Keeper {
    let age = |age: Duration| (!age.is_zero()).then_some(age);
    let keep = Keep {
        packets: age(kept.keep_packets),
        positions: age(kept.keep_positions),
        telemetry: age(kept.keep_telemetry),
        messages: age(kept.keep_messages),
        links: age(kept.keep_links),
        database_bytes: (kept.max_database_bytes > 0).then_some(kept.max_database_bytes),
    };
    let metrics = storage::RetentionMetrics::default();
    metrics.register(registry);
    let (trouble, troubled) = watch::channel(None);
    vitals.push(Vital::new("retention", move || match troubled.borrow().clone() {
        None => Ok("keeps what it should".to_owned()),
        Some(trouble) => Err(trouble),
    }));
    let (store, clock, stop) = (Arc::clone(store), clock.clone(), rooms.stop.clone());
    Keeper { store, keep, clock, trouble, metrics, stop }
}

fn intake(
    keys: &[Secret<String>],
    clock: &Clock,
    registry: &mut Registry,
) -> anyhow::Result<Intake> {
    let keys = keys.iter().map(|key| ChannelKey::parse(key.expose()));
    let keys = ChannelKeys::new(keys.collect::<Result<Vec<_>, _>>()?);
    let metrics = Arc::new(ingest::Metrics::default());
    metrics.register(registry);
    Ok(Intake::new(Arc::new(Decoder::new(keys)), clock.clone(), metrics))
}

/// Opens the rooms that messages come in by. They hold the only senders of jobs, so that storage
/// sees the end once they have stopped.
async fn listen_to(
    source: Source,
    intake: &Intake,
    jobs: mpsc::Sender<Job>,
    rooms: &mut Rooms,
    vitals: &mut Vec<Vital>,
) -> anyhow::Result<Option<SocketAddr>> {
    match source {
        Source::Embedded { listen } => {
            let broker = Broker::bind(listen, intake.clone(), jobs).await?;
            let address = broker.local_addr();
            let stop = rooms.stop.clone();
            info!("broker listening on mqtt://{address}");
            rooms.open("broker", async move { Ok(broker.run(stop).await?) });
            Ok(Some(address))
        }
        Source::Brokers(Brokers { urls, ca, topics, client_id, patience }) => {
            let mut names = Vec::new();
            for url in &urls {
                let url = MqttUrl::parse(url.expose().as_str())?;
                let name = url.to_string();
                // A broker keeps one session for one name: a second connection needs its own.
                let earlier = names.iter().filter(|other| **other == name).count();
                let client_id = match earlier {
                    0 => client_id.clone(),
                    earlier => format!("{client_id}-{}", earlier + 1),
                };
                names.push(name.clone());
                let mut settings = MqttSettings::new(url, topics.clone(), client_id);
                settings.ca.clone_from(&ca);
                settings.patience = patience;
                let (state, states) = watch::channel(ConnectionState::Connecting);
                let watching =
                    BrokerWatch::new(&settings, Arc::clone(intake.metrics()), states.clone());
                let stop = rooms.stop.clone();
                let source = MqttSource::new(settings, intake.clone(), jobs.clone(), stop, state);
                let cannot = || format!("cannot listen to --mqtt-url {name}");
                let (source, watching) =
                    (source.with_context(cannot)?, watching.with_context(cannot)?);
                vitals.push(Vital::new(name, move || match &*states.borrow() {
                    ConnectionState::Connected => Ok("connected".to_owned()),
                    state => Err(state.to_string()),
                }));
                let stop = rooms.stop.clone();
                rooms.open("mqtt", async move {
                    tokio::join!(source.run(), watching.run(stop));
                    Ok(())
                });
            }
            Ok(None)
        }
    }
}
