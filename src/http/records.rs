//! How nodes, positions, telemetry, links and messages look to the outside, in the protocol and
//! in the REST answers alike.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
#[cfg(test)]
use ts_rs::TS;

use super::readings::TelemetryRecord;
use crate::domain::{
    CellCount, Groups, Info, Links, Message, MessageTypes, Node, NodeId, Position, Timestamp,
    Waypoint,
};

/// A node id as its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id<'a>(pub &'a NodeId);

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl JsonSchema for Id<'_> {
    fn schema_name() -> Cow<'static, str> {
        "NodeId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            // 64 bytes without control characters; what is not ASCII has up to 4 bytes.
            "pattern": r"^([ -~]{1,64}|[^\x00-\x1F\x7F-\x9F]{1,16})$",
            "description": "Names a node: ! and eight hexadecimal digits for a radio.",
            "examples": ["!a1b2c3d4"],
        })
    }
}

/// A node: whole, or the fields that changed.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeRecord<'a> {
    #[cfg_attr(test, ts(type = "string"))]
    pub id: Id<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_name: Option<&'a str>,
    /// Hardware model as its network names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<&'a str>,
    /// The channel that it was last heard on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<PositionRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "TelemetryRecord"))]
    pub telemetry: Option<TelemetryRecord<'a>>,
    /// The neighbours that it hears directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<LinkRecord<'a>>>,
}

/// Where a node was.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub(super) struct PositionRecord {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Metres above the sea.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude: Option<i32>,
    /// When it was there.
    pub time: i64,
    /// Kilometres an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground_speed: Option<f32>,
    /// Degrees clockwise from north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground_track: Option<f32>,
    /// Satellites in view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sats_in_view: Option<u32>,
    /// Below 32, the place is the middle of a cell of `2^(32 - precisionBits)` units of 1e-7 degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_bits: Option<u8>,
}

/// A position that replaces the one held.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
pub(super) struct PositionUpdate<'a> {
    #[cfg_attr(test, ts(type = "string"))]
    id: Id<'a>,
    #[serde(flatten)]
    position: PositionRecord,
}

/// A neighbour that a node hears directly.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct LinkRecord<'a> {
    /// The neighbour.
    #[cfg_attr(test, ts(type = "string"))]
    pub id: Id<'a>,
    /// Decibels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snr: Option<f32>,
    /// When it was reported.
    pub time: i64,
}

/// A text, or a marked place, sent to everybody on a channel.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct MessageRecord<'a> {
    /// Unique among the sender's messages.
    pub id: String,
    pub network: &'static str,
    #[cfg_attr(test, ts(type = "string"))]
    pub from: Id<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    pub text: &'a str,
    pub time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waypoint: Option<WaypointRecord<'a>>,
}

/// How many nodes are in a map tile.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
pub(super) struct CellRecord {
    /// Zoom, column and row: `z/x/y`.
    pub cell: String,
    pub total: u32,
    pub online: u32,
}

/// A marked place.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS), ts(optional_fields))]
pub(super) struct WaypointRecord<'a> {
    /// The sender's number for it.
    pub id: u32,
    pub latitude: f64,
    pub longitude: f64,
    pub description: &'a str,
    /// A Unicode code point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<u32>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl<'a> NodeRecord<'a> {
    /// A record with nothing but the id.
    fn of(id: &'a NodeId) -> Self {
        Self {
            id: Id(id),
            network: None,
            short_name: None,
            long_name: None,
            hw_model: None,
            role: None,
            firmware: None,
            channel: None,
            online: None,
            last_heard: None,
            position: None,
            telemetry: None,
            links: None,
        }
    }

    /// Everything that is known, of the groups asked for.
    pub(super) fn whole(node: &'a Node, types: MessageTypes) -> Self {
        let wants = |group| types.groups().intersects(group);
        let mut record = Self::of(&node.id);
        if wants(Groups::INFO) {
            record.network = Some(node.network.name());
        }
        if wants(Groups::STATUS) {
            record.set_status(node);
        }
        record.set_info(node, None, types.groups());
        if wants(Groups::POSITION) {
            record.position = node.position.as_ref().map(PositionRecord::from);
        }
        if wants(Groups::TELEMETRY) {
            record.telemetry = TelemetryRecord::all(&node.telemetry);
        }
        record
    }

    /// The node group, as far as it is in `groups` and differs from `before`.
    pub(super) fn update(node: &'a Node, before: Option<&Node>, groups: Groups) -> Self {
        let mut record = Self::of(&node.id);
        record.set_info(node, before, groups);
        record
    }

    /// The status group.
    pub(super) fn status(node: &'a Node) -> Self {
        let mut record = Self::of(&node.id);
        record.set_status(node);
        record
    }

    fn set_status(&mut self, node: &Node) {
        self.online = Some(node.status.online);
        self.last_heard = Some(node.status.last_heard.as_millis());
    }

    fn set_info(&mut self, node: &'a Node, before: Option<&Node>, groups: Groups) {
        if groups.intersects(Groups::INFO) {
            let news = |field: fn(&Info) -> &Option<Box<str>>| {
                let known = before.map(|before| field(&before.info));
                field(&node.info)
                    .as_deref()
                    .filter(|now| known.is_none_or(|known| known.as_deref() != Some(now)))
            };
            self.short_name = news(|info| &info.short_name);
            self.long_name = news(|info| &info.long_name);
            self.hw_model = news(|info| &info.hw_model);
            self.role = news(|info| &info.role);
            self.firmware = news(|info| &info.firmware);
            self.channel = news(|info| &info.channel);
        }
        if groups.intersects(Groups::LINKS) {
            self.links = node.links.as_deref().map(link_records);
        }
    }
}

fn link_records(links: &Links) -> Vec<LinkRecord<'_>> {
    let time = links.stamp.time.as_millis();
    let neighbours = links.neighbours.iter();
    neighbours.map(|link| LinkRecord { id: Id(&link.id), snr: link.snr_db, time }).collect()
}

impl From<&Position> for PositionRecord {
    fn from(position: &Position) -> Self {
        Self {
            latitude: position.place.latitude(),
            longitude: position.place.longitude(),
            altitude: position.altitude_m,
            time: position.stamp.time.as_millis(),
            ground_speed: position.ground_speed_kmh,
            ground_track: position.ground_track_deg,
            sats_in_view: position.sats_in_view,
            precision_bits: position.precision_bits,
        }
    }
}

impl<'a> PositionUpdate<'a> {
    /// The node's position; none if it has none.
    pub(super) fn of(node: &'a Node) -> Option<Self> {
        node.position.as_ref().map(|position| Self { id: Id(&node.id), position: position.into() })
    }
}

impl From<&CellCount> for CellRecord {
    fn from(count: &CellCount) -> Self {
        Self { cell: count.tile.to_string(), total: count.total, online: count.online }
    }
}

impl<'a> From<&'a Message> for MessageRecord<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: format!("{}-{:x}", message.from, message.packet_id),
            network: message.network.name(),
            from: Id(&message.from),
            channel: message.channel.as_deref(),
            text: &message.text,
            time: message.time.as_millis(),
            waypoint: message.waypoint.as_ref().map(WaypointRecord::from),
        }
    }
}

impl<'a> From<&'a Waypoint> for WaypointRecord<'a> {
    fn from(waypoint: &'a Waypoint) -> Self {
        Self {
            id: waypoint.id,
            latitude: waypoint.place.latitude(),
            longitude: waypoint.place.longitude(),
            description: &waypoint.description,
            icon: waypoint.icon,
            expires: waypoint.expires.map(Timestamp::as_millis),
        }
    }
}
