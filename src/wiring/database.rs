//! The database: opened, written, and kept in its size.

use std::{future::Future, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Settings,
    access::is_public,
    clients::{limits, pulse},
    policy::hold_to,
};
use crate::{
    config,
    domain::{Clock, Continuation, NodeId, Remark, policy::KeptOut},
    http::{self, Tls, Vital},
    rooms::Rooms,
    storage::{self, Job, Keep, Keeper, Lag, Loaded, Patience, Store, Writer},
};

/// A message that waits longer than this for its commit is a reason to worry.
const MAX_LAG: Duration = Duration::from_secs(10);

/// Messages that the world starts with.
const RECENT_MESSAGES: u32 = 200;

/// How long a failing database is tried again once the server is stopping.
const STORAGE_GRACE: Duration = Duration::from_secs(5);

/// The database, once it is there. Until then whoever comes to the door is told why it is not.
pub(crate) async fn database(
    settings: &Settings,
    door: &Arc<TcpListener>,
    tls: Option<&Arc<Tls>>,
) -> anyhow::Result<Arc<dyn Store>> {
    let (trouble, troubled) = watch::channel(None);
    let patience = Patience::new(trouble);
    let (url, limits) = (settings.database_url.expose(), settings.database_limits);
    let opening = async move { patience.open(url, settings.map.forget_after, limits).await };
    Ok(at_the_door(opening, troubled, settings, (door, tls)).await??)
}

/// What a server begins with.
pub(crate) struct Beginning {
    pub(crate) kept_out: KeptOut,
    /// The nodes and messages of the map.
    pub(crate) loaded: Loaded,
    /// What the last run left; none if it did not end in order.
    pub(crate) left: Option<Continuation>,
    /// What was refused lately, for whoever asks why.
    pub(crate) refusals: Vec<(NodeId, Remark)>,
}

/// Holds what is stored to the policy, and asks for what the server begins with. Whoever comes to the
/// door meanwhile is told why there is no map yet, if that takes long.
pub(crate) async fn beginning(
    settings: &Settings,
    store: &dyn Store,
    clock: &Clock,
    door: (&Arc<TcpListener>, Option<&Arc<Tls>>),
) -> anyhow::Result<Beginning> {
    let (trouble, troubled) = watch::channel(None);
    let patience = Patience::new(trouble);
    let since = clock.now().minus(settings.map.forget_after);
    let asking = async move {
        Ok(Beginning {
            kept_out: hold_to(store, &settings.policy, &patience).await?,
            loaded: patience.until(|| store.load(since, RECENT_MESSAGES)).await?,
            refusals: patience.until(|| store.refusals()).await?,
            // Last, as it is there only once.
            left: patience.until(|| store.take_left()).await?,
        })
    };
    at_the_door(asking, troubled, settings, door).await?
}

/// Works, and answers at the door meanwhile.
async fn at_the_door<T>(
    work: impl Future<Output = T>,
    troubled: watch::Receiver<Option<String>>,
    settings: &Settings,
    (door, tls): (&Arc<TcpListener>, Option<&Arc<Tls>>),
) -> anyhow::Result<T> {
    let clients = &settings.map.limits;
    let door = (Arc::clone(door), door.local_addr()?);
    let with = (limits(clients), pulse(clients), tls.cloned());
    let is_public = is_public(&settings.map.access, settings.listen);
    Ok(Box::pin(http::answer_during(work, troubled, door, with, is_public)).await)
}

/// The task that writes, and what is to be said of its health.
pub(crate) fn writer(
    store: &Arc<dyn Store>,
    (jobs, most_jobs): (mpsc::Receiver<Job>, usize),
    (committed, due): (mpsc::Sender<storage::Committed>, watch::Receiver<Instant>),
    kept_out: KeptOut,
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
        due,
        trouble,
        waiting_since,
        kept_out,
        metrics,
        stop: rooms.stop.clone(),
        grace: STORAGE_GRACE,
    };
    (writer, vitals)
}

/// The task that removes what is too old, and what is to be said of its health.
pub(crate) fn keeper(
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
