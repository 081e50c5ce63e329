//! `/api/stats`: how the server does, in numbers for people.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    Extension, Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text, registry::Registry};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{AppState, access::Caller, error::ApiError, filter, scrape::Scrape};
use crate::{
    broadcast::{Encoding, Subscriber},
    domain::{Role, Timestamp},
};

/// How often the counters are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// How many looks are kept: rates and percentiles are those of a minute.
const KEPT: usize = 6;

/// Most connections that are shown.
const MAX_ROWS: usize = 1000;

/// What the counters said at some moments of the last minute, the oldest first.
pub(super) struct Stats {
    registry: Arc<Registry>,
    started_at: Timestamp,
    looks: Mutex<VecDeque<(Instant, Scrape)>>,
}

impl Stats {
    /// From now on.
    pub(super) fn new(registry: Arc<Registry>, started_at: Timestamp) -> Self {
        let stats = Self { registry, started_at, looks: Mutex::default() };
        stats.look();
        stats
    }

    /// Looks at the counters from time to time, for ever.
    pub(super) async fn watch(&self) {
        loop {
            sleep(EVERY).await;
            self.look();
        }
    }

    fn look(&self) {
        let now = (Instant::now(), self.read());
        let mut looks = self.looks();
        if looks.len() == KEPT {
            looks.pop_front();
        }
        looks.push_back(now);
    }

    fn read(&self) -> Scrape {
        let mut text = String::new();
        // To write into a string does not fail; if it did, what is missing would show as missing.
        let _ = text::encode(&mut text, &self.registry);
        Scrape::read(&text)
    }

    fn looks(&self) -> MutexGuard<'_, VecDeque<(Instant, Scrape)>> {
        // Nothing that is done under this lock panics.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answer looks like. What it counts is what the rooms count.
pub(super) fn schema() -> Value {
    let numbers = json!({ "type": "object" });
    json!({
        "type": "object",
        "required": ["version", "startedAt", "uptimeSeconds", "epoch", "revision", "now", "totals",
            "windowSeconds", "perSecond", "percentiles"],
        "properties": {
            "version": { "type": "string" },
            "startedAt": { "type": "integer" },
            "uptimeSeconds": { "type": "integer" },
            "epoch": { "type": "string" },
            "revision": { "type": "integer" },
            "now": numbers,
            "totals": numbers,
            "windowSeconds": { "type": "integer" },
            "perSecond": numbers,
            "percentiles": numbers,
            "connections": { "type": "array", "items": { "type": "object" } },
        },
    })
}

/// `GET /api/stats`
pub(super) async fn stats(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let now = state.stats.read();
    let (since, earlier) =
        state.stats.looks().front().cloned().unwrap_or((Instant::now(), Scrape::default()));
    let window = since.elapsed().as_secs_f64().max(0.001);
    let uptime = state.clock.now().since(state.stats.started_at);
    let mut answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "startedAt": state.stats.started_at.as_millis(),
        "uptimeSeconds": uptime.as_secs(),
        "epoch": &**state.live.epoch(),
        "revision": state.live.revision().await?.0,
        "now": now.gauges(),
        "totals": now.totals(),
        "windowSeconds": since.elapsed().as_secs(),
        "perSecond": now.rates(&earlier, window),
        "percentiles": now.percentiles(&earlier),
    });
    if caller.role >= Role::Administrator {
        answer["connections"] = rows(&state).await?;
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Every connection, the oldest first.
async fn rows(state: &AppState) -> Result<Value, ApiError> {
    let subscribers = state.live.subscribers().await?.into_iter();
    let subscribers: HashMap<u64, Subscriber> =
        subscribers.map(|subscriber| (subscriber.viewer, subscriber)).collect();
    let entries = state.roster.entries().into_iter().take(MAX_ROWS);
    let rows = entries.map(|(id, entry)| {
        let subscriber = entry.viewer.get().and_then(|viewer| subscribers.get(viewer));
        let filter = subscriber.and_then(|subscriber| subscriber.filter.as_ref());
        json!({
            "id": id,
            "transport": entry.transport.name(),
            "encoding": match entry.encoding {
                Encoding::Json => "json",
                Encoding::Proto => "proto",
            },
            "since": entry.since.as_millis(),
            "address": entry.address,
            "filter": filter.map(filter::shown),
            "lagRevisions": subscriber.map_or(0, |subscriber| subscriber.lag_revisions),
            "framesSent": entry.frames_sent.load(Relaxed),
            "bytesSent": entry.bytes_sent.load(Relaxed),
            "messagesReceived": entry.messages_received.load(Relaxed),
        })
    });
    Ok(rows.collect())
}
