//! What becomes of the spans of traces.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What became of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// The collector took it.
    Exported,
    /// There was no room for it.
    Dropped,
    /// The collector did not take it.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    outcome: &'static str,
}

/// Counts spans by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    spans: Family<Label, Counter>,
}

impl Counters {
    /// Shows them among the metrics.
    pub fn register(&self, registry: &mut Registry) {
        for outcome in [Fate::Exported, Fate::Dropped, Fate::Failed] {
            // Made at once, so that what never occurred shows as zero.
            self.count(outcome, 0);
        }
        let help = "Spans of traces, by what became of them: the collector took them (exported), \
            there was no room for them (dropped), the collector did not take them (failed)";
        registry.register("trace_spans", help, self.spans.clone());
    }

    pub(super) fn count(&self, outcome: Fate, spans: usize) {
        let outcome = match outcome {
            Fate::Exported => "exported",
            Fate::Dropped => "dropped",
            Fate::Failed => "failed",
        };
        self.spans.get_or_create(&Label { outcome }).inc_by(spans as u64);
    }
}
