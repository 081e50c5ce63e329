//! What is inserted: one type for each table.

use std::borrow::Cow;

use super::state;
use crate::domain::{
    LinkObservation, Message, NodeId, OkToMqtt, Position, Readings, Reception, Remark, Report,
    Timestamp,
};

/// Why a value cannot be sent to the database.
pub(in crate::storage) type Unbindable = Box<dyn std::error::Error + Send + Sync>;

/// Takes the values of rows, one after the other in the order of their columns. None is NULL.
pub(in crate::storage) trait Values {
    fn integer(&mut self, value: impl Into<Option<i64>>) -> Result<(), Unbindable>;
    fn number(&mut self, value: Option<f64>) -> Result<(), Unbindable>;
    fn flag(&mut self, value: impl Into<Option<bool>>) -> Result<(), Unbindable>;
    fn bytes(&mut self, value: &[u8]) -> Result<(), Unbindable>;
    /// A text without NUL characters.
    fn clean_text(&mut self, value: Option<Cow<'_, str>>) -> Result<(), Unbindable>;

    /// A text, or NULL. NUL characters are left out, since Postgres takes none; decoders let none
    /// through.
    fn optional_text<'a>(
        &mut self,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Result<(), Unbindable> {
        let value = value.map(Into::into);
        self.clean_text(match value {
            Some(text) if text.contains('\0') => Some(text.replace('\0', "").into()),
            clean => clean,
        })
    }

    fn text<'a>(&mut self, value: impl Into<Cow<'a, str>>) -> Result<(), Unbindable> {
        self.optional_text(Some(value))
    }
}

/// A row to be inserted.
pub(in crate::storage) trait Row: Sync {
    const TABLE: &'static str;
    /// Separated by commas.
    const COLUMNS: &'static str;
    /// Whether it takes the place of the row with the same first column, if there is one.
    const REPLACES: bool = false;

    /// Adds its values in the order of the columns.
    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable>;
}

/// The row of a new packet.
pub(in crate::storage) struct PacketRow<'a> {
    pub(in crate::storage) row: i64,
    pub(in crate::storage) report: &'a Report,
}

/// A copy of the packet in this row.
pub(in crate::storage) struct ReceptionRow<'a> {
    pub(in crate::storage) packet: i64,
    pub(in crate::storage) reception: &'a Reception,
}

/// Where the packet in this row says that a node was.
pub(in crate::storage) struct PositionRow<'a> {
    packet: i64,
    node: &'a NodeId,
    position: &'a Position,
    source: Option<&'a str>,
}

/// What the packet in this row says that a node measured.
pub(in crate::storage) struct ReadingsRow<'a> {
    packet: i64,
    node: &'a NodeId,
    readings: &'a Readings,
}

/// What the packet in this row said.
pub(in crate::storage) struct MessageRow<'a> {
    packet: i64,
    message: &'a Message,
    source: Option<&'a str>,
}

/// A link that the packet in this row told of, and when it was heard.
pub(in crate::storage) struct ObservedRow<'a> {
    packet: i64,
    heard: Timestamp,
    link: &'a LinkObservation,
}

/// Why something of a node is not shown.
pub(in crate::storage) struct RefusalRow<'a> {
    pub(in crate::storage) node: &'a NodeId,
    pub(in crate::storage) remark: &'a Remark,
}

/// What new packets add to the histories.
#[derive(Default)]
pub(in crate::storage) struct Histories<'a> {
    pub(in crate::storage) positions: Vec<PositionRow<'a>>,
    pub(in crate::storage) readings: Vec<ReadingsRow<'a>>,
    pub(in crate::storage) messages: Vec<MessageRow<'a>>,
    pub(in crate::storage) links: Vec<ObservedRow<'a>>,
}

impl<'a> Histories<'a> {
    pub(in crate::storage) fn of(packets: &[PacketRow<'a>]) -> Self {
        let mut all = Self::default();
        for &PacketRow { row: packet, report } in packets {
            let Report { patch, links, terms, .. } = report;
            if terms.map_only {
                continue;
            }
            let node = &patch.node;
            let source = terms.source.as_deref();
            let position = patch.position.as_ref();
            let row = |position| PositionRow { packet, node, position, source };
            all.positions.extend(position.map(row));
            let readings = patch.telemetry.as_ref();
            all.readings.extend(readings.map(|readings| ReadingsRow { packet, node, readings }));
            let message = patch.message.as_deref();
            all.messages.extend(message.map(|message| MessageRow { packet, message, source }));
            let heard = patch.heard;
            all.links.extend(links.iter().map(|link| ObservedRow { packet, heard, link }));
        }
        all
    }
}

impl Row for PacketRow<'_> {
    const TABLE: &'static str = "packets";
    const COLUMNS: &'static str = "id, network, sender, packet_id, received_at, port, channel, \
        addressee, payload, ok_to_mqtt, source";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Report { packet, reception, terms, .. } = self.report;
        values.integer(self.row)?;
        values.text(packet.key.network.name())?;
        values.text(packet.key.sender.to_string())?;
        values.integer(packet.key.id.cast_signed())?;
        values.integer(reception.arrived.as_millis())?;
        values.integer(i64::from(packet.port))?;
        values.optional_text(packet.channel.as_deref())?;
        values.optional_text(packet.to.as_ref().map(NodeId::to_string))?;
        values.bytes(&packet.payload)?;
        values.integer(match terms.ok_to_mqtt {
            OkToMqtt::Yes => Some(1),
            OkToMqtt::No => Some(0),
            OkToMqtt::Absent => None,
        })?;
        values.optional_text(terms.source.as_deref())
    }
}

