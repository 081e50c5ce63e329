//! What withholding says to any database. Parameters are numbered alike.

use super::columns::{Cells, Columns, corrupt};
use crate::{
    domain::{
        NodeId, Remark,
        policy::{Left, Why},
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

/// The oldest rows of a node, of those since a time. Parameters: node, time, rows.
macro_rules! oldest {
    ($table:literal, $node:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $node,
            " = $1 AND ",
            $time,
            " >= $2 AND ",
            $time,
            " <= (SELECT max(",
            $time,
            ") FROM (SELECT ",
            $time,
            " FROM ",
            $table,
            " WHERE ",
            $node,
            " = $1 AND ",
            $time,
            " >= $2 ORDER BY ",
            $time,
            " LIMIT $3) AS oldest)"
        )
    };
}

/// What removes rows, by the table that they are in.
pub(in crate::storage) type Removal = (&'static str, &'static str);

const TELEMETRY: Removal = ("telemetry", oldest!("telemetry", "node", "time"));
const MESSAGES: Removal = ("messages", oldest!("messages", "sender", "time"));
const LINKS_HEARD: Removal = ("links", oldest!("links", "to_node", "time"));
const RECEPTIONS: Removal = (
    "receptions",
    "DELETE FROM receptions WHERE packet IN (SELECT id FROM packets WHERE sender = $1 \
        AND received_at >= $2 AND received_at <= (SELECT max(received_at) FROM \
            (SELECT received_at FROM packets WHERE sender = $1 AND received_at >= $2 \
                ORDER BY received_at LIMIT $3) AS oldest))",
);
const PACKETS: Removal = ("packets", oldest!("packets", "sender", "received_at"));

/// What a node said, and the copies of it before the packets.
pub(in crate::storage) const OWN: [Removal; 7] = [
    ("positions", oldest!("positions", "node", "time")),
    TELEMETRY,
    MESSAGES,
    ("links", oldest!("links", "from_node", "time")),
    LINKS_HEARD,
    RECEPTIONS,
    PACKETS,
];

/// The same without positions, which have a place of their own to be judged by.
pub(in crate::storage) const BESIDE_POSITIONS: [Removal; 5] =
    [TELEMETRY, MESSAGES, LINKS_HEARD, RECEPTIONS, PACKETS];

/// Copies set aside, by sender or by gateway. Parameter: node.
pub(in crate::storage) const QUARANTINED: &str =
    "DELETE FROM quarantine WHERE sender = $1 OR gateway = $1";

/// Ports of Meshtastic whose packets name other nodes in their bytes: traced routes and neighbours.
pub(in crate::storage) const NAMING_PORTS: [i64; 2] = [70, 71];

/// How the bytes of a packet name a node: as a fixed and as a variable number of protocol buffers,
/// and in JSON as text.
pub(in crate::storage) fn names_in_bytes(node: &NodeId) -> [Vec<u8>; 3] {
    match node {
        NodeId::Radio(number) => {
            let mut varint = Vec::new();
            prost::encoding::encode_varint((*number).into(), &mut varint);
            [number.to_le_bytes().into(), varint, number.to_string().into()]
        }
        NodeId::Named(name) => [(); 3].map(|()| name.as_bytes().into()),
    }
}

/// Parameter: node.
pub(in crate::storage) const LEFT: &str =
    "SELECT node, why, since, erased FROM kept_out WHERE node = $1";
/// That a node is kept out stays: it says nothing else of it.
pub(in crate::storage) const NOTES_GO: &str = "\
    DELETE FROM refusals \
    WHERE node = $1 AND reason NOT IN ('opted_out', 'forgotten') OR gateway = $1";
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

/// Reads a row of [`KEPT_OUT`].
pub(in crate::storage) fn kept_out<R: Cells>(row: &R) -> Result<KeptOutRow, StoreError> {
    let mut columns = Columns::of(row);
    let node = columns.node_id()?;
    let why = columns.str()?;
    let why = Why::named(why).ok_or_else(|| corrupt("reason", why))?;
    let since = columns.timestamp()?;
    Ok(KeptOutRow { node, left: Left { why, since }, erased: columns.flag()? })
}
