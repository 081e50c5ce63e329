//! `/api/totals`: how much there was, by buckets of time.

use std::time::Duration;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::{before, begins, bucket_ms, cursor, window};
use crate::{
    domain::Timestamp,
    http::{
        AppState,
        count::Count,
        error::ApiError,
        patterns::{BUCKET, CURSOR},
    },
    storage::Total,
};

/// How far back an answer looks unless told otherwise.
const USUAL: Duration = Duration::from_hours(24);

/// Most buckets in one answer.
const MAX_LIMIT: u32 = 1000;

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct TotalsQuery {
    /// This time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    to: Option<i64>,
    /// Takes together what lies in spans of this length, as 15m, 1h or 1d.
    #[schemars(regex(pattern = BUCKET))]
    bucket: Option<String>,
    /// At most so many; what lies outside what is allowed counts as the nearer end.
    limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    #[schemars(regex(pattern = CURSOR))]
    cursor: Option<String>,
}

/// One bucket.
#[derive(Serialize, JsonSchema)]
struct TotalRecord {
    /// When it begins.
    time: i64,
    packets: u64,
    /// Copies of them.
    receptions: u64,
    /// Nodes that sent something.
    nodes: u64,
    /// Gateways that handed something in.
    gateways: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TotalsPage {
    bucket_ms: i64,
    /// The newest first; those without a packet are left out.
    totals: Vec<TotalRecord>,
    next: Option<String>,
}

/// `GET /api/totals?from=&to=&bucket=&limit=&cursor=`
pub(in crate::http) async fn totals(
    State(state): State<AppState>,
    query: Result<Query<TotalsQuery>, QueryRejection>,
) -> Result<Json<TotalsPage>, ApiError> {
    let Query(query) = query?;
    let bucket_ms = bucket_ms(query.bucket.as_deref().unwrap_or("1h"))?;
    let limit = Count::within(query.limit, 100, MAX_LIMIT);
    let mut window = window(query.from, query.to, USUAL, state.clock.now())?;
    if let Some(last) = query.cursor {
        window.to = window.to.min(before(&last)?);
    }
    // No more buckets are counted than are told of.
    let last = begins(Timestamp::from_millis(window.to.as_millis().saturating_sub(1)), bucket_ms);
    let first = last.as_millis().saturating_sub(bucket_ms.saturating_mul((limit - 1).into()));
    let next = (first > window.from.as_millis()).then(|| cursor(Timestamp::from_millis(first)));
    window.from = window.from.max(Timestamp::from_millis(first));
    let totals = state.store.totals(window, bucket_ms).await?;
    Ok(Json(TotalsPage { bucket_ms, totals: totals.iter().map(Into::into).collect(), next }))
}

impl From<&Total> for TotalRecord {
    fn from(total: &Total) -> Self {
        Self {
            time: total.time.as_millis(),
            packets: total.packets,
            receptions: total.receptions,
            nodes: total.senders,
            gateways: total.gateways,
        }
    }
}
