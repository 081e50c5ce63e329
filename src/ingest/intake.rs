//! The one door for messages: decodes, counts, and makes the job that storage works on.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::debug;

use super::{Metrics, Refusal};
use crate::{
    domain::{Clock, Filed, Report, Timestamp},
    storage::{Job, Outcome},
};

/// Reads the messages of one network. Pure: the same bytes give the same report.
pub trait Decode: Send + Sync {
    /// What the message says, or why it is not stored. `arrived` is when it came to this server.
    fn decode(&self, topic: &str, payload: &[u8], arrived: Timestamp) -> Result<Report, Refusal>;

    /// When the message was heard, by the gateway's clock; none if it does not say.
    fn heard(&self, _topic: &str, _payload: &[u8]) -> Option<Timestamp> {
        None
    }
}

/// Turns MQTT messages into jobs, wherever they come from.
///
/// What it counts adds up: packets received are receptions stored and packets refused, a copy
/// that was stored before being refused as a duplicate, and one that was set aside as quarantined.
#[derive(Clone)]
pub struct Intake {
    decoder: Arc<dyn Decode>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Intake {
    /// An intake that reads with `decoder`, dates by `clock` and counts in `metrics`.
    pub fn new(decoder: Arc<dyn Decode>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { decoder, clock, metrics }
    }

    /// What is counted here.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The job for one message that was received now. `acknowledge` is called once, when
    /// everything that the message says is on disk.
    pub fn job(
        &self,
        topic: &str,
        payload: &[u8],
        acknowledge: impl FnOnce() + Send + 'static,
    ) -> Job {
        self.metrics.received();
        let arrived_at = Instant::now();
        let report = match self.decoder.decode(topic, payload, self.clock.now()) {
            Ok(report) => Some(Box::new(report)),
            Err(refusal) => {
                self.metrics.refused(refusal);
                let payload_bytes = payload.len();
                debug!(payload_bytes, "refused a packet on topic {topic:?}: {refusal}");
                None
            }
        };
        self.settled(report, arrived_at, acknowledge)
    }

    /// The job for a message that nobody asked for: it is only acknowledged in its turn.
    pub fn turn_away(&self, topic: &str, acknowledge: impl FnOnce() + Send + 'static) -> Job {
        self.metrics.received();
        self.metrics.refused(Refusal::UnknownTopic);
        debug!("turned away a packet on topic {topic:?}, which is not subscribed to");
        self.settled(None, Instant::now(), acknowledge)
    }

    fn settled(
        &self,
        report: Option<Box<Report>>,
        arrived_at: Instant,
        acknowledge: impl FnOnce() + Send + 'static,
    ) -> Job {
        let metrics = Arc::clone(&self.metrics);
        let pending = metrics.pending();
        let settle = Box::new(move |outcome| {
            match outcome {
                Outcome::Filed(Filed::Duplicate) => metrics.refused(Refusal::Duplicate),
                Outcome::Quarantined => metrics.refused(Refusal::Quarantined),
                Outcome::Filed(Filed::Packet | Filed::Reception) | Outcome::Refused => {}
            }
            drop(pending);
            acknowledge();
        });
        Job { report, settle, arrived_at }
    }
}
