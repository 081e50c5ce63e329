//! The one door for messages: decodes, counts, and makes the job that storage works on.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::debug;

use super::{Gatekeeper, Metrics, Refusal, gatekeeper::Admitted};
use crate::{
    domain::{
        Clock, Filed, Heard, NodeId, Remark, Report, SharedLogbook, Timestamp,
        policy::{Origin, Standing, Veil},
    },
    storage::{Job, Outcome},
};

/// A position that is dated so long before it was heard is one of a clock that runs behind.
const LATE: Duration = Duration::from_hours(24);

/// Reads the messages of one network. Pure: the same bytes give the same report.
pub trait Decode: Send + Sync {
    /// What the message says, or why it is not stored. `arrived` is when it came to this server.
    fn decode(&self, topic: &str, payload: &[u8], arrived: Timestamp) -> Result<Report, Refusal>;

    /// Who sent a message that is refused, as far as that can be told without opening it.
    fn origin(&self, _topic: &str, _payload: &[u8]) -> Option<Sender> {
        None
    }

    /// When the message was heard, by the gateway's clock; none if it does not say.
    fn heard(&self, _topic: &str, _payload: &[u8]) -> Option<Timestamp> {
        None
    }
}

/// Who sent a message, by way of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The node.
    pub node: NodeId,
    /// Who handed it over, if it says.
    pub gateway: Option<NodeId>,
    /// The number of its kind, if it is not encrypted.
    pub port: Option<u16>,
    /// The hash of its channel, if it is encrypted.
    pub channel_hash: Option<u32>,
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
    /// None takes everything.
    gatekeeper: Option<Arc<Gatekeeper>>,
    /// The broker that messages come from; none for the one inside.
    broker: Option<Arc<str>>,
    /// Where it is noted what was heard and refused.
    logbook: SharedLogbook,
}

/// What is to be done about a message, before it is a job.
#[derive(Default)]
struct Work {
    report: Option<Box<Report>>,
    standing: Option<Standing>,
}

