//! How far storage is behind.

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
    registry::Unit,
};
use tokio::sync::watch;

use crate::domain::{Clock, Timestamp};

/// How long the oldest message that is not committed has waited. As a metric it grows while
/// nothing is committed, where a histogram of commits stands still.
#[derive(Clone, Debug)]
pub struct Lag {
    waiting_since: watch::Receiver<Option<Timestamp>>,
    clock: Clock,
}

impl Lag {
    /// Read from what the writer shows as the arrival of the oldest message.
    pub fn new(waiting_since: watch::Receiver<Option<Timestamp>>, clock: Clock) -> Self {
        Self { waiting_since, clock }
    }

    /// Now; zero when nothing waits.
    pub fn now(&self) -> Duration {
        let since = *self.waiting_since.borrow();
        since.map(|since| self.clock.now().since(since)).unwrap_or_default()
    }
}

impl Collector for Lag {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(self.now().as_secs_f64());
        let help = "Time that the oldest message that is not committed has waited";
        let encoder =
            encoder.encode_descriptor("lag", help, Some(&Unit::Seconds), gauge.metric_type())?;
        gauge.encode(encoder)
    }
}
