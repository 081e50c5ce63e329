//! What holding the stored to another policy says to any database. Parameters are numbered alike.

use super::columns::{Cells, Columns};
use crate::{
    domain::{
        Node, NodeId, OkToMqtt, Place, Position, Timestamp,
        policy::{KeptOut, Past, Policy, Row, RowVerdict, StateVerdict},
    },
    storage::StoreError,
};

/// Parameters: latitude, longitude, altitude, speed, track, satellites, bits; packet, time, node.
pub(in crate::storage) const COARSEN: &str = "\
    UPDATE positions SET latitude_e7 = $1, longitude_e7 = $2, altitude_m = $3, \
        ground_speed_kmh = $4, ground_track_deg = $5, sats_in_view = $6, precision_bits = $7 \
    WHERE packet = $8 AND time = $9 AND node = $10";
/// Parameters: packet, time, node.
pub(in crate::storage) const POSITION_GOES: &str =
    "DELETE FROM positions WHERE packet = $1 AND time = $2 AND node = $3";
/// The bytes say what was taken out. Parameters: sender, packet, no bytes.
pub(in crate::storage) const BYTES_GO: &str =
    "UPDATE packets SET payload = $3 WHERE sender = $1 AND id = $2";
/// Parameters: packet, time, sender.
pub(in crate::storage) const MESSAGE_GOES: &str =
    "DELETE FROM messages WHERE packet = $1 AND time = $2 AND sender = $3";
/// Parameters: row, time.
pub(in crate::storage) const LINK_GOES: &str = "DELETE FROM links WHERE id = $1 AND time = $2";

/// What is known of the packets of a node: the columns of [`PacketRow`].
macro_rules! packet_columns {
    () => {
        "packets.sender, packets.port, packets.channel, packets.ok_to_mqtt, packets.source"
    };
}

/// Kinds of packets of a node, the one heard last first. Parameter: the node.
pub(in crate::storage) const KINDS_OF: &str = concat!(
    "SELECT ",
    packet_columns!(),
    " FROM packets WHERE packets.sender = $1 GROUP BY ",
    packet_columns!(),
    " ORDER BY max(packets.received_at) DESC"
);

/// The packet that said where a node is. Parameters: node, time, heard.
pub(in crate::storage) const SAID_POSITION: &str = concat!(
    "SELECT ",
    packet_columns!(),
    " FROM positions JOIN packets \
        ON packets.id = positions.packet AND packets.sender = positions.node \
    WHERE positions.node = $1 AND positions.time = $2 AND positions.heard = $3 LIMIT 1"
);

/// Nodes that are outside the region. Parameter: the one before.
pub(in crate::storage) const NEXT_OUTSIDE: &str = "\
    SELECT node FROM kept_out WHERE why = 'outside_region' AND node > $1 ORDER BY node LIMIT 1";
/// When a node was heard inside the region for the last time.
pub(in crate::storage) const LAST_INSIDE: &str = "SELECT max(heard) FROM positions WHERE node = $1";

/// What is known of a packet by its row: sender, port, channel, agreement, source.
pub(in crate::storage) struct PacketRow {
    node: NodeId,
    port: u16,
    channel: Option<Box<str>>,
    ok_to_mqtt: OkToMqtt,
    source: Option<Box<str>>,
}

impl PacketRow {
    fn read<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Self, StoreError> {
        Ok(Self {
            node: columns.node_id()?,
            port: columns.integer()?,
            channel: columns.optional_text()?,
            ok_to_mqtt: match columns.optional_integer::<i64>()? {
                Some(0) => OkToMqtt::No,
                Some(_) => OkToMqtt::Yes,
                None => OkToMqtt::Absent,
            },
            source: columns.optional_text()?,
        })
    }

    fn row(&self) -> Row<'_> {
        Row {
            node: &self.node,
            channel: self.channel.as_deref(),
            port: self.port,
            ok_to_mqtt: self.ok_to_mqtt,
            source: self.source.as_deref(),
        }
    }
}

