//! What withholding says to any database. Parameters are numbered alike.

use super::columns::{Cells, Columns, corrupt};
use crate::{
    domain::{
        Info, Links, Node, NodeId, OkToMqtt, Place, Position, Remark,
        policy::{KeptOut, Left, Policy, Row, RowVerdict, Why},
    },
    storage::{KeptOutRow, StoreError},
};

/// Stands for gateways of which nothing is told.
pub(in crate::storage) const NOBODY: &str = "!00000000";

pub(in crate::storage) const KEPT_OUT: &str = "SELECT node, why, since, erased FROM kept_out";
pub(in crate::storage) const CHANGES: &str = "SELECT changes FROM policy";
pub(in crate::storage) const CHANGED: &str = "UPDATE policy SET changes = changes + 1";
/// Parameters: node, why, since, erased.
pub(in crate::storage) const KEEP_OUT: &str = "\
    INSERT INTO kept_out (node, why, since, erased) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (node) DO UPDATE SET why = excluded.why, since = excluded.since, \
        erased = excluded.erased";
pub(in crate::storage) const LET_IN: &str = "DELETE FROM kept_out WHERE node = $1";
pub(in crate::storage) const APPLIED: &str = "SELECT fingerprint FROM policy";
pub(in crate::storage) const SET_APPLIED: &str = "UPDATE policy SET fingerprint = $1";
pub(in crate::storage) const STATE_GOES: &str = "DELETE FROM nodes WHERE id = $1";

/// The oldest rows of a node. Parameters: node, rows.
macro_rules! oldest {
    ($table:literal, $node:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $node,
            " = $1 AND ",
            $time,
            " <= (SELECT max(",
            $time,
            ") FROM (SELECT ",
            $time,
            " FROM ",
            $table,
            " WHERE ",
            $node,
            " = $1 ORDER BY ",
            $time,
            " LIMIT $2) AS oldest)"
        )
    };
}

/// What a node said, and the copies of it before the packets. The first word is the table.
pub(in crate::storage) const OWN: [(&str, &str); 7] = [
    ("positions", oldest!("positions", "node", "time")),
    ("telemetry", oldest!("telemetry", "node", "time")),
    ("messages", oldest!("messages", "sender", "time")),
    ("links", oldest!("links", "from_node", "time")),
    ("links", oldest!("links", "to_node", "time")),
    (
        "receptions",
        "DELETE FROM receptions WHERE packet IN (SELECT id FROM packets WHERE sender = $1 \
            AND received_at <= (SELECT max(received_at) FROM (SELECT received_at FROM packets \
                WHERE sender = $1 ORDER BY received_at LIMIT $2) AS oldest))",
    ),
    ("packets", oldest!("packets", "sender", "received_at")),
];

/// Copies set aside, by sender or by gateway. Parameter: node.
pub(in crate::storage) const QUARANTINED: &str =
    "DELETE FROM quarantine WHERE sender = $1 OR gateway = $1";

/// Parameter: node.
pub(in crate::storage) const LEFT: &str =
    "SELECT node, why, since, erased FROM kept_out WHERE node = $1";
/// That a node is kept out stays: it says nothing else of it.
pub(in crate::storage) const NOTES_GO: &str = "\
    DELETE FROM refusals \
    WHERE node = $1 AND reason NOT IN ('opted_out', 'forgotten') OR gateway = $1";
/// Parameters: node, time, reason, channel hash, topic, gateway, port.
pub(in crate::storage) const NOTE: &str = "\
    INSERT INTO refusals (node, time, reason, channel_hash, topic, gateway, port) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(in crate::storage) const NOTES: &str = "\
    SELECT node, time, reason, channel_hash, topic, gateway, port FROM refusals ORDER BY id";
/// The newest 20,000 stay.
pub(in crate::storage) const TRIM_NOTES: &str =
    "DELETE FROM refusals WHERE id <= (SELECT max(id) - 20000 FROM refusals)";

/// Reads a row of [`NOTES`].
pub(in crate::storage) fn note<R: Cells>(row: &R) -> Result<(NodeId, Remark), StoreError> {
    let mut columns = Columns::of(row);
    let node = columns.node_id()?;
    let time = columns.timestamp()?;
    let reason = columns.text()?.into_string().into();
    let channel_hash = columns.optional_integer()?;
    let topic = columns.optional_text()?;
    let gateway = columns.optional_text()?.and_then(|gateway| gateway.parse().ok());
    let port = columns.optional_integer()?;
    Ok((node, Remark { time, reason, channel_hash, topic, gateway, port }))
}

/// Parameters: latitude, longitude, altitude, speed, track, satellites, bits; packet, time, node.
pub(in crate::storage) const COARSEN: &str = "\
    UPDATE positions SET latitude_e7 = $1, longitude_e7 = $2, altitude_m = $3, \
        ground_speed_kmh = $4, ground_track_deg = $5, sats_in_view = $6, precision_bits = $7 \
    WHERE packet = $8 AND time = $9 AND node = $10";
/// Parameters: packet, time, node.
pub(in crate::storage) const POSITION_GOES: &str =
    "DELETE FROM positions WHERE packet = $1 AND time = $2 AND node = $3";
/// The bytes say exactly where it was. Parameters: sender, packet.
pub(in crate::storage) const BYTES_GO: &str = "UPDATE packets SET payload = $3 \
    WHERE sender = $1 AND id = $2";

/// Marked places.
pub(in crate::storage) const MARKED: &str = "\
    SELECT packet, time, sender, waypoint_latitude_e7, waypoint_longitude_e7, source \
    FROM messages WHERE waypoint_id IS NOT NULL";
