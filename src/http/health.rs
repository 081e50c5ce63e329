//! `/api/health` and `/metrics`: whether the server does its work, for people and for machines.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text, registry::Registry};
use serde_json::json;

use super::{AppState, access::Caller};
use crate::domain::Role;

/// Something whose health is asked for: its name, and how it does in words. An error is a reason
/// to answer 503.
pub struct Vital {
    name: String,
    read: Box<dyn Fn() -> Result<String, String> + Send + Sync>,
}

impl Vital {
    /// A vital shown as `name`, such as `mqtt://host:1883`; `read` tells how it does now.
    pub fn new(
        name: impl Into<String>,
        read: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), read: Box::new(read) }
    }
}

/// `GET /api/health`: 200, or 503 with what is wrong.
pub(super) async fn health(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let database = match state.store.check().await {
        Ok(()) => Ok("answers".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let vitals = state.vitals.iter().map(|vital| (vital.name.as_str(), (vital.read)()));
    let checks: Vec<_> = std::iter::once(("database", database)).chain(vitals).collect();
    let problems: Vec<_> = checks
        .iter()
        .filter_map(|(name, state)| state.as_ref().err().map(|wrong| format!("{name}: {wrong}")))
        .collect();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks = checks.iter().map(|(name, state)| {
        let detail = state.as_ref().unwrap_or_else(|wrong| wrong);
        json!({ "name": name, "ok": state.is_ok(), "detail": detail })
    });
    let mut body = json!({ "status": if problems.is_empty() { "ok" } else { "degraded" } });
    // Names of hosts and files are not for everybody.
    if state.access.is_public() || caller.role >= Role::Viewer {
        body["problems"] = json!(problems);
        body["checks"] = checks.collect();
    }
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// `GET /metrics`: `OpenMetrics` text.
pub(super) async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut body = String::new();
    if text::encode(&mut body, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
