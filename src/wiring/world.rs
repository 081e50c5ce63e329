//! The world, as the last run left it.

use std::time::Duration;

use prometheus_client::registry::Registry;
use tracing::info;

use crate::{
    broadcast::{self, Broadcaster, LiveMap},
    config::Map,
    domain::{Clock, Continuation, Lifetimes, World},
    http::TickEncoder,
    storage::Loaded,
};

/// The world as it was left, and the task that owns it.
pub(crate) fn world(
    (loaded, left): (Loaded, Option<Continuation>),
    map: &Map,
    clock: &Clock,
    registry: &mut Registry,
) -> (LiveMap, Broadcaster<TickEncoder>) {
    let now = clock.now();
    let lifetimes = Lifetimes {
        offline_after: map.offline_after,
        forget_after: map.forget_after,
        tombstones: map.resume_within,
    };
    info!(nodes = loaded.nodes.len(), "{} nodes are known from before", loaded.nodes.len());
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
    (live, broadcaster)
}
