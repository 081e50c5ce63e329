//! What ingest counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Refusal;
use crate::domain::policy::{Stripped, Veil};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connection {
    connection: String,
}

/// Counters of this room.
#[derive(Clone, Debug)]
pub struct Metrics {
    received: Counter,
    refused: Family<Reason, Counter>,
    stripped: Family<Reason, Counter>,
    floods: Counter,
    kept_out_full: Counter,
    pending: Gauge,
    connected: Family<Connection, Gauge>,
    reconnects: Family<Connection, Counter>,
    sessions_lost: Family<Connection, Counter>,
    broker_dropped: Family<Connection, Counter>,
}

/// One message that is received and not committed yet: counted until it is dropped.
pub(super) struct Pending(Gauge);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let refused = Family::<Reason, Counter>::default();
        for refusal in Refusal::ALL {
            // Made at once, so that a reason that never occurred shows as zero.
            drop(refused.get_or_create(&Reason { reason: refusal.reason() }));
        }
        let stripped = Family::<Reason, Counter>::default();
        for (reason, _) in parts(Stripped::default()) {
            drop(stripped.get_or_create(&Reason { reason }));
        }
        Self {
            received: Counter::default(),
            refused,
            stripped,
            floods: Counter::default(),
            kept_out_full: Counter::default(),
            pending: Gauge::default(),
            connected: Family::default(),
            reconnects: Family::default(),
            sessions_lost: Family::default(),
            broker_dropped: Family::default(),
        }
    }
}

impl Metrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("packets_received", "MQTT messages received", self.received.clone());
        registry.register(
            "packets_refused",
            "MQTT messages that were not stored, by reason",
            self.refused.clone(),
        );
        registry.register(
            "packets_stripped",
            "Packets of which a part was coarsened or withheld, by part",
            self.stripped.clone(),
        );
        registry.register(
            "position_floods",
            "Intervals in which a node sent more positions than it may",
            self.floods.clone(),
        );
        registry.register(
            "kept_out_full",
            "Packets that would keep a node out, while there are as many as may be",
            self.kept_out_full.clone(),
        );
        registry.register(
            "packets_pending",
            "MQTT messages received that wait for their commit or are being committed",
            self.pending.clone(),
        );
        registry.register(
            "mqtt_connected",
            "Whether the connection to an MQTT broker is subscribed: 1 or 0",
            self.connected.clone(),
        );
        registry.register(
            "mqtt_reconnects",
            "Times that a lost connection to an MQTT broker came back",
            self.reconnects.clone(),
        );
        registry.register(
            "mqtt_sessions_lost",
            "Reconnects where the MQTT broker had not kept the session, and so no messages",
            self.sessions_lost.clone(),
        );
        registry.register(
            "mqtt_broker_dropped",
            "Messages that the MQTT broker says it dropped, for any of its clients, since it is watched",
            self.broker_dropped.clone(),
        );
    }

    /// MQTT messages received so far.
    pub fn packets_received(&self) -> u64 {
        self.received.get()
    }

    /// MQTT messages refused so far for this reason.
    pub fn packets_refused(&self, refusal: Refusal) -> u64 {
        self.refused.get_or_create(&Reason { reason: refusal.reason() }).get()
    }

    pub(super) fn received(&self) {
        self.received.inc();
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Reason { reason: refusal.reason() }).inc();
    }

    pub(super) fn stripped(&self, stripped: Stripped) {
        for (reason, _) in parts(stripped).into_iter().filter(|(_, is)| *is) {
            self.stripped.get_or_create(&Reason { reason }).inc();
        }
    }

    pub(super) fn kept_out_full(&self) {
        self.kept_out_full.inc();
    }

    pub(super) fn flooded(&self) {
        self.floods.inc();
    }

    /// MQTT messages received and not committed yet.
    pub fn packets_pending(&self) -> u64 {
        u64::try_from(self.pending.get()).unwrap_or_default()
    }

    pub(super) fn pending(&self) -> Pending {
        self.pending.inc();
        Pending(self.pending.clone())
    }

    pub(super) fn connected(&self, connection: &str, connected: bool) {
        let label = Connection { connection: connection.to_owned() };
        self.connected.get_or_create(&label).set(connected.into());
        // Made with the gauge, so that a connection that was never lost shows as zero.
        drop(self.reconnects.get_or_create(&label));
        drop(self.sessions_lost.get_or_create(&label));
    }

    pub(super) fn reconnected(&self, connection: &str) {
        let label = Connection { connection: connection.to_owned() };
        self.reconnects.get_or_create(&label).inc();
    }

    pub(super) fn session_lost(&self, connection: &str) {
        let label = Connection { connection: connection.to_owned() };
        self.sessions_lost.get_or_create(&label).inc();
    }

    pub(super) fn broker_dropped(&self, connection: &str, messages: u64) {
        let label = Connection { connection: connection.to_owned() };
        self.broker_dropped.get_or_create(&label).inc_by(messages);
    }
}

/// What was taken out, as it is counted.
fn parts(stripped: Stripped) -> [(&'static str, bool); 4] {
    let is = |veil| stripped.position == Some(veil);
    [
        ("position_coarsened", is(Veil::Coarsened)),
        ("position_too_coarse", is(Veil::TooCoarse)),
        ("position_at_home", is(Veil::AtHome)),
        ("text", stripped.text),
    ]
}
