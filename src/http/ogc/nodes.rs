//! The nodes on the map as features: flat properties, which geographic tools make columns of.

use std::{borrow::Cow, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, json};

use super::{
    super::{error::ApiError, geojson::Geometry, nodes::parse_id, records::Id, rfc3339},
    items::{Feature, Found},
    params::Wanted,
};
use crate::domain::{Area, Bounds, Filter, Metric, Node, NodeId};

/// What is known of a node.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NodeProperties")]
pub(in crate::http) struct Properties<'a> {
    id: Id<'a>,
    network: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hw_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    online: bool,
    last_heard: String,
    /// Of the position.
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    altitude: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground_speed: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground_track: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision_bits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry_time: Option<String>,
    #[serde(flatten)]
    readings: Readings<'a>,
}

/// A property for each reading.
struct Readings<'a>(&'a [(Metric, f64)]);

impl Serialize for Readings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (metric, value) in self.0 {
            map.serialize_entry(metric.name(), value)?;
        }
        map.end()
    }
}

impl JsonSchema for Readings<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Readings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = |metric: &Metric| (metric.name().to_owned(), json!({ "type": "number" }));
        let properties: Map<_, _> = Metric::ALL.iter().map(number).collect();
        json_schema!({ "type": "object", "properties": properties })
    }
}

/// The nodes that can be among those wanted: they have a position.
pub(super) fn filter(wanted: &Wanted) -> Filter {
    let bounds = wanted.place.as_ref().map_or(Bounds::EVERYWHERE, |place| place.bounds);
    Filter { bounds: Some(Area::from(bounds)), ..Filter::default() }
}

/// The node that this feature is.
pub(super) fn only(feature: &str) -> Result<Filter, ApiError> {
    let missing = |_invalid| ApiError::NotFound("there is no such feature");
    Ok(Filter::default().with_node_ids([parse_id(feature).map_err(missing)?]))
}

/// The last node of the page before.
pub(super) fn after(wanted: &Wanted) -> Result<Option<NodeId>, ApiError> {
    wanted.cursor.as_deref().map(parse_id).transpose()
}

/// Those wanted, by id.
pub(super) fn find<'a>(
    nodes: &'a [Arc<Node>],
    wanted: &Wanted,
    after: Option<&NodeId>,
) -> Found<Properties<'a>> {
    let is_wanted = |node: &&Arc<Node>| {
        let place = |position| wanted.place.as_ref().is_none_or(|place| place.contains(position));
        wanted.spans(node.status.last_heard) && node.position.as_ref().is_some_and(place)
    };
    let mut found: Vec<_> = nodes.iter().filter(is_wanted).collect();
    let matched = Some(found.len());
    found.retain(|node| after.is_none_or(|after| node.id > *after));
    found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let limit = wanted.limit() as usize;
    let next = (found.len() > limit).then(|| found[limit - 1].id.to_string());
    found.truncate(limit);
    let features = found.into_iter().filter_map(|node| feature(node)).collect();
    Found { features, matched, next }
}

/// None for a node without a position.
pub(super) fn feature(node: &Node) -> Option<Feature<Properties<'_>>> {
    let position = node.position.as_ref()?;
    let info = &node.info;
    let properties = Properties {
        id: Id(&node.id),
        network: node.network.name(),
        short_name: info.short_name.as_deref(),
        long_name: info.long_name.as_deref(),
        hw_model: info.hw_model.as_deref(),
        role: info.role.as_deref(),
        firmware: info.firmware.as_deref(),
        channel: info.channel.as_deref(),
        online: node.status.online,
        last_heard: rfc3339::write(node.status.last_heard),
        time: rfc3339::write(position.stamp.time),
        altitude: position.altitude_m,
        ground_speed: position.ground_speed_kmh,
        ground_track: position.ground_track_deg,
        precision_bits: position.precision_bits,
        telemetry_time: node.telemetry.newest().map(|stamp| rfc3339::write(stamp.time)),
        readings: Readings(node.telemetry.values()),
    };
    Some(Feature::new(node.id.to_string(), Geometry::from(position), properties))
}
