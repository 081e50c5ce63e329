//! `/api/health`: whether the server does its work, for people and for machines.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

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

/// How the server does.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health<'a> {
    /// `ok`, or `degraded` when something is wrong.
    status: &'static str,
    /// What is wrong; for those only who may look at the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<String>>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Check<'a>>>,
}

/// One thing that was looked at.
#[derive(Serialize, JsonSchema)]
struct Check<'a> {
    name: &'a str,
    ok: bool,
    /// How it does, in words.
    detail: &'a str,
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
    let checks = checks.iter().map(|(name, state)| Check {
        name,
        ok: state.is_ok(),
        detail: state.as_ref().unwrap_or_else(|wrong| wrong),
    });
    // Names of hosts and files are not for everybody.
    let is_told = state.access.is_public() || caller.role >= Role::Viewer;
    let body = Health {
        status: if problems.is_empty() { "ok" } else { "degraded" },
        checks: is_told.then(|| checks.collect()),
        problems: is_told.then(|| problems.clone()),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
