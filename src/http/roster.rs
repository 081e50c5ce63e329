//! Who is connected, and what went to and fro.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::{frames::Frame, metrics::Metrics};
use crate::{
    broadcast::{Encoding, Viewer},
    domain::Timestamp,
};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A WebSocket.
    Ws,
    /// Server-Sent Events.
    Sse,
}

impl Transport {
    /// The transport as metrics name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
        }
    }
}

/// One client's connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) transport: Transport,
    pub(super) encoding: Encoding,
    pub(super) address: IpAddr,
    pub(super) since: Timestamp,
    /// Its number among the viewers of the map.
    pub(super) viewer: OnceLock<u64>,
    pub(super) frames_sent: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    pub(super) messages_received: AtomicU64,
}

/// Every open connection, by number.
#[derive(Clone, Debug)]
pub(super) struct Roster(Arc<Open>);

#[derive(Debug)]
struct Open {
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    metrics: Metrics,
}

impl Roster {
    /// An empty one, whose connections count in `metrics`.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Open { entries: Mutex::default(), next: AtomicU64::new(0), metrics }))
    }

    /// Enters a connection, which stands there until its meter is dropped.
    pub(super) fn enter(
        &self,
        transport: Transport,
        encoding: Encoding,
        address: IpAddr,
        since: Timestamp,
    ) -> Meter {
        let id = self.0.next.fetch_add(1, Relaxed);
        let entry = Arc::new(Entry {
            transport,
            encoding,
            address,
            since,
            viewer: OnceLock::new(),
            frames_sent: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            messages_received: AtomicU64::new(0),
        });
        self.lock().insert(id, Arc::clone(&entry));
        let metrics = &self.0.metrics;
        metrics.clients(transport).inc();
        let frames = metrics.frames_sent(transport);
        let bytes = metrics.bytes_sent(transport);
        Meter { id, entry, frames, bytes, roster: self.clone() }
    }

    /// Who is connected now.
    pub(super) fn entries(&self) -> Vec<(u64, Arc<Entry>)> {
        self.lock().iter().map(|(id, entry)| (*id, Arc::clone(entry))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        // Nothing that is done under this lock panics.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what goes over one connection.
#[derive(Debug)]
pub(super) struct Meter {
    id: u64,
    entry: Arc<Entry>,
    frames: Counter,
    bytes: Counter,
    roster: Roster,
}

impl Meter {
    /// The connection has a place on the map.
    pub(super) fn joins(&self, viewer: &Viewer) {
        // Nobody joins twice.
        let _ = self.entry.viewer.set(viewer.id());
    }

    /// This goes out, in so many bytes.
    pub(super) fn sends(&self, frame: &Frame) {
        self.frames.inc();
        self.bytes.inc_by(frame.payload_bytes() as u64);
        self.entry.frames_sent.fetch_add(1, Relaxed);
        self.entry.bytes_sent.fetch_add(frame.payload_bytes() as u64, Relaxed);
        self.roster.0.metrics.sends(frame.kind);
    }

    /// A message of this type came in.
    pub(super) fn hears(&self, kind: &'static str) {
        self.entry.messages_received.fetch_add(1, Relaxed);
        self.roster.0.metrics.hears(kind);
    }

    /// An event stream is given up, because its client took nothing.
    pub(super) fn times_out(&self) {
        self.roster.0.metrics.sse_timed_out.inc();
    }

    /// The socket has taken all that was sealed then.
    pub(super) fn delivered(&self, sealed_at: Instant) {
        self.roster.0.metrics.tick_to_socket.observe(sealed_at.elapsed().as_secs_f64());
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.roster.lock().remove(&self.id);
        self.roster.0.metrics.clients(self.entry.transport).dec();
    }
}
