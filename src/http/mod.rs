//! Http: the outside's view. One router, the live conversation, and answers to questions.

mod accept;
mod access;
mod allowance;
mod analysis;
mod assets;
mod asyncapi;
mod base;
mod beat;
mod bucket;
mod carriers;
mod client;
mod cot;
mod count;
mod echo;
mod error;
mod etag;
mod events;
mod explain;
mod exposition;
mod filter;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod geojson;
mod handshake;
mod headers;
mod health;
mod history;
mod io;
mod json;
mod kml;
mod lane;
#[cfg(test)]
mod law;
mod lent;
mod limits;
mod line;
mod listed;
mod metrics;
mod nodes;
mod ogc;
mod openapi;
mod opening;
mod origin;
mod partial;
mod patterns;
mod polled;
mod problems;
mod proto;
mod protocol;
pub mod reader;
mod readings;
mod records;
mod request_id;
mod rfc3339;
mod roster;
mod scrape;
mod session;
mod socket;
mod stats;
mod streamed;
mod tiles;
mod tls;
mod visits;
mod waiting;
mod wire;
mod xml;

use std::{future::Future, ops::Deref, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::HeaderValue,
    middleware::map_response,
};
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::compression::CompressionLayer;
use tracing::info;

use crate::{
    broadcast::LiveMap,
    domain::{Clock, Role, SharedLogbook},
    storage::{Removal, Store},
};

use accept::Server;
use access::{Access, Routes, Rule};
use beat::Beat;
use carriers::Carriers;
use gate::Gate;
use request_id::RequestIds;
use roster::Roster;
use stats::Stats;

pub use accept::{Listener, listen};
pub use access::{AccessSettings, AdminToken, KeySource, OidcSettings};
pub use bucket::Rate;
pub use cot::{CotGroup, serve_cot};
#[doc(hidden)]
pub use echo::serve_echo;
pub use frames::TickEncoder;
pub use health::Vital;
pub use limits::Limits;
pub use metrics::Metrics;
pub use origin::AllowedOrigins;
pub use tls::{Tls, TlsError, TlsFiles};
pub use waiting::answer_during;

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
    /// What clients may ask for.
    pub limits: Limits,
    /// Who may see what.
    pub access: AccessSettings,
    /// Where it is asked that a node be forgotten.
    pub removals: mpsc::Sender<Removal>,
    /// What connections are encrypted with; none where they are not.
    pub tls: Option<Arc<Tls>>,
    /// What was heard of each node, and why it was not shown.
    pub logbook: SharedLogbook,
}

/// What every handler is given: one reference, which each connection can afford to hold.
#[derive(Clone)]
struct AppState(Arc<Common>);

struct Common {
    live: LiveMap,
    store: Arc<dyn Store>,
    clock: Clock,
    vitals: Arc<[Vital]>,
    registry: Arc<Registry>,
    metrics: Metrics,
    roster: Roster,
    stats: Arc<Stats>,
    access: Access,
    removals: mpsc::Sender<Removal>,
    logbook: SharedLogbook,
    page: Arc<PageSettings>,
    page_policy: HeaderValue,
    pulse: Pulse,
    beat: Beat,
    limits: Arc<Limits>,
    sockets: TaskTracker,
    /// Ends the sockets that are left, whatever they do.
    abandon: CancellationToken,
}

impl Deref for AppState {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
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
    listener: impl Listener,
    parts: Parts,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let style = parts.page.map_style_url.as_ref();
    let registry = Arc::new(parts.registry);
    let looks = Arc::new(Stats::new(Arc::clone(&registry), parts.clock.now()));
    let access = Access::new(parts.access, parts.clock.clone());
    access.announce().await;
    let state = AppState(Arc::new(Common {
        live: parts.live,
        store: parts.store,
        clock: parts.clock,
        vitals: parts.vitals.into(),
        registry,
        stats: Arc::clone(&looks),
        access,
        removals: parts.removals,
        logbook: parts.logbook,
        roster: Roster::new(parts.metrics.clone()),
        metrics: parts.metrics,
        page_policy: assets::page_policy(
            style.map(|url| url.origin().ascii_serialization()).as_deref(),
        ),
        page: Arc::new(parts.page),
        pulse: parts.pulse,
        beat: Beat::new(Instant::now(), parts.pulse.heartbeat),
        limits: Arc::new(parts.limits),
        sockets: TaskTracker::new(),
        abandon: CancellationToken::new(),
    }));
    let watched = state.clone();
    let tls = parts.tls;
    let (live, sockets, abandon) =
        (state.live.clone(), state.sockets.clone(), state.abandon.clone());
    let server = Server {
        gate: Arc::new(Gate::new(Limits::clone(&state.limits), state.metrics.connections.clone())),
        metrics: state.metrics.clone(),
        ids: Arc::new(RequestIds::new(&format!("{:x}", state.clock.now().as_millis()))),
        handshake: state.limits.handshake,
        patience: state.pulse.timeout,
        tls: tls.clone(),
        is_for_others: state.limits.origins.are_others(),
        router: router(state),
    };
    let mut carriers = Carriers::of(&live);
    let everybody = async {
        server.run(listener, stop).await;
        sockets.close();
        sockets.wait().await;
    };
    let patience_ends = async {
        live.closed().await;
        sleep(STOP_PATIENCE).await;
    };
    select! {
        () = everybody => {}
        () = carriers.watch() => {}
        () = looks.watch() => {}
        () = watched.access.watch() => {}
        () = watch_files(tls.as_deref()) => {}
        () = patience_ends => info!("some clients did not wait for the end of their answers"),
    }
    abandon.cancel();
    sockets.close();
    sockets.wait().await;
    carriers.stop().await;
}

