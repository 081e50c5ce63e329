//! What is inserted: one type for each table.

use std::sync::LazyLock;

use sqlx::{Arguments as _, error::BoxDynError, sqlite::SqliteArguments};

use super::insert::{Insert, Row};
use crate::{
    domain::{LinkObservation, Message, NodeId, Position, Readings, Reception, Report, Timestamp},
    storage::state,
};

/// The row of a new packet.
pub(super) struct PacketRow<'a>(pub(super) i64, pub(super) &'a Report);

/// A copy of the packet in this row.
pub(super) struct ReceptionRow<'a>(pub(super) i64, pub(super) &'a Reception);

/// Where the packet in this row says that a node was.
pub(super) struct PositionRow<'a>(pub(super) i64, pub(super) &'a NodeId, pub(super) &'a Position);

/// What the packet in this row says that a node measured.
pub(super) struct ReadingsRow<'a>(pub(super) i64, pub(super) &'a NodeId, pub(super) &'a Readings);

/// What the packet in this row said.
pub(super) struct MessageRow<'a>(pub(super) i64, pub(super) &'a Message);

/// A link that the packet in this row told of, and when it was heard.
pub(super) struct ObservedRow<'a>(
    pub(super) i64,
    pub(super) Timestamp,
    pub(super) &'a LinkObservation,
);

impl Row for PacketRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO packets (id, network, sender, packet_id, received_at, port, channel, \
                 addressee, payload)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, Report { packet, reception, .. }) = self;
        values.add(row)?;
        values.add(packet.key.network.name())?;
        values.add(packet.key.sender.to_string())?;
        values.add(packet.key.id.cast_signed())?;
        values.add(reception.arrived.as_millis())?;
        values.add(i64::from(packet.port))?;
        values.add(packet.channel.as_deref())?;
        values.add(packet.to.as_ref().map(NodeId::to_string))?;
        values.add(packet.payload.as_slice())
    }
}

impl Row for ReceptionRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO receptions (packet, gateway, arrived, snr_db, rssi_dbm, hop_start, \
                 hop_limit)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, reception) = self;
        values.add(row)?;
        values.add(reception.gateway.to_string())?;
        values.add(reception.arrived.as_millis())?;
        values.add(reception.snr_db.map(f64::from))?;
        values.add(reception.rssi_dbm)?;
        values.add(reception.hop_start.map(i64::from))?;
        values.add(reception.hop_limit.map(i64::from))
    }
}

impl Row for PositionRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO positions (packet, node, time, heard, own_clock, latitude_e7, \
                 longitude_e7, altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view, \
                 precision_bits)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, node, position) = self;
        values.add(row)?;
        values.add(node.to_string())?;
        bind_position(values, position)
    }
}

impl Row for ReadingsRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO telemetry (packet, node, time, heard, own_clock, section, readings)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, node, readings) = self;
        values.add(row)?;
        values.add(node.to_string())?;
        values.add(readings.stamp.time.as_millis())?;
        values.add(readings.stamp.heard.as_millis())?;
        values.add(readings.stamp.own_clock)?;
        values.add(state::section_name(readings.section))?;
        values.add(state::readings_to_json(&readings.values))
    }
}

impl Row for MessageRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO messages (packet, network, packet_id, sender, channel, text, time, \
                 waypoint_id, waypoint_latitude_e7, waypoint_longitude_e7, waypoint_description, \
                 waypoint_icon, waypoint_expires)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, message) = self;
        values.add(row)?;
        values.add(message.network.name())?;
        values.add(message.packet_id.cast_signed())?;
        values.add(message.from.to_string())?;
        values.add(message.channel.as_deref())?;
        values.add(&*message.text)?;
        values.add(message.time.as_millis())?;
        let waypoint = message.waypoint.as_ref();
        values.add(waypoint.map(|waypoint| i64::from(waypoint.id)))?;
        values.add(waypoint.map(|waypoint| waypoint.place.latitude_e7()))?;
        values.add(waypoint.map(|waypoint| waypoint.place.longitude_e7()))?;
        values.add(waypoint.map(|waypoint| &*waypoint.description))?;
        values.add(waypoint.and_then(|waypoint| waypoint.icon).map(i64::from))?;
        values.add(waypoint.and_then(|waypoint| waypoint.expires).map(Timestamp::as_millis))
    }
}

impl Row for ObservedRow<'_> {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            Insert::new(
                "INSERT OR ROLLBACK INTO links (packet, from_node, to_node, time, snr_db, source)",
                "",
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(row, heard, link) = self;
        values.add(row)?;
        values.add(link.from.to_string())?;
        values.add(link.to.to_string())?;
        values.add(heard.as_millis())?;
        values.add(link.snr_db.map(f64::from))?;
        values.add(link.source.name())
    }
}

/// The columns from the time to the precision, which histories and states share.
pub(super) fn bind_position(
    values: &mut SqliteArguments,
    position: &Position,
) -> Result<(), BoxDynError> {
    values.add(position.stamp.time.as_millis())?;
    values.add(position.stamp.heard.as_millis())?;
    values.add(position.stamp.own_clock)?;
    values.add(position.place.latitude_e7())?;
    values.add(position.place.longitude_e7())?;
    values.add(position.altitude_m)?;
    values.add(position.ground_speed_kmh.map(f64::from))?;
    values.add(position.ground_track_deg.map(f64::from))?;
    values.add(position.sats_in_view.map(i64::from))?;
    values.add(position.precision_bits.map(i64::from))
}
