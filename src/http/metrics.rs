//! What this room counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{
    access::Denied,
    gate::Refusal,
    protocol::{CloseReason, ErrorCode},
    roster::Transport,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Over {
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Type {
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Close {
    code: u32,
    reason: &'static str,
}

/// Counters of this room.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the registered help texts say it")]
pub struct Metrics {
    pub connections: Gauge,
    pub(super) tick_to_socket: Histogram,
    pub(super) sse_timed_out: Counter,
    clients: Family<Over, Gauge>,
    frames_sent: Family<Over, Counter>,
    bytes_sent: Family<Over, Counter>,
    messages_sent: Family<Type, Counter>,
    messages_received: Family<Type, Counter>,
    refused: Family<Reason, Counter>,
    denied: Family<Reason, Counter>,
    errors: Family<Code, Counter>,
    closed: Family<Close, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let (refused, closed) =
            (Family::<Reason, Counter>::default(), Family::<Close, Counter>::default());
        // Made at once, so that what never occurred shows as zero.
        for refusal in Refusal::ALL {
            drop(refused.get_or_create(&Reason { reason: refusal.reason() }));
        }
        for reason in CloseReason::ALL {
            drop(closed.get_or_create(&Close::from(reason)));
        }
        let denied = Family::<Reason, Counter>::default();
        for reason in Denied::REASONS {
            drop(denied.get_or_create(&Reason { reason }));
        }
        let metrics = Self {
            connections: Gauge::default(),
            tick_to_socket: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
            sse_timed_out: Counter::default(),
            clients: Family::default(),
            frames_sent: Family::default(),
            bytes_sent: Family::default(),
            messages_sent: Family::default(),
            messages_received: Family::default(),
            refused,
            denied,
            errors: Family::default(),
            closed,
        };
        // Made at once, so that a transport that nobody uses shows as zero.
        for transport in [Transport::Ws, Transport::Sse] {
            drop(metrics.clients(transport));
            drop(metrics.frames_sent(transport));
            drop(metrics.bytes_sent(transport));
        }
        metrics
    }
}

impl From<CloseReason> for Close {
    fn from(reason: CloseReason) -> Self {
        let name = match reason {
            CloseReason::GoingAway => "going_away",
            CloseReason::TimedOut => "timed_out",
            CloseReason::RateLimited => "rate_limited",
            CloseReason::Violation => "protocol",
            CloseReason::NotUtf8 => "not_utf8",
            CloseReason::TooLong => "too_long",
            CloseReason::Dismissed => "dismissed",
        };
        Self { code: reason.code().into(), reason: name }
    }
}

impl Metrics {
    /// Makes the counters visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_connections", "Open connections", self.connections.clone());
        registry.register("connections", "Clients of the live map", self.clients.clone());
        registry.register(
            "frames_sent",
            "Frames and events sent to clients of the live map",
            self.frames_sent.clone(),
        );
        registry.register_with_unit(
            "sent",
            "What these frames and events hold",
            Unit::Bytes,
            self.bytes_sent.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages sent to clients of the live map, by type",
            self.messages_sent.clone(),
        );
        registry.register(
            "messages_received",
            "Messages of clients of the live map, by type",
            self.messages_received.clone(),
        );
        registry.register(
            "sse_timed_out",
            "Event streams given up because the client took nothing",
            self.sse_timed_out.clone(),
        );
        registry.register_with_unit(
            "tick_to_socket",
            "Time from a tick until a client's socket has taken all of it",
            Unit::Seconds,
            self.tick_to_socket.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections and requests that were not let in, by reason",
            self.refused.clone(),
        );
        registry.register(
            "requests_denied",
            "Requests of who may not, or not so often, by reason",
            self.denied.clone(),
        );
        registry.register(
            "client_errors",
            "Messages of clients that were mistaken or too many, by code",
            self.errors.clone(),
        );
        registry.register(
            "ws_closed",
            "WebSockets that the server hung up on, by close code and reason",
            self.closed.clone(),
        );
    }

    pub(super) fn clients(&self, transport: Transport) -> Gauge {
        self.clients.get_or_create_owned(&Over { transport: transport.name() })
    }

    pub(super) fn frames_sent(&self, transport: Transport) -> Counter {
        self.frames_sent.get_or_create_owned(&Over { transport: transport.name() })
    }

    pub(super) fn bytes_sent(&self, transport: Transport) -> Counter {
        self.bytes_sent.get_or_create_owned(&Over { transport: transport.name() })
    }

    pub(super) fn sends(&self, kind: &'static str) {
        self.messages_sent.get_or_create(&Type { r#type: kind }).inc();
    }

    pub(super) fn hears(&self, kind: &'static str) {
        self.messages_received.get_or_create(&Type { r#type: kind }).inc();
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Reason { reason: refusal.reason() }).inc();
    }

    pub(super) fn denied(&self, denied: Denied) {
        self.denied.get_or_create(&Reason { reason: denied.reason() }).inc();
    }

    pub(super) fn mistaken(&self, code: ErrorCode) {
        self.errors.get_or_create(&Code { code: code.name() }).inc();
    }

    pub(super) fn hung_up(&self, reason: CloseReason) {
        self.closed.get_or_create(&Close::from(reason)).inc();
    }
}
