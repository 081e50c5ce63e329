//! The rows that a batch adds.

use std::time::Duration;

use super::ahead::Encoding;
use crate::{
    domain::{Node, Timestamp},
    storage::{
        StoreError,
        sql::{
            nodes::{NodeRow, Touched},
            rows::{Histories, PacketRow, ReceptionRow, Row, Unbindable, Values},
        },
    },
};

pub(super) struct Additions<'a> {
    pub(super) packets: Vec<PacketRow<'a>>,
    pub(super) receptions: Vec<FiledReceptionRow<'a>>,
    pub(super) touched: Touched<'a>,
    /// The nodes touched that are not remembered, as the database holds them.
    pub(super) held: Vec<Node>,
}

impl Additions<'_> {
    /// Passes on all of it; what the nodes are now.
    pub(super) async fn encode(
        self,
        encoding: Encoding,
        forget_after: Duration,
    ) -> Result<Vec<NodeRow>, StoreError> {
        let Self { packets, receptions, touched, held } = self;
        encoding.pass(&packets).await?;
        encoding.pass(&receptions).await?;
        let Histories { positions, readings, messages, links } = Histories::of(&packets);
        encoding.pass(&positions).await?;
        encoding.pass(&readings).await?;
        encoding.pass(&messages).await?;
        encoding.pass(&links).await?;
        let nodes = touched.merged(held.into_iter().map(Ok), forget_after)?;
        encoding.pass(&nodes).await?;
        Ok(nodes)
    }
}

/// A copy of a packet, on the day of that packet.
pub(super) struct FiledReceptionRow<'a> {
    pub(super) copy: ReceptionRow<'a>,
    pub(super) received_at: Timestamp,
}

impl Row for FiledReceptionRow<'_> {
    const TABLE: &'static str = "receptions";
    const COLUMNS: &'static str =
        "received_at, packet, gateway, arrived, snr_db, rssi_dbm, hop_start, hop_limit";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        values.integer(self.received_at.as_millis())?;
        self.copy.put(values)
    }
}
