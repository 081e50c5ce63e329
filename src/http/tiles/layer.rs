//! The one layer of a tile: nodes, and what is known of each.

use std::sync::Arc;

use prost::Message;
use rustc_hash::FxHashMap;

use super::{
    cluster::{Spot, spots},
    mvt::{self, Feature, Layer, POINT, Tile, VERSION},
    square::{EXTENT, Square},
};
use crate::domain::{Metric, Node, NodeId};

/// The layer's name.
pub(super) const NAME: &str = "nodes";

/// The readings that a tile shows.
const METRICS: [Metric; 5] = [
    Metric::BatteryLevel,
    Metric::Voltage,
    Metric::ChannelUtilization,
    Metric::AirUtilTx,
    Metric::Temperature,
];

/// The properties of features and what they are.
pub(super) const FIELDS: [(&str, &str); 23] = [
    ("id", "String: the node"),
    ("network", "String"),
    ("shortName", "String"),
    ("longName", "String"),
    ("hwModel", "String: hardware model as its network names it"),
    ("role", "String"),
    ("firmware", "String"),
    ("channel", "String: the channel that it was last heard on"),
    ("online", "Boolean"),
    ("lastHeard", "Number: milliseconds since 1970"),
    ("time", "Number: when it was there, in milliseconds since 1970"),
    ("altitude", "Number: metres above the sea"),
    ("groundSpeed", "Number: kilometres an hour"),
    ("groundTrack", "Number: degrees clockwise from north"),
    ("precisionBits", "Number: below 32, the place is the middle of a cell"),
    ("batteryLevel", "Number: percent, 101 for external power"),
    ("voltage", "Number: volts"),
    ("channelUtilization", "Number: percent"),
    ("airUtilTx", "Number: percent"),
    ("temperature", "Number: degrees Celsius"),
    ("cluster", "Boolean: true for several nodes as one feature, which has only counts"),
    ("point_count", "Number: how many nodes a cluster stands for"),
    ("online_count", "Number: how many of them are online"),
];

/// The tile of a square with those of the nodes that are in it. It is empty if none is.
pub(super) fn tile(nodes: &[Arc<Node>], square: Square) -> Vec<u8> {
    let place = |node: &Arc<Node>| square.locate(node.position.as_ref()?.place);
    let mut located: Vec<_> = nodes.iter().filter_map(|node| Some((place(node)?, node))).collect();
    // The same nodes make the same bytes.
    located.sort_unstable_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    let mut writer = Writer::default();
    for spot in spots(located) {
        writer.write(&spot);
    }
    let layers = if writer.layer.features.is_empty() { Vec::new() } else { vec![writer.layer()] };
    Tile { layers }.encode_to_vec()
}

/// Writes features; keys and values stand in the layer once.
#[derive(Default)]
struct Writer {
    layer: Layer,
    keys: FxHashMap<&'static str, u32>,
    values: FxHashMap<Value, u32>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Value {
    Text(Box<str>),
    /// The bits of a number.
    Float(u32),
    /// The same.
    Double(u64),
    Whole(i64),
    Flag(bool),
}

impl Writer {
    fn layer(mut self) -> Layer {
        self.layer.version = VERSION;
        NAME.clone_into(&mut self.layer.name);
        self.layer.extent = Some(EXTENT);
        self.layer
    }

    fn write(&mut self, spot: &Spot<'_>) {
        let mut feature = Feature {
            id: None,
            tags: Vec::new(),
            r#type: Some(POINT),
            geometry: mvt::point(spot.point),
        };
        if let [node] = *spot.nodes {
            if let NodeId::Radio(number) = node.id {
                feature.id = Some(number.into());
            }
            self.describe(node, &mut feature.tags);
        } else {
            let online = spot.nodes.iter().filter(|node| node.status.online).count();
            self.tag("cluster", Value::Flag(true), &mut feature.tags);
            self.tag("point_count", count(spot.nodes.len()), &mut feature.tags);
            self.tag("online_count", count(online), &mut feature.tags);
        }
        self.layer.features.push(feature);
    }

    fn describe(&mut self, node: &Node, tags: &mut Vec<u32>) {
        let info = &node.info;
        self.tag("id", Value::Text(node.id.to_string().into()), tags);
        self.tag("network", Value::Text(node.network.name().into()), tags);
        for (key, text) in [
            ("shortName", &info.short_name),
            ("longName", &info.long_name),
            ("hwModel", &info.hw_model),
            ("role", &info.role),
            ("firmware", &info.firmware),
            ("channel", &info.channel),
        ] {
            self.tag_if_any(key, text.clone().map(Value::Text), tags);
        }
        self.tag("online", Value::Flag(node.status.online), tags);
        self.tag("lastHeard", Value::Whole(node.status.last_heard.as_millis()), tags);
        if let Some(position) = &node.position {
            let number = |number: f32| Value::Float(number.to_bits());
            let precision = position.precision_bits;
            self.tag("time", Value::Whole(position.stamp.time.as_millis()), tags);
            self.tag_if_any("altitude", position.altitude_m.map(|m| Value::Whole(m.into())), tags);
            self.tag_if_any("groundSpeed", position.ground_speed_kmh.map(number), tags);
            self.tag_if_any("groundTrack", position.ground_track_deg.map(number), tags);
            self.tag_if_any("precisionBits", precision.map(|bits| Value::Whole(bits.into())), tags);
        }
        for metric in METRICS {
            let value = node.telemetry.get(metric);
            self.tag_if_any(metric.name(), value.map(|value| Value::Double(value.to_bits())), tags);
        }
    }

    fn tag_if_any(&mut self, key: &'static str, value: Option<Value>, tags: &mut Vec<u32>) {
        if let Some(value) = value {
            self.tag(key, value, tags);
        }
    }

    fn tag(&mut self, key: &'static str, value: Value, tags: &mut Vec<u32>) {
        let keys = &mut self.layer.keys;
        let key = *self.keys.entry(key).or_insert_with(|| {
            keys.push(key.to_owned());
            index(keys.len())
        });
        let values = &mut self.layer.values;
        let value = *self.values.entry(value).or_insert_with_key(|value| {
            values.push(value.into());
            index(values.len())
        });
        tags.extend([key, value]);
    }
}

impl From<&Value> for mvt::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self { string: Some(text.to_string()), ..Self::default() },
            Value::Float(bits) => Self { float: Some(f32::from_bits(*bits)), ..Self::default() },
            Value::Double(bits) => Self { double: Some(f64::from_bits(*bits)), ..Self::default() },
            Value::Whole(number) => Self { sint: Some(*number), ..Self::default() },
            Value::Flag(flag) => Self { bool: Some(*flag), ..Self::default() },
        }
    }
}

/// Of the last of so many. A tile has far fewer.
fn index(count: usize) -> u32 {
    u32::try_from(count - 1).unwrap_or(u32::MAX)
}

fn count(count: usize) -> Value {
    Value::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}