impl Intake {
    /// An intake that reads with `decoder`, dates by `clock` and counts in `metrics`.
    pub fn new(decoder: Arc<dyn Decode>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            decoder,
            clock,
            metrics,
            gatekeeper: None,
            broker: None,
            logbook: SharedLogbook::default(),
        }
    }

    /// The same, which holds what comes in to a policy.
    #[must_use]
    pub fn guarded_by(self, gatekeeper: Arc<Gatekeeper>) -> Self {
        Self { gatekeeper: Some(gatekeeper), ..self }
    }

    /// The same, which notes in this logbook what it hears and refuses.
    #[must_use]
    pub fn noting_in(self, logbook: SharedLogbook) -> Self {
        Self { logbook, ..self }
    }

    /// The same for messages of this broker.
    #[must_use]
    pub fn of_broker(&self, name: &str) -> Self {
        Self { broker: Some(name.into()), ..self.clone() }
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
        let now = self.clock.now();
        let work = match self.decoder.decode(topic, payload, now) {
            Ok(report) => self.admit(topic, Box::new(report), now),
            Err(refusal) => {
                self.refuse(topic, payload.len(), refusal);
                if let Some(sender) = self.decoder.origin(topic, payload) {
                    self.remark(topic, &sender, refusal.reason(), now);
                }
                Work::default()
            }
        };
        self.settled(work, arrived_at, acknowledge)
    }

    /// The job for a report that was held, and that nobody waits for any more.
    pub fn released(&self, report: Report) -> Job {
        self.settled(Work { report: Some(report.into()), standing: None }, Instant::now(), || {})
    }

    /// The job that keeps a node out, or lets it in again.
    pub fn change(&self, standing: Standing, done: impl FnOnce() + Send + 'static) -> Job {
        self.settled(Work { report: None, standing: Some(standing) }, Instant::now(), done)
    }

    /// Holds a report to the policy.
    fn admit(&self, topic: &str, report: Box<Report>, now: Timestamp) -> Work {
        let Some(gatekeeper) = &self.gatekeeper else {
            return Work { report: Some(report), standing: None };
        };
        let origin = Origin { broker: self.broker.as_deref(), topic };
        let payload_bytes = report.packet.payload.len();
        let sender = Sender {
            node: report.patch.node.clone(),
            gateway: Some(report.reception.gateway.clone()),
            port: Some(report.packet.port),
            channel_hash: None,
        };
        let is_late = report.patch.position.is_some_and(|position| {
            position.stamp.own_clock && position.stamp.time < position.stamp.heard.minus(LATE)
        });
        let Admitted { report, standing, stripped } = gatekeeper.admit(&origin, report, now);
        if matches!(standing, Some(Standing::Out(..))) {
            self.logbook.forget(&sender.node);
        }
        match &report {
            Ok(report) => {
                let withheld = matches!(stripped.position, Some(Veil::AtHome | Veil::TooCoarse));
                let remarks = [
                    ("position_withheld", withheld),
                    ("text_withheld", stripped.text),
                    ("clock", is_late),
                ];
                for (reason, _) in remarks.into_iter().filter(|(_, is)| *is) {
                    self.remark(topic, &sender, reason, now);
                }
                if sender.gateway.as_ref() == Some(&report.reception.gateway) {
                    self.hear(topic, sender, now);
                }
            }
            Err(None) => self.hear(topic, sender, now),
            Err(Some(refusal)) => {
                self.refuse(topic, payload_bytes, *refusal);
                self.remark(topic, &sender, refusal.reason(), now);
            }
        }
        Work { report: report.ok(), standing }
    }

    fn hear(&self, topic: &str, sender: Sender, time: Timestamp) {
        let Sender { node, gateway, port, .. } = sender;
        if let (Some(gateway), Some(port)) = (gateway, port) {
            self.logbook.hear(&node, Heard { time, topic: topic.into(), gateway, port });
        }
    }

    /// Notes why something is not shown. Of one who does not want to be on a map it is not noted
    /// where it was heard.
    fn remark(&self, topic: &str, sender: &Sender, reason: &'static str, time: Timestamp) {
        let hides = |node| self.gatekeeper.as_ref().is_some_and(|keeper| keeper.hides(node));
        let is_shy =
            matches!(reason, "ok_to_mqtt" | "opted_out" | "forgotten" | "node_not_allowed")
                || hides(&sender.node)
                || sender.gateway.as_ref().is_some_and(hides);
        let remark = Remark {
            time,
            reason: reason.into(),
            channel_hash: sender.channel_hash.filter(|_| reason == "no_key"),
            topic: (!is_shy).then(|| topic.into()),
            gateway: sender.gateway.clone().filter(|_| !is_shy),
            port: sender.port,
        };
        self.logbook.remark(&sender.node, remark);
    }

    fn refuse(&self, topic: &str, payload_bytes: usize, refusal: Refusal) {
        self.metrics.refused(refusal);
        debug!(payload_bytes, "refused a packet on topic {topic:?}: {refusal}");
    }

    /// The job for a message that nobody asked for: it is only acknowledged in its turn.
    pub fn turn_away(&self, topic: &str, acknowledge: impl FnOnce() + Send + 'static) -> Job {
        self.metrics.received();
        self.metrics.refused(Refusal::UnknownTopic);
        debug!("turned away a packet on topic {topic:?}, which is not subscribed to");
        self.settled(Work::default(), Instant::now(), acknowledge)
    }

    fn settled(
        &self,
        Work { report, standing }: Work,
        arrived_at: Instant,
        acknowledge: impl FnOnce() + Send + 'static,
    ) -> Job {
        let metrics = Arc::clone(&self.metrics);
        let pending = metrics.pending();
        let settle = Box::new(move |outcome| {
            match outcome {
                Outcome::Filed(Filed::Duplicate) => metrics.refused(Refusal::Duplicate),
                Outcome::Quarantined => metrics.refused(Refusal::Quarantined),
                Outcome::KeptOut => metrics.refused(Refusal::Forgotten),
                Outcome::Filed(Filed::Packet | Filed::Reception) | Outcome::Refused => {}
            }
            drop(pending);
            acknowledge();
        });
        Job { report, standing, settle, arrived_at, sender: None }
    }
}
