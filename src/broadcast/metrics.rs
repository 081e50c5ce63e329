//! What the broadcaster counts.

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Counters of the broadcaster.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the registered help texts say it")]
pub struct Metrics {
    pub nodes: Gauge,
    pub subscriptions: Gauge,
    pub ticks: Counter,
    pub tick_seconds: Histogram,
    pub changes: Counter,
    pub deliveries: Counter,
    pub fell_behind: Counter,
    pub catch_ups: Counter,
    pub snapshots: Counter,
    pub resumed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            nodes: Gauge::default(),
            subscriptions: Gauge::default(),
            ticks: Counter::default(),
            tick_seconds: Histogram::new(exponential_buckets(0.000_1, 4.0, 8)),
            changes: Counter::default(),
            deliveries: Counter::default(),
            fell_behind: Counter::default(),
            catch_ups: Counter::default(),
            snapshots: Counter::default(),
            resumed: Counter::default(),
        }
    }
}

impl Metrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("nodes", "Nodes on the map", self.nodes.clone());
        registry.register("subscriptions", "Clients with a filter", self.subscriptions.clone());
        registry.register("ticks", "Batches of changes sealed", self.ticks.clone());
        registry.register_with_unit(
            "tick",
            "Time to match, encode and hand over one batch",
            Unit::Seconds,
            self.tick_seconds.clone(),
        );
        registry.register("changes", "Changes of nodes, merged per tick", self.changes.clone());
        registry.register("deliveries", "Batches handed to clients", self.deliveries.clone());
        registry.register(
            "clients_fell_behind",
            "Times that a client had not taken one batch when the next was due",
            self.fell_behind.clone(),
        );
        registry.register("catch_ups", "Merged batches for such clients", self.catch_ups.clone());
        registry.register("snapshots", "Full pictures handed out", self.snapshots.clone());
        registry.register("resumed", "Subscriptions continued from a cursor", self.resumed.clone());
    }
}
