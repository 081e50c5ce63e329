//! What was done with more than a look at the map, and attempts at it: in the database and the log.

use std::sync::{Mutex, PoisonError};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tracing::{error, info};

use super::{Access, Caller};
use crate::{
    http::{
        AppState,
        bucket::{Bucket, Rate},
        count::Count,
        error::ApiError,
        gate::Client,
    },
    storage::{Deed, Token},
};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Failed attempts that are noted, of all addresses: a minute, and at once. Others only count.
const FAILURES_A_MINUTE: u32 = 60;
const FAILURES_AT_ONCE: u32 = 20;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It was tried, and did not succeed.
    Failed,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// How many failures may still be noted.
pub(super) struct Notes(Mutex<Option<Bucket>>);

impl Default for Notes {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl Notes {
    fn take(&self, now: Instant) -> bool {
        let minute = std::time::Duration::from_mins(1);
        let rate = Rate::new(FAILURES_A_MINUTE, minute, FAILURES_AT_ONCE);
        // Nothing that is done under this lock panics.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.get_or_insert_with(|| Bucket::new(rate, now)).take(now).is_ok()
    }
}

impl Access {
    /// Notes what somebody did: `action` is its name, as in `token.create`, and `target` is what it
    /// was done to. Neither may hold a secret. What the database does not take stands in the log.
    pub(in crate::http) async fn audit(
        &self,
        caller: &Caller,
        action: &str,
        target: &str,
        outcome: Outcome,
    ) {
        let deed = Deed {
            time: self.clock.now(),
            actor: caller.name.to_string(),
            role: caller.role.name().to_owned(),
            address: caller.address.to_string(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome: outcome.name().to_owned(),
        };
        let Deed { actor, role, address, outcome, .. } = &deed;
        info!(
            target: "geocast::audit",
            actor, role, address, action, target, outcome,
            "{actor} at {address}: {action} {target}: {outcome}"
        );
        if let Some(store) = &self.settings.store
            && let Err(error) = store.note(&deed).await
        {
            error!("the audit lacks a deed, which the database does not take: {error}");
        }
    }

    /// Notes an attempt to be somebody.
    pub(super) async fn note_failure(&self, client: &Client) {
        if self.notes.take(Instant::now()) {
            self.audit(&self.nobody(client), "login", "", Outcome::Refused).await;
        }
    }
}

/// What a token is called where it must not be said.
pub(super) fn name_of(token: &Token) -> String {
    match token.name.as_str() {
        "" => format!("token {}", token.id),
        name => format!("token {} ({name})", token.id),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct AuditQuery {
    /// At most so many; what lies outside what is allowed counts as the nearer end.
    limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    cursor: Option<i64>,
}

/// `GET /api/audit?limit=&cursor=`: what was done, the newest first.
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(AuditQuery { limit, cursor }) = query?;
    let limit = Count::within(limit, DEFAULT_LIMIT, MAX_LIMIT);
    let mut deeds = match &state.access.settings.store {
        Some(store) => store.deeds(cursor, limit + 1).await?,
        None => Vec::new(),
    };
    let has_more = deeds.len() > limit as usize;
    deeds.truncate(limit as usize);
    let next = deeds.last().filter(|_| has_more).map(|(id, _)| id.to_string());
    let entries = deeds.iter().map(|(id, deed)| {
        json!({
            "id": id,
            "time": deed.time.as_millis(),
            "actor": deed.actor,
            "role": deed.role,
            "address": deed.address,
            "action": deed.action,
            "target": deed.target,
            "outcome": deed.outcome,
        })
    });
    let page = json!({ "entries": entries.collect::<Vec<_>>(), "next": next });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
}
