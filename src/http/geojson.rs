//! Answers as `GeoJSON` (RFC 7946): feature collections of points and lines, longitude first.

use std::sync::Arc;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    records::{Id, NodeRecord, PositionRecord},
    rfc3339,
};
use crate::{
    domain::{MessageTypes, Node, NodeId, Position, Timestamp},
    storage,
};

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
    LineString { coordinates: Vec<Coordinates> },
    MultiLineString { coordinates: Vec<Vec<Coordinates>> },
}

/// Degrees, longitude first, and metres.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Coordinates {
    Flat([f64; 2]),
    WithAltitude([f64; 3]),
}

/// The way of a node: when it was at each of the coordinates.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Way<'a> {
    node: Id<'a>,
    times: Times<i64>,
    /// The same as ISO 8601, which readers of tracks look for.
    coord_times: Times<String>,
}

/// Nested as the coordinates are.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Times<T> {
    Flat(Vec<T>),
    Nested(Vec<Vec<T>>),
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

/// The way of one node, the oldest place first. Where it crosses the antimeridian the line is cut, as
/// RFC 7946 section 3.1.9 asks; one place alone is a point.
pub(super) fn track(node: &NodeId, positions: &[Position], next: Option<&str>) -> Response {
    let mut lines = cut_at_antimeridian(positions.iter().rev());
    let geometry = match lines.as_slice() {
        [] => None,
        [only] if only.len() == 1 => Some(Geometry::Point { coordinates: only[0].1 }),
        [only] => Some(Geometry::LineString { coordinates: places(only) }),
        many => {
            let coordinates = many.iter().map(|line| places(line)).collect();
            Some(Geometry::MultiLineString { coordinates })
        }
    };
    let stamps = |line: Vec<Vertex>| line.into_iter().map(|(time, _)| time);
    let properties = if lines.len() > 1 {
        let times: Vec<Vec<_>> = lines.into_iter().map(|line| stamps(line).collect()).collect();
        let coord_times = times.iter().map(|line| written(line)).collect();
        (Times::Nested(times), Times::Nested(coord_times))
    } else {
        let times: Vec<_> = lines.pop().map(stamps).into_iter().flatten().collect();
        let coord_times = written(&times);
        (Times::Flat(times), Times::Flat(coord_times))
    };
    let (times, coord_times) = properties;
    let features = geometry.map(|geometry| Feature {
        id: None,
        geometry,
        properties: Way { node: Id(node), times, coord_times },
    });
    answer(FeatureCollection { features: features.into_iter().collect(), next })
}

/// Milliseconds, and where the line goes through then.
type Vertex = (i64, Coordinates);

fn places(line: &[Vertex]) -> Vec<Coordinates> {
    line.iter().map(|(_, coordinates)| *coordinates).collect()
}

fn written(times: &[i64]) -> Vec<String> {
    times.iter().map(|time| rfc3339::write(Timestamp::from_millis(*time))).collect()
}

/// Lines through the positions, each on one side of the antimeridian and up to it.
fn cut_at_antimeridian<'a>(positions: impl Iterator<Item = &'a Position>) -> Vec<Vec<Vertex>> {
    let mut lines: Vec<Vec<Vertex>> = Vec::new();
    let mut before: Option<&Position> = None;
    for position in positions {
        let (time, coordinates) = (position.stamp.time.as_millis(), Coordinates::from(position));
        let [longitude, latitude] = position.place.point();
        let crossing = before.filter(|before| {
            (before.place.longitude() - longitude).abs() > 180.0 && longitude.abs() < 180.0
        });
        match (lines.last_mut(), crossing) {
            (Some(line), Some(before)) => {
                let [from, from_latitude] = before.place.point();
                let edge = 180.0_f64.copysign(from);
                let share = (edge - from) / (longitude + 2.0 * edge - from);
                let latitude = from_latitude + (latitude - from_latitude) * share;
                let at = before.stamp.time.plus(
                    position.stamp.time.since(before.stamp.time).mul_f64(share.clamp(0.0, 1.0)),
                );
                let at = at.as_millis();
                line.push((at, Coordinates::Flat([edge, latitude])));
                let beyond = (at, Coordinates::Flat([-edge, latitude]));
                lines.push(vec![beyond, (time, coordinates)]);
            }
            (Some(line), None) => line.push((time, coordinates)),
            (None, _) => lines.push(vec![(time, coordinates)]),
        }
        before = Some(position);
    }
    lines
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
    ([(header::CONTENT_TYPE, "application/geo+json")], Json(collection)).into_response()
}