impl Row for ReceptionRow<'_> {
    const TABLE: &'static str = "receptions";
    const COLUMNS: &'static str =
        "packet, gateway, arrived, snr_db, rssi_dbm, hop_start, hop_limit";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self { packet, reception } = self;
        values.integer(*packet)?;
        values.text(reception.gateway.to_string())?;
        values.integer(reception.arrived.as_millis())?;
        values.number(reception.snr_db.map(f64::from))?;
        values.integer(reception.rssi_dbm.map(i64::from))?;
        values.integer(reception.hop_start.map(i64::from))?;
        values.integer(reception.hop_limit.map(i64::from))
    }
}

impl Row for PositionRow<'_> {
    const TABLE: &'static str = "positions";
    const COLUMNS: &'static str = "packet, node, time, heard, own_clock, latitude_e7, \
        longitude_e7, altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view, precision_bits, \
        source";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self { packet, node, position, source } = self;
        values.integer(*packet)?;
        values.text(node.to_string())?;
        put_position(values, Some(position))?;
        values.optional_text(*source)
    }
}

impl Row for ReadingsRow<'_> {
    const TABLE: &'static str = "telemetry";
    const COLUMNS: &'static str = "packet, node, time, heard, own_clock, section, readings";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self { packet, node, readings } = self;
        values.integer(*packet)?;
        values.text(node.to_string())?;
        values.integer(readings.stamp.time.as_millis())?;
        values.integer(readings.stamp.heard.as_millis())?;
        values.flag(readings.stamp.own_clock)?;
        values.text(state::section_name(readings.section))?;
        values.text(state::readings_to_json(&readings.values))
    }
}

impl Row for MessageRow<'_> {
    const TABLE: &'static str = "messages";
    const COLUMNS: &'static str = "packet, network, packet_id, sender, channel, text, time, \
        waypoint_id, waypoint_latitude_e7, waypoint_longitude_e7, waypoint_description, \
        waypoint_icon, waypoint_expires, source";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self { packet, message, source } = self;
        values.integer(*packet)?;
        values.text(message.network.name())?;
        values.integer(message.packet_id.cast_signed())?;
        values.text(message.from.to_string())?;
        values.optional_text(message.channel.as_deref())?;
        values.text(&*message.text)?;
        values.integer(message.time.as_millis())?;
        let waypoint = message.waypoint.as_ref();
        values.integer(waypoint.map(|waypoint| i64::from(waypoint.id)))?;
        values.integer(waypoint.map(|waypoint| i64::from(waypoint.place.latitude_e7())))?;
        values.integer(waypoint.map(|waypoint| i64::from(waypoint.place.longitude_e7())))?;
        values.optional_text(waypoint.map(|waypoint| &*waypoint.description))?;
        values.integer(waypoint.and_then(|waypoint| waypoint.icon).map(i64::from))?;
        values.integer(waypoint.and_then(|waypoint| waypoint.expires).map(Timestamp::as_millis))?;
        values.optional_text(*source)
    }
}

impl Row for ObservedRow<'_> {
    const TABLE: &'static str = "links";
    const COLUMNS: &'static str = "packet, from_node, to_node, time, snr_db, source";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self { packet, heard, link } = self;
        values.integer(*packet)?;
        values.text(link.from.to_string())?;
        values.text(link.to.to_string())?;
        values.integer(heard.as_millis())?;
        values.number(link.snr_db.map(f64::from))?;
        values.text(link.source.name())
    }
}

/// How many columns [`put_position`] fills.
pub(super) const POSITION_COLUMNS: usize = 10;

impl Row for RefusalRow<'_> {
    const TABLE: &'static str = "refusals";
    const COLUMNS: &'static str = "node, time, reason, channel_hash, topic, gateway, port";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Remark { time, reason, channel_hash, topic, gateway, port } = self.remark;
        values.text(self.node.to_string())?;
        values.integer(time.as_millis())?;
        values.text(&**reason)?;
        values.integer(channel_hash.map(i64::from))?;
        values.optional_text(topic.as_deref())?;
        values.optional_text(gateway.as_ref().map(NodeId::to_string))?;
        values.integer(port.map(i64::from))
    }
}

impl<'a> RefusalRow<'a> {
    /// A row for each.
    pub(in crate::storage) fn all(refusals: &'a [(NodeId, Remark)]) -> Vec<Self> {
        refusals.iter().map(|(node, remark)| Self { node, remark }).collect()
    }
}

/// The columns from the time to the precision, which histories and states share; all NULL where no
/// position is known.
pub(super) fn put_position(
    values: &mut impl Values,
    position: Option<&Position>,
) -> Result<(), Unbindable> {
    let stamp = position.map(|position| position.stamp);
    values.integer(stamp.map(|stamp| stamp.time.as_millis()))?;
    values.integer(stamp.map(|stamp| stamp.heard.as_millis()))?;
    values.flag(stamp.map(|stamp| stamp.own_clock))?;
    values.integer(position.map(|position| position.place.latitude_e7().into()))?;
    values.integer(position.map(|position| position.place.longitude_e7().into()))?;
    values.integer(position.and_then(|position| position.altitude_m).map(i64::from))?;
    values.number(position.and_then(|position| position.ground_speed_kmh).map(f64::from))?;
    values.number(position.and_then(|position| position.ground_track_deg).map(f64::from))?;
    values.integer(position.and_then(|position| position.sats_in_view).map(i64::from))?;
    values.integer(position.and_then(|position| position.precision_bits).map(i64::from))
}
