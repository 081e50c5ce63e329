//! Answers as `GeoJSON` (RFC 7946): feature collections of points, longitude first.

use std::sync::Arc;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::records::{Id, NodeRecord, PositionRecord};
use crate::domain::{MessageTypes, Node, NodeId, Position};

/// Nodes that have a position, with everything else that is known as properties.
pub(super) fn nodes(nodes: &[Arc<Node>], next: Option<&str>) -> Response {
    let features = nodes.iter().filter_map(|node| {
        let position = node.position.as_ref()?;
        let record = NodeRecord::whole(node, MessageTypes::ALL);
        Some(json!({
            "type": "Feature",
            "id": Id(&node.id),
            "geometry": point(position),
            "properties": record,
        }))
    });
    collection(&features.collect::<Vec<_>>(), next)
}

/// The places where one node was.
pub(super) fn positions(node: &NodeId, positions: &[Position], next: Option<&str>) -> Response {
    let features = positions.iter().map(|position| {
        let mut properties = json!(PositionRecord::from(position));
        properties["node"] = json!(Id(node));
        json!({ "type": "Feature", "geometry": point(position), "properties": properties })
    });
    collection(&features.collect::<Vec<_>>(), next)
}

fn point(position: &Position) -> Value {
    let [longitude, latitude] = position.place.point();
    let coordinates = match position.altitude_m {
        Some(altitude) => json!([longitude, latitude, altitude]),
        None => json!([longitude, latitude]),
    };
    json!({ "type": "Point", "coordinates": coordinates })
}

/// `next` is a foreign member, as RFC 7946 section 6.1 allows.
fn collection(features: &[Value], next: Option<&str>) -> Response {
    let body = json!({ "type": "FeatureCollection", "features": features, "next": next });
    ([(header::CONTENT_TYPE, "application/geo+json")], Json(body)).into_response()
}
