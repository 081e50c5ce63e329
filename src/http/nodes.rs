//! `/api/nodes`: the nodes that the map shows, answered from the world.

use std::{str::FromStr, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    AppState,
    access::{Caller, Outcome},
    count::Count,
    error::ApiError,
    etag,
    filter::bbox,
    geojson,
    patterns::BBOX,
    records::{Id, NodeRecord},
};
use crate::{
    domain::{Area, Filter, Node, NodeId, Timestamp},
    storage::Removal,
};

const DEFAULT_LIMIT: u32 = 1000;
const MAX_LIMIT: u32 = 10_000;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Records as in the protocol.
    #[default]
    Json,
    /// A feature collection (RFC 7946).
    Geojson,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodesQuery {
    /// `west,south,east,north` in degrees, edges included; `west` greater than `east` crosses the
    /// antimeridian. Nodes without a position are in no box.
    #[schemars(regex(pattern = BBOX))]
    bbox: Option<String>,
    /// Only those heard at this time or later, in milliseconds since 1970.
    since: Option<i64>,
    /// Only those whose id, long name or short name contains this, whatever the case.
    q: Option<String>,
    /// At most so many: 1000 if not given; what lies outside 1 to 10000 counts as the nearer end.
    limit: Option<Count>,
    /// Goes on after this node: the `next` of the page before.
    #[schemars(with = "Option<Id<'_>>")]
    cursor: Option<String>,
    /// How the answer is written.
    #[serde(default)]
    format: Format,
}

/// Nodes by id.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NodesPage<'a> {
    nodes: Vec<NodeRecord<'a>>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// `GET /api/nodes?bbox=&since=&q=&limit=&cursor=&format=`: by id.
pub(super) async fn list(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<NodesQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let limit = Count::within(query.limit, DEFAULT_LIMIT, MAX_LIMIT) as usize;
    let after = query.cursor.as_deref().map(parse_id).transpose()?;
    let bounds = query.bbox.as_deref().map(bbox).transpose()?.map(Area::from);
    // Read first: what is shown is never older than its tag says.
    let tag = etag::of(&state).await?;
    if let Some(same) = tag.unless_held(&headers) {
        return Ok(same);
    }
    let mut nodes = state.live.nodes(caller.narrow(Filter { bounds, ..Filter::default() })).await?;
    let since = query.since.map(Timestamp::from_millis);
    let text = query.q.map(|text| text.to_lowercase());
    nodes.retain(|node| {
        since.is_none_or(|since| node.status.last_heard >= since)
            && after.as_ref().is_none_or(|after| node.id > *after)
            && text.as_ref().is_none_or(|text| is_called(node, text))
    });
    nodes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let next = (nodes.len() > limit).then(|| nodes[limit - 1].id.to_string());
    nodes.truncate(limit);
    Ok(tag.on(match query.format {
        Format::Json => {
            let nodes = nodes.iter().map(|node| NodeRecord::whole(node, caller.types())).collect();
            Json(NodesPage { nodes, next }).into_response()
        }
        Format::Geojson => geojson::nodes(&nodes, caller.types(), next.as_deref()),
    }))
}

/// `GET /api/nodes/{id}`
pub(super) async fn one(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let tag = etag::of(&state).await?;
    let node = seen(&state, &caller, id).await?;
    if let Some(same) = tag.unless_held(&headers) {
        return Ok(same);
    }
    Ok(tag.on(Json(NodeRecord::whole(&node, caller.types())).into_response()))
}

/// A node that somebody sees on the map.
async fn seen(state: &AppState, caller: &Caller, id: NodeId) -> Result<Arc<Node>, ApiError> {
    let nodes = state.live.nodes(Filter::default().with_node_ids([id])).await?;
    let node = nodes.into_iter().find(|node| caller.sees(node));
    node.ok_or(ApiError::NotFound("no such node is on the map"))
}

/// The histories of a node are for whoever of a share link sees it on the map; for others, always.
pub(super) async fn check_share(
    state: &AppState,
    caller: &Caller,
    id: &NodeId,
) -> Result<(), ApiError> {
    match caller.view {
        Some(_) => seen(state, caller, id.clone()).await.map(drop),
        None => Ok(()),
    }
}

/// `DELETE /api/nodes/{id}`: forgets a node, and keeps it out. Answers when nothing is left of it.
pub(super) async fn forget(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let node = NodeId::meant(&id).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let forgotten = remove(&state, node.clone()).await;
    let outcome = if forgotten.is_ok() { Outcome::Done } else { Outcome::Failed };
    state.access.audit(&caller, "node.forget", &node.to_string(), outcome).await;
    forgotten.map(|()| StatusCode::NO_CONTENT)
}

async fn remove(state: &AppState, node: NodeId) -> Result<(), ApiError> {
    let (done, erased) = oneshot::channel();
    let asked = state.removals.send(Removal { node, done }).await;
    asked.map_err(|_nobody| ApiError::Stopping)?;
    Ok(erased.await.map_err(|_gone| ApiError::Stopping)??)
}

pub(super) fn parse_id(id: &str) -> Result<NodeId, ApiError> {
    NodeId::from_str(id).map_err(|error| ApiError::BadRequest(error.to_string()))
}

/// Whether the id or a name of the node contains `text`, which is in lower case.
fn is_called(node: &Node, text: &str) -> bool {
    let names = [&node.info.long_name, &node.info.short_name];
    node.id.to_string().contains(text)
        || names.into_iter().flatten().any(|name| name.to_lowercase().contains(text))
}
