//! Http: the outside's view. One router, the live conversation, and answers to questions.

mod assets;
mod error;
mod filter;
mod frames;
mod geojson;
mod health;
mod history;
#[cfg(test)]
mod law;
mod nodes;
mod protocol;
mod records;
mod session;
mod socket;

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::HeaderValue,
    routing::get,
    serve::ListenerExt,
};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::task::TaskTracker;
use tower_http::compression::CompressionLayer;
use tracing::info;

use crate::{broadcast::LiveMap, domain::Clock, storage::Store};

pub use frames::JsonEncoder;
pub use health::{Metrics, Vital};

/// How long clients may take for their last frames once the map has closed.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// What the page is told about this server.
#[derive(Clone, Debug, Default)]
pub struct PageSettings {
    /// The name in the title.
    pub name: String,
    /// A map style to use instead of the built-in base map.
    pub map_style_url: Option<url::Url>,
}

/// How the server makes sure that clients live.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// How often a client is asked for a sign of life.
    pub heartbeat: Duration,
    /// How long a client may be silent, or take nothing, before the server hangs up.
    pub timeout: Duration,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(30), timeout: Duration::from_mins(1) }
    }
}

/// What this room is given to work with.
pub struct Parts {
    /// The world.
    pub live: LiveMap,
    /// The histories.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// What to answer about health.
    pub vitals: Vec<Vital>,
    /// Every room's counters.
    pub registry: Registry,
    /// This room's.
    pub metrics: Metrics,
    /// What the page is told.
    pub page: PageSettings,
    /// How clients are kept alive.
    pub pulse: Pulse,
}

#[derive(Clone)]
struct AppState {
    live: LiveMap,
    store: Arc<dyn Store>,
    clock: Clock,
    vitals: Arc<[Vital]>,
    registry: Arc<Registry>,
    metrics: Metrics,
    page: Arc<PageSettings>,
    page_policy: HeaderValue,
    pulse: Pulse,
    sockets: TaskTracker,
}

impl FromRef<AppState> for Arc<Registry> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.registry)
    }
}

/// Serves until `stop`, and then until every WebSocket has said goodbye: the map tells them, once
/// it has delivered its last batch. Clients that take nothing, or stop in the middle of a request,
/// are not waited for any longer than a few seconds after that.
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let sockets = TaskTracker::new();
    let style = parts.page.map_style_url.as_ref();
    let state = AppState {
        live: parts.live,
        store: parts.store,
        clock: parts.clock,
        vitals: parts.vitals.into(),
        registry: Arc::new(parts.registry),
        metrics: parts.metrics,
        page_policy: assets::page_policy(
            style.map(|url| url.origin().ascii_serialization()).as_deref(),
        ),
        page: Arc::new(parts.page),
        pulse: parts.pulse,
        sockets: sockets.clone(),
    };
    let live = state.live.clone();
    // Small frames go out at once. A socket that cannot be told so still works.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let everybody = async {
        axum::serve(listener, router(state)).with_graceful_shutdown(stop).await?;
        sockets.close();
        sockets.wait().await;
        Ok(())
    };
    let patience_ends = async {
        live.closed().await;
        sleep(STOP_PATIENCE).await;
    };
    tokio::select! {
        ended = everybody => ended,
        () = patience_ends => {
            info!("some clients did not wait for the end of their answers");
            Ok(())
        }
    }
}

fn router(state: AppState) -> Router {
    Router::new()
        // the live map
        .route("/api/ws", get(socket::upgrade))
        // questions about now, answered from the world
        .route("/api/nodes", get(nodes::list))
        .route("/api/nodes/{id}", get(nodes::one))
        // questions about then, answered from the database
        .route("/api/nodes/{id}/positions", get(history::positions))
        .route("/api/nodes/{id}/telemetry", get(history::telemetry))
        .route("/api/messages", get(history::messages))
        .route("/api/links", get(history::links))
        // operators
        .route("/api/health", get(health::health))
        .route("/metrics", get(health::metrics))
        // the page
        .route("/api/config", get(page_config))
        .layer(CompressionLayer::new())
        .fallback(assets::serve)
        .with_state(state)
}

/// `GET /api/config`: what the page needs to know before it draws.
async fn page_config(State(state): State<AppState>) -> Json<Value> {
    Json(json!({
        "name": state.page.name,
        "version": env!("CARGO_PKG_VERSION"),
        "mapStyleUrl": state.page.map_style_url.as_ref().map(url::Url::as_str),
    }))
}
