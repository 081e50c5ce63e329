//! Who heard whom: each time that it became known, or taken together in buckets of time.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    buckets::{Buckets, SpreadRecord, Wanted, gather},
    params::bucket_ms,
};
use crate::{
    domain::NodeId,
    http::{
        AppState,
        count::Count,
        error::ApiError,
        history::{PageQuery, list},
        patterns::{BUCKET, CURSOR},
        records::Id,
    },
};

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct LinksQuery {
    /// Only of this node.
    #[schemars(with = "Option<Id<'_>>")]
    node: Option<String>,
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
}

/// One link in one bucket.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LinkSeriesRecord")]
struct LinkRecord<'a> {
    /// Who was heard.
    from: Id<'a>,
    /// Who heard it.
    to: Id<'a>,
    /// When the bucket begins.
    time: i64,
    /// How often it became known.
    count: u64,
    /// Decibels.
    #[serde(skip_serializing_if = "Option::is_none")]
    snr: Option<SpreadRecord>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LinkSeriesPage")]
pub(in crate::http) struct LinksPage<'a> {
    bucket_ms: i64,
    /// The newest first, those of a bucket by their ends.
    links: Vec<LinkRecord<'a>>,
    next: Option<String>,
}

/// `GET /api/links?node=&from=&to=&limit=&cursor=&bucket=`: with `bucket`, `limit` is of buckets.
pub(in crate::http) async fn links(
    State(state): State<AppState>,
    query: Result<Query<LinksQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(LinksQuery { node, from, to, limit, cursor, bucket }) = query?;
    let history = PageQuery { node, from, to, limit, cursor }.of(None)?;
    let Some(bucket) = bucket else {
        return list(&state, history, |store, query| store.links(query)).await;
    };
    let bucket_ms = bucket_ms(&bucket)?;
    let limit = history.limit as usize;
    let wanted = Wanted { history, bucket_ms, limit };
    let Buckets { by_time, next } = gather(
        &*state.store,
        |store, query| store.links(query),
        wanted,
        |row| (row.time, vec![((row.link.from, row.link.to), row.link.snr_db.map(f64::from))]),
    )
    .await?;
    let mut links = Vec::new();
    for (time, bucket) in by_time.iter().rev() {
        let mut bucket: Vec<(&(NodeId, NodeId), _)> = bucket.iter().collect();
        bucket.sort_unstable_by_key(|(ends, _)| *ends);
        links.extend(bucket.into_iter().map(|((from, to), gathered)| LinkRecord {
            from: Id(from),
            to: Id(to),
            time: time.as_millis(),
            count: gathered.records,
            snr: gathered.values.map(SpreadRecord::from),
        }));
    }
    Ok(Json(LinksPage { bucket_ms, links, next }).into_response())
}
