//! `/api/nodes`: the nodes that the map shows, answered from the world.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{AppState, error::ApiError, filter::bbox, geojson, records::NodeRecord};
use crate::domain::{Area, Filter, MessageTypes, Node, NodeId, Timestamp};

const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Records as in the protocol.
    #[default]
    Json,
    /// A feature collection (RFC 7946).
    Geojson,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodesQuery {
    bbox: Option<String>,
    since: Option<i64>,
    q: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct NodesPage<'a> {
    nodes: Vec<NodeRecord<'a>>,
    next: Option<String>,
}

/// `GET /api/nodes?bbox=&since=&q=&limit=&cursor=&format=`: by id.
pub(super) async fn list(
    State(state): State<AppState>,
    query: Result<Query<NodesQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let after = query.cursor.as_deref().map(parse_id).transpose()?;
    let bounds = query.bbox.as_deref().map(bbox).transpose()?.map(Area::from);
    let mut nodes = state.live.nodes(Filter { bounds, ..Filter::default() }).await?;
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
    Ok(match query.format {
        Format::Json => {
            let nodes = nodes.iter().map(|node| whole(node)).collect();
            Json(NodesPage { nodes, next }).into_response()
        }
        Format::Geojson => geojson::nodes(&nodes, next.as_deref()),
    })
}

/// `GET /api/nodes/{id}`
pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let filter = Filter::default().with_node_ids([parse_id(&id)?]);
    let nodes = state.live.nodes(filter).await?;
    let node = nodes.first().ok_or(ApiError::NotFound("no such node is on the map"))?;
    Ok(Json(whole(node)).into_response())
}

pub(super) fn parse_id(id: &str) -> Result<NodeId, ApiError> {
    NodeId::from_str(id).map_err(|error| ApiError::BadRequest(error.to_string()))
}

fn whole(node: &Arc<Node>) -> NodeRecord<'_> {
    NodeRecord::whole(node, MessageTypes::ALL)
}

/// Whether the id or a name of the node contains `text`, which is in lower case.
fn is_called(node: &Node, text: &str) -> bool {
    let names = [&node.info.long_name, &node.info.short_name];
    node.id.to_string().contains(text)
        || names.into_iter().flatten().any(|name| name.to_lowercase().contains(text))
}