/// Parameters: packet, time, sender.
pub(in crate::storage) const MESSAGE_GOES: &str =
    "DELETE FROM messages WHERE packet = $1 AND time = $2 AND sender = $3";
/// Parameter: the name of the rules.
pub(in crate::storage) const MESSAGES_OF: &str = "DELETE FROM messages WHERE source = $1";
pub(in crate::storage) const MESSAGES_OF_OTHERS: &str = "DELETE FROM messages WHERE source IS NULL";

/// Reads a row of [`KEPT_OUT`].
pub(in crate::storage) fn kept_out<R: Cells>(row: &R) -> Result<KeptOutRow, StoreError> {
    let mut columns = Columns::of(row);
    let node = columns.node_id()?;
    let why = columns.str()?;
    let why = Why::named(why).ok_or_else(|| corrupt("reason", why))?;
    let since = columns.timestamp()?;
    Ok(KeptOutRow { node, left: Left { why, since }, erased: columns.flag()? })
}

/// Kinds of packets of a node, the one heard last first. Parameter: the node.
pub(in crate::storage) const KINDS_OF: &str = "\
    SELECT sender, port, channel, ok_to_mqtt, source FROM packets WHERE sender = $1 \
    GROUP BY sender, port, channel, ok_to_mqtt, source ORDER BY max(received_at) DESC";

/// What is known of a packet by its row: sender, port, channel, agreement, source.
struct PacketRow {
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

/// Whether a packet may stay, of which these columns come next.
pub(in crate::storage) fn packet_stays<R: Cells>(
    columns: &mut Columns<'_, R>,
    policy: &Policy,
) -> Result<bool, StoreError> {
    Ok(policy.admits_packet(&PacketRow::read(columns)?.row()).is_ok())
}

/// A row of the positions: its packet, its node, where that was, and what becomes of it.
pub(in crate::storage) struct Judged {
    pub(in crate::storage) packet: i64,
    pub(in crate::storage) node: NodeId,
    pub(in crate::storage) position: Position,
    pub(in crate::storage) verdict: RowVerdict<Position>,
}

/// Reads a row: packet, time, the other columns of a position, node, source.
pub(in crate::storage) fn judged<R: Cells>(row: &R, policy: &Policy) -> Result<Judged, StoreError> {
    let mut columns = Columns::of(row);
    let packet = columns.integer()?;
    let time = columns.timestamp()?;
    let position = columns.position(time)?;
    let node = columns.node_id()?;
    let source = columns.optional_text()?;
    let verdict = policy.position_stays(&node, &position, source.as_deref());
    Ok(Judged { packet, node, position, verdict })
}

/// The columns of [`judged`].
macro_rules! judged_columns {
    () => {
        "packet, time, heard, own_clock, latitude_e7, longitude_e7, altitude_m, ground_speed_kmh, \
         ground_track_deg, sats_in_view, precision_bits, node, source"
    };
}
pub(in crate::storage) use judged_columns;

/// Marked places that go: packet, time, sender.
pub(in crate::storage) fn marked<R: Cells>(
    rows: &[R],
    policy: &Policy,
) -> Result<Vec<(i64, i64, String)>, StoreError> {
    let mut gone = Vec::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let (packet, time) = (columns.integer()?, columns.integer()?);
        let sender = columns.node_id()?;
        let place: Place = columns.place()?;
        let source = columns.optional_text()?;
        if !policy.waypoint_stays(&sender, place, source.as_deref()) {
            gone.push((packet, time, sender.to_string()));
        }
    }
    Ok(gone)
}

/// What becomes of the state of a node.
pub(in crate::storage) enum State {
    Stays,
    /// It is like this now.
    Becomes(Box<Node>),
    /// The node is not shown any more. What it said is looked through packet by packet.
    Hides,
    /// The node is not shown any more, and nothing of it is kept.
    Goes,
    /// It is kept out.
    Leaves(Why),
}

/// Holds the state of a node to a policy, by what is stored of it: the rows of [`KINDS_OF`] it.
pub(in crate::storage) fn state<R: Cells>(
    node: &Node,
    kinds: &[R],
    policy: &Policy,
    kept_out: &KeptOut,
) -> Result<State, StoreError> {
    if !policy.node_stays(&node.id, kept_out) {
        return Ok(State::Goes);
    }
    let info: &Info = &node.info;
    if policy.opts_out(info) {
        return Ok(State::Leaves(Why::OptedOut));
    }
    let mut told = node.clone();
    if let Some(position) = node.position {
        // Which rules it came in by is not known of a state: the general ones hold.
        match policy.position_stays(&node.id, &position, None) {
            RowVerdict::Stays => {}
            RowVerdict::Becomes(position) => told.position = Some(position),
            RowVerdict::Goes if !policy.is_inside(&position) => {
                return Ok(State::Leaves(Why::OutsideRegion));
            }
            RowVerdict::Goes => told.position = None,
        }
    }
    let kinds = kinds.iter().map(|row| PacketRow::read(&mut Columns::of(row)));
    let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    if !policy.shows_sender(kinds.iter().map(PacketRow::row)) {
        return Ok(State::Hides);
    }
    told.links = told.links.map(|links| without(&links, |id| !policy.node_stays(id, kept_out)));
    Ok(if told == *node { State::Stays } else { State::Becomes(Box::new(told)) })
}

/// Neighbours without some.
pub(in crate::storage) fn without(
    links: &std::sync::Arc<Links>,
    goes: impl Fn(&NodeId) -> bool,
) -> std::sync::Arc<Links> {
    if !links.neighbours.iter().any(|link| goes(&link.id)) {
        return std::sync::Arc::clone(links);
    }
    let neighbours = links.neighbours.iter().filter(|link| !goes(&link.id)).cloned().collect();
    Links { stamp: links.stamp, neighbours }.into()
}
