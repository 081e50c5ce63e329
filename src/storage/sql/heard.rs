//! By whom a node was heard.

use super::{
    columns::{Cells, Columns},
    withhold::NOBODY,
};
use crate::storage::{HeardPacket, StoreError};

/// Parameters: the node, so many of its packets, gateways that are not told of. Its packets are found
/// in the index of their keys; the argument says what more joins a copy to its packet.
macro_rules! heard_of {
    ($join:literal) => {
        concat!(
            "SELECT r.arrived, r.gateway, p.port, p.channel FROM \
                (SELECT id, received_at, port, channel FROM packets WHERE sender = $1 \
                    ORDER BY received_at DESC LIMIT $2) AS p \
             JOIN receptions AS r ON r.packet = p.id",
            $join,
            " WHERE r.gateway <> $3 ORDER BY r.arrived DESC LIMIT $2"
        )
    };
}
pub(in crate::storage) use heard_of;

pub(in crate::storage) const HIDDEN_GATEWAY: &str = NOBODY;

pub(in crate::storage) fn heard<R: Cells>(rows: &[R]) -> Result<Vec<HeardPacket>, StoreError> {
    let read = |row| {
        let mut columns = Columns::<R>::of(row);
        Ok(HeardPacket {
            time: columns.timestamp()?,
            gateway: columns.node_id()?,
            port: columns.integer()?,
            channel: columns.optional_text()?,
        })
    };
    rows.iter().map(read).collect()
}