/// Reads certificates again when they change, for ever.
async fn watch_files(tls: Option<&Tls>) {
    match tls {
        Some(tls) => tls.watch().await,
        None => std::future::pending().await,
    }
}

fn router(state: AppState) -> Router {
    let cors = state.limits.origins.cors();
    let router = routes()
        .finish(&state)
        .layer(map_response(problems::complete))
        .layer(CompressionLayer::new())
        .merge(live_routes().finish(&state).layer(map_response(problems::complete)))
        .fallback(assets::serve)
        .with_state(state);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// What can be asked, and by whom.
fn routes() -> Routes {
    let administrator = Rule::Role(Role::Administrator);
    let operator = Rule::Role(Role::Operator);
    Routes::default()
        // the live map
        .get("/api/ws", Rule::Live, socket::upgrade)
        .get("/api/geocast.v1.proto", Rule::Open, async || proto::DESCRIPTION)
        // questions about now, answered from the world
        .get("/api/nodes", Rule::Shared, nodes::list)
        .get("/api/nodes/{id}", Rule::Shared, nodes::one)
        .delete("/api/nodes/{id}", administrator, nodes::forget)
        .get("/api/explain/{id}", Rule::Map, explain::explain)
        // questions about then, answered from the database
        .get("/api/nodes/{id}/positions", Rule::Shared, analysis::track)
        .get("/api/nodes/{id}/telemetry", Rule::Shared, analysis::telemetry)
        .get("/api/positions", Rule::Shared, visits::visits)
        .get("/api/messages", Rule::Messages, history::messages)
        .get("/api/links", Rule::Map, analysis::links)
        .get("/api/gateways", Rule::Map, analysis::gateways)
        .get("/api/totals", Rule::Map, analysis::totals)
        // both, as geographic tools ask for them
        .get("/ogc", Rule::Map, ogc::landing)
        .get("/ogc/", Rule::Map, ogc::landing)
        .get("/ogc/api", Rule::Map, ogc::definition)
        .get("/ogc/conformance", Rule::Map, ogc::conformance)
        .get("/ogc/collections", Rule::Map, ogc::collections)
        .get("/ogc/collections/{collectionId}", Rule::Map, ogc::collection)
        .get("/ogc/collections/{collectionId}/items", Rule::Map, ogc::items)
        .get("/ogc/collections/{collectionId}/items/{featureId}", Rule::Map, ogc::item)
        .get("/tiles/nodes.json", Rule::Map, tiles::describe)
        .get("/tiles/nodes/{z}/{x}/{y}", Rule::Map, tiles::tile)
        .get("/kml", Rule::Map, kml::link)
        .get("/kml/nodes", Rule::Map, kml::nodes)
        // who may see what
        .get("/api/session", Rule::Open, access::session)
        .post("/api/login", Rule::Open, access::login)
        .post("/api/logout", Rule::Open, access::logout)
        .post("/api/ticket", Rule::Shared, access::make_ticket)
        .get("/api/shares", operator, access::shares)
        .post("/api/shares", operator, access::make_share)
        .delete("/api/shares/{id}", operator, access::revoke_share)
        .get("/api/audit", administrator, access::deeds)
        // operators
        .get("/api/health", Rule::Open, health::health)
        .get("/api/stats", Rule::Map, stats::stats)
        .get("/metrics", Rule::Map, exposition::metrics)
        // what can be asked
        .get("/api/openapi.json", Rule::Open, openapi::serve)
        .get("/api/asyncapi.json", Rule::Open, asyncapi::serve)
        .get("/api/schema", Rule::Open, asyncapi::schemas)
        .get("/api/schema/{name}", Rule::Open, asyncapi::schema)
        .get("/api/docs", Rule::Open, openapi::page)
        .get("/api/docs.js", Rule::Open, openapi::script)
        .get("/api/docs.css", Rule::Open, openapi::style)
        // the page
        .get("/api/config", Rule::Open, page_config)
}

/// The live map without a WebSocket, which nothing may hold back.
fn live_routes() -> Routes {
    Routes::default().get("/api/events", Rule::Live, events::listen)
}

/// What the page needs to know before it draws.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PageConfig {
    /// The name in the title.
    name: String,
    /// Of this server.
    version: &'static str,
    /// A map style to use instead of the built-in base map.
    map_style_url: Option<String>,
}

/// `GET /api/config`
async fn page_config(State(state): State<AppState>) -> Json<PageConfig> {
    Json(PageConfig {
        name: state.page.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        map_style_url: state.page.map_style_url.as_ref().map(url::Url::to_string),
    })
}
