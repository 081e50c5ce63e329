//! What a node measured: packet by packet, or taken together in buckets of time.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    buckets::{Buckets, SpreadRecord, Wanted, gather},
    params::bucket_ms,
};
use crate::http::{
    AppState,
    access::Caller,
    error::ApiError,
    history::{self, PageQuery},
    nodes::{parse_id, seen},
};

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct SeriesQuery {
    from: Option<i64>,
    to: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
    bucket: Option<String>,
    metric: Option<String>,
}

/// One bucket of one metric.
#[derive(Serialize)]
struct PointRecord {
    /// When it begins.
    time: i64,
    #[serde(flatten)]
    values: SpreadRecord,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesPage {
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
    if caller.view.is_some() {
        seen(&state, &caller, node.clone()).await?;
    }
    let history = PageQuery { node: None, from, to, limit, cursor }.of(Some(node))?;
    let Some(bucket) = bucket else { return history::telemetry(&state, &history).await };
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
