//! Answers as `GeoJSON` (RFC 7946): feature collections of points, longitude first.

use std::sync::Arc;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::records::{Id, NodeRecord, PositionRecord};
use crate::{
    domain::{MessageTypes, Node, NodeId, Position},
    storage,
};

/// `next` is a foreign member, as RFC 7946 section 6.1 allows.
#[derive(Serialize)]
#[serde(tag = "type")]
struct FeatureCollection<'a, P> {
    features: Vec<Feature<'a, P>>,
    next: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
struct Feature<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Id<'a>>,
    geometry: Point,
    properties: P,
}

#[derive(Serialize)]
#[serde(tag = "type")]
struct Point {
    coordinates: Coordinates,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Coordinates {
    Flat([f64; 2]),
    WithAltitude([f64; 3]),
}

#[derive(Serialize)]
pub(super) struct Visit<'a> {
    node: Id<'a>,
    #[serde(flatten)]
    position: PositionRecord,
}

/// Nodes that have a position, with everything that is known of them as properties.
pub(super) fn nodes(nodes: &[Arc<Node>], next: Option<&str>) -> Response {
    let features = nodes.iter().filter_map(|node| {
        Some(Feature {
            id: Some(Id(&node.id)),
            geometry: Point::from(node.position.as_ref()?),
            properties: NodeRecord::whole(node, MessageTypes::ALL),
        })
    });
    answer(FeatureCollection { features: features.collect(), next })
}

/// The places where one node was.
pub(super) fn positions(node: &NodeId, positions: &[Position], next: Option<&str>) -> Response {
    let features = positions.iter().map(|position| Feature::visit(node, position));
    answer(FeatureCollection { features: features.collect(), next })
}

/// The places where nodes were.
pub(super) fn visits(visits: &[storage::Visit], next: Option<&str>) -> Response {
    let features = visits.iter().map(|visit| Feature::visit(&visit.node, &visit.position));
    answer(FeatureCollection { features: features.collect(), next })
}

impl<'a> From<&'a storage::Visit> for Visit<'a> {
    fn from(visit: &'a storage::Visit) -> Self {
        Self { node: Id(&visit.node), position: (&visit.position).into() }
    }
}

impl<'a> Feature<'a, Visit<'a>> {
    fn visit(node: &'a NodeId, position: &Position) -> Self {
        Self {
            id: None,
            geometry: Point::from(position),
            properties: Visit { node: Id(node), position: position.into() },
        }
    }
}

impl From<&Position> for Point {
    fn from(position: &Position) -> Self {
        let flat = position.place.point();
        let coordinates = match position.altitude_m {
            Some(altitude) => Coordinates::WithAltitude([flat[0], flat[1], altitude.into()]),
            None => Coordinates::Flat(flat),
        };
        Self { coordinates }
    }
}

fn answer<P: Serialize>(collection: FeatureCollection<'_, P>) -> Response {
    ([(header::CONTENT_TYPE, "application/geo+json")], Json(collection)).into_response()
}
