//! What the writer counts.

use prometheus_client::{
    metrics::{
        counter::Counter,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Counters of the writer.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the registered help texts say it")]
pub struct Metrics {
    pub packets_stored: Counter,
    pub receptions_stored: Counter,
    pub commits: Counter,
    pub commit_failures: Counter,
    pub commit_seconds: Histogram,
    pub commit_reports: Histogram,
    pub arrival_to_commit_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            packets_stored: Counter::default(),
            receptions_stored: Counter::default(),
            commits: Counter::default(),
            commit_failures: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 4.0, 8)),
            commit_reports: Histogram::new(exponential_buckets(1.0, 4.0, 7)),
            arrival_to_commit_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
        }
    }
}

impl Metrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "packets_stored",
            "Packets stored, each once",
            self.packets_stored.clone(),
        );
        registry.register(
            "receptions_stored",
            "Gateways' copies of packets stored, the first ones included",
            self.receptions_stored.clone(),
        );
        registry.register("commits", "Transactions committed", self.commits.clone());
        registry.register(
            "commit_failures",
            "Transactions that failed and were tried again",
            self.commit_failures.clone(),
        );
        registry.register_with_unit(
            "commit",
            "Time of one transaction that succeeded",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "commit_reports",
            "Reports in one transaction",
            self.commit_reports.clone(),
        );
        registry.register_with_unit(
            "arrival_to_commit",
            "Time from the arrival of a message to its commit",
            Unit::Seconds,
            self.arrival_to_commit_seconds.clone(),
        );
    }
}
