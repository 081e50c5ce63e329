//! Answers as `GeoJSON` (RFC 7946): feature collections of points and lines, longitude first.

mod track;

use std::sync::Arc;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    listed::{end_of_list, json},
    records::{Id, NodeRecord, PositionRecord},
    streamed::Form,
};
use crate::{
    domain::{MessageTypes, Node, NodeId, Position},
    storage,
};

pub(super) use track::track;

const KIND: &str = "application/geo+json";

/// What stands before the features of a collection.
pub(super) const BEGIN: &[u8] = br#"{"type":"FeatureCollection","features":["#;

/// Points, a page at a time. `next` is a foreign member, as RFC 7946 section 6.1 allows.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(rename = "{P}Collection")]
pub(super) struct FeatureCollection<'a, P> {
    features: Vec<Feature<'a, P>>,
    next: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(rename = "{P}Feature")]
struct Feature<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Id<'a>>,
    geometry: Geometry,
    properties: P,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
pub(super) enum Geometry {
    Point { coordinates: Coordinates },
}

/// Degrees, longitude first, and metres.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Coordinates {
    Flat([f64; 2]),
    WithAltitude([f64; 3]),
}

/// Nodes on the map.
pub(super) type Nodes<'a> = FeatureCollection<'a, NodeRecord<'a>>;

/// Where nodes were.
pub(super) type Visits<'a> = FeatureCollection<'a, Visit<'a>>;

/// A node was at a place.
#[derive(Serialize, JsonSchema)]
pub(super) struct Visit<'a> {
    node: Id<'a>,
    #[serde(flatten)]
    position: PositionRecord,
}

/// Nodes that have a position, with everything that is known of them as properties.
pub(super) fn nodes(nodes: &[Arc<Node>], types: MessageTypes, next: Option<&str>) -> Response {
    let features = nodes.iter().filter_map(|node| {
        Some(Feature {
            id: Some(Id(&node.id)),
            geometry: Geometry::from(node.position.as_ref()?),
            properties: NodeRecord::whole(node, types),
        })
    });
    answer(FeatureCollection { features: features.collect(), next })
}

/// The places where nodes were, as [`Visits`].
pub(super) struct Places;

impl Form<storage::Visit> for Places {
    const KIND: &'static str = KIND;
    const BETWEEN: &'static str = ",";

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(BEGIN);
    }

    fn row(&mut self, visit: &storage::Visit, text: &mut Vec<u8>) {
        json(&Feature::visit(&visit.node, &visit.position), text);
    }

    fn end(&self, next: Option<&str>, text: &mut Vec<u8>) {
        end_of_list(next, text);
    }
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
            geometry: Geometry::from(position),
            properties: Visit { node: Id(node), position: position.into() },
        }
    }
}

impl From<&Position> for Geometry {
    fn from(position: &Position) -> Self {
        Self::Point { coordinates: position.into() }
    }
}

impl From<&Position> for Coordinates {
    fn from(position: &Position) -> Self {
        let flat = position.place.point();
        match position.altitude_m {
            Some(altitude) => Self::WithAltitude([flat[0], flat[1], altitude.into()]),
            None => Self::Flat(flat),
        }
    }
}

fn answer<P: Serialize>(collection: FeatureCollection<'_, P>) -> Response {
    ([(header::CONTENT_TYPE, KIND)], Json(collection)).into_response()
}