/// What becomes of the state of a node, by the rows of [`KINDS_OF`] it and of [`SAID_POSITION`].
pub(in crate::storage) fn state<R: Cells>(
    node: &Node,
    kinds: &[R],
    position: Option<&R>,
    policy: &Policy,
    kept_out: &KeptOut,
) -> Result<StateVerdict, StoreError> {
    let read = |row: &R| PacketRow::read(&mut Columns::of(row));
    let kinds = kinds.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let kinds: Vec<_> = kinds.iter().map(PacketRow::row).collect();
    let position = position.map(read).transpose()?;
    let past = Past { kinds: &kinds, position: position.as_ref().map(PacketRow::row) };
    Ok(policy.state_stays(node, past, kept_out))
}

/// What becomes of a packet, of which these columns come next.
pub(in crate::storage) fn packet<R: Cells>(
    columns: &mut Columns<'_, R>,
    policy: &Policy,
) -> Result<RowVerdict<()>, StoreError> {
    Ok(policy.packet_stays(&PacketRow::read(columns)?.row()))
}

/// A row of the positions: its packet, its node, where that was, and what becomes of it.
pub(in crate::storage) struct JudgedPosition {
    pub(in crate::storage) packet: i64,
    pub(in crate::storage) node: NodeId,
    pub(in crate::storage) position: Position,
    pub(in crate::storage) verdict: RowVerdict<Position>,
}

/// The columns of a [`JudgedPosition`].
macro_rules! position_columns {
    () => {
        "packet, time, heard, own_clock, latitude_e7, longitude_e7, altitude_m, ground_speed_kmh, \
         ground_track_deg, sats_in_view, precision_bits, node, source"
    };
}
pub(in crate::storage) use position_columns;

pub(in crate::storage) fn position<R: Cells>(
    row: &R,
    policy: &Policy,
) -> Result<JudgedPosition, StoreError> {
    let mut columns = Columns::of(row);
    let packet = columns.integer()?;
    let time = columns.timestamp()?;
    let position = columns.position(time)?;
    let node = columns.node_id()?;
    let source = columns.optional_text()?;
    let verdict = policy.position_stays(&node, &position, source.as_deref());
    Ok(JudgedPosition { packet, node, position, verdict })
}

/// A row of the messages: its packet, its time, its sender, and whether it stays.
pub(in crate::storage) struct JudgedMessage {
    pub(in crate::storage) packet: i64,
    pub(in crate::storage) time: i64,
    pub(in crate::storage) sender: String,
    pub(in crate::storage) stays: bool,
}

/// Messages of a page. Parameters: time and packet of the one before, rows.
pub(in crate::storage) const MESSAGES: &str = "\
    SELECT packet, time, sender, source, waypoint_latitude_e7, waypoint_longitude_e7 \
    FROM messages WHERE (time, packet) > ($1, $2) ORDER BY time, packet LIMIT $3";
/// Links of a page. Parameters: time and row of the one before, rows.
pub(in crate::storage) const LINKS: &str = "\
    SELECT id, time, from_node, to_node FROM links \
    WHERE (time, id) > ($1, $2) ORDER BY time, id LIMIT $3";

pub(in crate::storage) fn message<R: Cells>(
    row: &R,
    policy: &Policy,
) -> Result<JudgedMessage, StoreError> {
    let mut columns = Columns::of(row);
    let (packet, time) = (columns.integer()?, columns.integer()?);
    let sender = columns.node_id()?;
    let source = columns.optional_text()?;
    let place = (columns.optional_integer()?, columns.optional_integer()?);
    // What is no place stays nowhere.
    let stays = match place {
        (Some(latitude), Some(longitude)) => Place::from_e7(latitude, longitude)
            .is_ok_and(|at| policy.message_stays(&sender, Some(at), source.as_deref())),
        _ => policy.message_stays(&sender, None, source.as_deref()),
    };
    Ok(JudgedMessage { packet, time, sender: sender.to_string(), stays })
}

/// Whether a row of the links stays: row, time, who was heard, who heard it.
pub(in crate::storage) fn link<R: Cells>(
    row: &R,
    policy: &Policy,
    kept_out: &KeptOut,
) -> Result<(i64, i64, bool), StoreError> {
    let mut columns = Columns::of(row);
    let (id, time) = (columns.integer()?, columns.integer()?);
    let ends = [columns.node_id()?, columns.node_id()?];
    Ok((id, time, ends.iter().all(|end| policy.node_stays(end, kept_out))))
}

/// When a node said that it opts out, or is outside: as late as it was heard.
pub(in crate::storage) fn heard_last(node: &Node) -> Timestamp {
    node.info_stamp.heard.max(node.status.last_heard)
}
