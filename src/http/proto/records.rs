//! Nodes and messages, as protocol buffers have them.

use super::{
    decimal::as_written,
    messages::{
        Cell, Link, Links, Node, NodeTelemetry, Position, Telemetry, TextMessage, Waypoint,
    },
};
use crate::{
    domain::{self, CellCount, Groups, MessageTypes},
    http::{
        readings::{TelemetryRecord, TelemetryUpdate},
        records::{LinkRecord, MessageRecord, NodeRecord},
    },
};

impl Node {
    /// Everything that is known, of the groups asked for.
    pub(super) fn whole(node: &domain::Node, types: MessageTypes) -> Self {
        let id = Some(node.id.to_string());
        Self { id, ..Self::of(node, &NodeRecord::whole(node, types)) }
    }

    /// The node group, as far as it is in `groups` and differs from `before`.
    pub(super) fn update(
        node: &domain::Node,
        before: Option<&domain::Node>,
        groups: Groups,
    ) -> Self {
        Self::of(node, &NodeRecord::update(node, before, groups))
    }

    fn of(node: &domain::Node, record: &NodeRecord<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let position = record.position.as_ref().and(node.position.as_ref());
        let links = record.links.as_ref();
        Self {
            number: node.number,
            id: None,
            network: owned(record.network),
            short_name: owned(record.short_name),
            long_name: owned(record.long_name),
            hw_model: owned(record.hw_model),
            role: owned(record.role),
            firmware: owned(record.firmware),
            channel: owned(record.channel),
            online: record.online,
            last_heard: record.last_heard,
            position: position.map(Position::from),
            telemetry: record.telemetry.as_ref().map(Telemetry::from),
            links: links.map(|links| Links { links: links.iter().map(Link::from).collect() }),
        }
    }
}

impl NodeTelemetry {
    /// The readings that differ from `before`.
    pub(super) fn of(node: &domain::Node, before: Option<&domain::Node>) -> Self {
        let update = TelemetryUpdate::of(node, before);
        let telemetry = update.map(|TelemetryUpdate(record)| Telemetry::from(&record));
        Self { number: node.number, telemetry }
    }
}

impl From<&domain::Position> for Position {
    fn from(position: &domain::Position) -> Self {
        Self {
            latitude: position.place.latitude_e7(),
            longitude: position.place.longitude_e7(),
            altitude: position.altitude_m,
            time: position.stamp.time.as_millis(),
            ground_speed: position.ground_speed_kmh.map(as_written),
            ground_track: position.ground_track_deg.map(as_written),
            sats_in_view: position.sats_in_view,
            precision_bits: position.precision_bits.map(u32::from),
        }
    }
}

impl From<&TelemetryRecord<'_>> for Telemetry {
    fn from(record: &TelemetryRecord<'_>) -> Self {
        let (metrics, values) =
            record.values.iter().map(|(metric, value)| (metric.number(), *value)).unzip();
        Self { time: record.time.as_millis(), metrics, values }
    }
}

impl From<&LinkRecord<'_>> for Link {
    fn from(record: &LinkRecord<'_>) -> Self {
        Self { id: record.id.0.to_string(), snr: record.snr.map(as_written), time: record.time }
    }
}

impl From<&domain::Message> for TextMessage {
    fn from(message: &domain::Message) -> Self {
        let record = MessageRecord::from(message);
        Self {
            id: record.id,
            network: record.network.to_owned(),
            from: record.from.0.to_string(),
            channel: record.channel.map(str::to_owned),
            text: record.text.to_owned(),
            time: record.time,
            waypoint: message.waypoint.as_ref().map(Waypoint::from),
        }
    }
}

impl From<&domain::Waypoint> for Waypoint {
    fn from(waypoint: &domain::Waypoint) -> Self {
        Self {
            id: waypoint.id,
            latitude: waypoint.place.latitude_e7(),
            longitude: waypoint.place.longitude_e7(),
            description: waypoint.description.to_string(),
            icon: waypoint.icon,
            expires: waypoint.expires.map(domain::Timestamp::as_millis),
        }
    }
}

impl From<&CellCount> for Cell {
    fn from(count: &CellCount) -> Self {
        Self { x: count.tile.x, y: count.tile.y, total: count.total, online: count.online }
    }
}
