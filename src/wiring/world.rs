//! The world, as the last run left it.

use std::time::Duration;

use prometheus_client::registry::Registry;
use tracing::info;

use crate::{
    broadcast::{self, Broadcaster, LiveMap},
    config::Map,
    domain::{Clock, Lifetimes, World},
    http::TickEncoder,
    storage::Store,
};

/// Messages that the world starts with.
const RECENT_MESSAGES: u32 = 200;

/// The world as it was left, and the task that owns it.
pub(crate) async fn world(
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
