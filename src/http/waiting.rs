//! Before the map is there: everybody who asks is told why it is not.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Limits, Listener, Metrics, Pulse, accept::Server, gate::Gate, request_id::RequestIds, tls::Tls,
};

/// What is done within this time needs no answer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Does `work`, and answers with 503 where it takes long or is in trouble with the database: to
/// everybody that, and the reason where the map `is_public`. `trouble` ends with the work.
pub async fn answer_during<T>(
    work: impl Future<Output = T>,
    trouble: watch::Receiver<Option<String>>,
    (listener, address): (impl Listener, std::net::SocketAddr),
    (limits, pulse, tls): (Limits, Pulse, Option<Arc<Tls>>),
    is_public: bool,
) -> T {
    let done = CancellationToken::new();
    let answering = async {
        let mut first = trouble.clone();
        if let Ok(Err(_it_is_done)) = timeout(AT_ONCE, first.wait_for(Option::is_some)).await {
            return;
        }
        drop(first);
        let scheme = if tls.is_some() { "https" } else { "http" };
        info!("answering on {scheme}://{address} that the map is not there yet");
        let metrics = Metrics::default();
        let server = Server {
            ids: Arc::new(RequestIds::new("waiting")),
            handshake: limits.handshake,
            patience: pulse.timeout,
            tls,
            is_for_others: false,
            gate: Arc::new(Gate::new(limits, metrics.connections.clone())),
            metrics,
            router: router(trouble, is_public),
        };
        server.run(listener, done.clone().cancelled_owned()).await;
    };
    let working = async {
        let outcome = work.await;
        done.cancel();
        outcome
    };
    tokio::join!(working, answering).0
}

fn router(trouble: watch::Receiver<Option<String>>, is_public: bool) -> Router {
    let health = move || {
        let reason = trouble.borrow().clone().unwrap_or_else(|| "is being opened".to_owned());
        // Names of hosts and files are not for everybody, and nobody can sign in yet.
        std::future::ready(unhealthy(Some(&*reason).filter(|_| is_public)))
    };
    let anything_else = || {
        let problem = json!({
            "title": StatusCode::SERVICE_UNAVAILABLE.canonical_reason(),
            "status": StatusCode::SERVICE_UNAVAILABLE.as_u16(),
            "detail": "the server waits for its database",
        });
        std::future::ready(unavailable("application/problem+json", problem))
    };
    Router::new().route("/api/health", get(health)).fallback(anything_else)
}

fn unhealthy(reason: Option<&str>) -> Response {
    let body = match reason {
        Some(reason) => json!({
            "status": "degraded",
            "problems": [format!("database: {reason}")],
            "checks": [{ "name": "database", "ok": false, "detail": reason }],
        }),
        None => json!({ "status": "degraded" }),
    };
    unavailable("application/json", body)
}

fn unavailable(kind: &'static str, body: serde_json::Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        // Whoever asks again should ask the server that has the map by then.
        (header::CONNECTION, "close"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response()
}
