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
    pub commit_to_tick_seconds: Histogram,
    pub changes: Counter,
    pub deliveries: Counter,
    pub fell_behind: Counter,
    pub catch_ups: Counter,
    pub snapshots: Counter,
    pub differences: Counter,
    pub resumed: Counter,
    pub resumes_refused: Counter,
    pub enters: Counter,
    pub leaves: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            nodes: Gauge::default(),
            subscriptions: Gauge::default(),
            ticks: Counter::default(),
            tick_seconds: Histogram::new(exponential_buckets(0.000_1, 4.0, 8)),
            commit_to_tick_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
            changes: Counter::default(),
            deliveries: Counter::default(),
            fell_behind: Counter::default(),
            catch_ups: Counter::default(),
            snapshots: Counter::default(),
            differences: Counter::default(),
            resumed: Counter::default(),
            resumes_refused: Counter::default(),
            enters: Counter::default(),
            leaves: Counter::default(),
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
        registry.register_with_unit(
            "commit_to_tick",
            "Time from the commit of a change to the tick that tells of it",
            Unit::Seconds,
            self.commit_to_tick_seconds.clone(),
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
        registry.register(
            "differences",
            "Pictures of only what entered or changed and what left",
            self.differences.clone(),
        );
        registry.register(
            "resumed",
            "Clients that came back and were given such a difference",
            self.resumed.clone(),
        );
        registry.register(
            "resumes_refused",
            "Clients that named a cursor and had to be given a full picture",
            self.resumes_refused.clone(),
        );
        registry.register("enters", "Nodes that clients were told enter", self.enters.clone());
        registry.register("leaves", "Nodes that clients were told leave", self.leaves.clone());
    }
}
