//! What a node measured: packet by packet, or taken together in buckets of time.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    buckets::{Buckets, SpreadRecord, Wanted, gather},
    params::bucket_ms,
};
use crate::http::{
    AppState,
    access::Caller,
    count::Count,
    error::ApiError,
    history::{PageQuery, list},
    nodes::{check_share, parse_id},
    patterns::{BUCKET, CURSOR},
};

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct SeriesQuery {
    /// This time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    to: Option<i64>,
    /// At most so many; what lies outside what is allowed counts as the nearer end.
    limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    #[schemars(regex(pattern = CURSOR))]
    cursor: Option<String>,
    /// Takes together what lies in spans of this length, as 15m, 1h or 1d.
    #[schemars(regex(pattern = BUCKET))]
    bucket: Option<String>,
    /// Only these metrics, by name with commas between; in buckets only.
    metric: Option<String>,
}

/// One bucket of one metric.
#[derive(Serialize, JsonSchema)]
struct PointRecord {
    /// When it begins.
    time: i64,
    #[serde(flatten)]
    values: SpreadRecord,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SeriesPage {
    bucket_ms: i64,
    /// By metric, each the newest first.
    series: BTreeMap<&'static str, Vec<PointRecord>>,
    next: Option<String>,
}

/// `GET /api/nodes/{id}/telemetry?from=&to=&limit=&cursor=&bucket=&metric=`
pub(in crate::http) async fn telemetry(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(SeriesQuery { from, to, limit, cursor, bucket, metric }) = query?;
    let node = parse_id(&id)?;
    check_share(&state, &caller, &node).await?;
    let history = PageQuery { node: None, from, to, limit, cursor }.of(Some(node))?;
    let Some(bucket) = bucket else {
        return list(&state, history, |store, query| store.telemetry(query)).await;
    };
    let bucket_ms = bucket_ms(&bucket)?;
    let named: Option<Vec<_>> = metric.as_deref().map(|names| names.split(',').collect());
    let is_wanted = |name: &str| named.as_ref().is_none_or(|named| named.contains(&name));
    let limit = history.limit as usize;
    let wanted = Wanted { history, bucket_ms, limit };
    let Buckets { by_time, next } = gather(
        &*state.store,
        |store, query| store.telemetry(query),
        wanted,
        |row| {
            let values = row.values.into_iter();
            let values = values.map(|(metric, value)| (metric.name(), Some(value)));
            (row.time, values.filter(|(name, _)| is_wanted(name)).collect())
        },
    )
    .await?;
    let mut series: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (time, bucket) in by_time.into_iter().rev() {
        for (metric, gathered) in bucket {
            let Some(values) = gathered.values else { continue };
            let point = PointRecord { time: time.as_millis(), values: values.into() };
            series.entry(metric).or_default().push(point);
        }
    }
    Ok(Json(SeriesPage { bucket_ms, series, next }).into_response())
}
