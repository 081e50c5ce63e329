//! What the keeper counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{History, Reason, Sizes};
use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Removed {
    table: &'static str,
    reason: &'static str,
}

/// Counters of the keeper.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the registered help texts say it")]
pub struct RetentionMetrics {
    rows: Family<Table, Gauge>,
    bytes: Family<Table, Gauge>,
    removed: Family<Removed, Counter>,
    used_bytes: Gauge,
    total_bytes: Gauge,
    last_sweep: Gauge,
    pub failures: Counter,
}

impl Default for RetentionMetrics {
    fn default() -> Self {
        let removed = Family::<Removed, Counter>::default();
        // Made at once, so that what never occurred shows as zero.
        for table in History::ALL.map(History::name) {
            for reason in [Reason::Age, Reason::Size].map(Reason::name) {
                drop(removed.get_or_create(&Removed { table, reason }));
            }
        }
        Self {
            rows: Family::default(),
            bytes: Family::default(),
            removed,
            used_bytes: Gauge::default(),
            total_bytes: Gauge::default(),
            last_sweep: Gauge::default(),
            failures: Counter::default(),
        }
    }
}

impl RetentionMetrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("history_rows", "Rows of history", self.rows.clone());
        registry.register_with_unit(
            "history",
            "About how large a table of history is with its indexes",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register_with_unit(
            "database_used",
            "What is in use of the database",
            Unit::Bytes,
            self.used_bytes.clone(),
        );
        registry.register_with_unit(
            "database",
            "What the database takes on disk",
            Unit::Bytes,
            self.total_bytes.clone(),
        );
        registry.register("rows_removed", "Rows of history removed", self.removed.clone());
        registry.register_with_unit(
            "last_sweep_timestamp",
            "When old history was last removed to the end",
            Unit::Seconds,
            self.last_sweep.clone(),
        );
        registry.register(
            "sweep_failures",
            "Times that old history could not be removed",
            self.failures.clone(),
        );
    }

    pub(super) fn removed(&self, history: History, reason: Reason, rows: u64) {
        let labels = Removed { table: history.name(), reason: reason.name() };
        self.removed.get_or_create(&labels).inc_by(rows);
    }

    pub(super) fn swept(&self, now: Timestamp) {
        self.last_sweep.set(now.as_millis() / 1000);
    }

    pub(super) fn show(&self, sizes: &Sizes) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for size in &sizes.tables {
            let table = Table { table: size.history.name() };
            self.rows.get_or_create(&table).set(gauge(size.rows));
            self.bytes.get_or_create(&table).set(gauge(size.bytes));
        }
        self.used_bytes.set(gauge(sizes.used_bytes));
        self.total_bytes.set(gauge(sizes.total_bytes));
    }
}
