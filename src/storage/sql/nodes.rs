//! The latest state of the nodes.

use std::{sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    columns::{Cells, Columns, corrupt},
    rows::{POSITION_COLUMNS, Row, Unbindable, Values, put_position},
    state,
};
use crate::{
    domain::{Info, Network, Node, NodeId, Place, Position, Report, Stamp, Status, Timestamp},
    storage::StoreError,
};

/// The columns, in their order.
macro_rules! node_columns {
    () => {
        "id, network, last_heard, short_name, long_name, hw_model, role, firmware, channel, \
         info_heard, position_time, position_heard, position_own_clock, latitude_e7, longitude_e7, \
         altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view, precision_bits, telemetry, \
         links"
    };
}
pub(in crate::storage) use node_columns;

/// The nodes that new packets are about, each once.
pub(in crate::storage) struct Touched<'a> {
    reports: Vec<&'a Report>,
    nodes: FxHashMap<&'a NodeId, Option<Node>>,
}

impl<'a> Touched<'a> {
    /// By these packets, in order.
    pub(in crate::storage) fn by(reports: Vec<&'a Report>) -> Self {
        let mut nodes: FxHashMap<_, _> = FxHashMap::default();
        for report in &reports {
            nodes.entry(&report.patch.node).or_default();
        }
        Self { reports, nodes }
    }

    /// Takes those that are remembered out of memory: what becomes of them is not certain before
    /// the commit.
    pub(in crate::storage) fn recall(&mut self, remembered: &mut FxHashMap<NodeId, Node>) {
        for (id, node) in &mut self.nodes {
            *node = remembered.remove(id);
        }
    }

    /// The ids of those that are to be read from the database.
    pub(in crate::storage) fn ids(&self) -> Vec<String> {
        let unknown = self.nodes.iter().filter(|(_, node)| node.is_none());
        unknown.map(|(id, _)| id.to_string()).collect()
    }

    /// What they are now: as the database holds them, and what the packets say merged in. A node
    /// that was silent for `forget_after` starts anew.
    pub(in crate::storage) fn merged(
        mut self,
        held: impl IntoIterator<Item = Result<Node, StoreError>>,
        forget_after: Duration,
    ) -> Result<Vec<NodeRow>, StoreError> {
        for held in held {
            let held = held?;
            if let Some(node) = self.nodes.get_mut(&held.id) {
                *node = Some(held);
            }
        }
        for Report { patch, reception, .. } in self.reports {
            let node = self.nodes.entry(&patch.node).or_default();
            let now = reception.arrived;
            if node.as_ref().is_some_and(|held| held.is_forgotten(forget_after, now)) {
                *node = None;
            }
            node.get_or_insert_with(|| Node::heard_first(patch)).merge(patch);
        }
        Ok(self.nodes.into_values().flatten().map(NodeRow).collect())
    }
}

/// A node from its columns, as it was when it was written. Whether it is online is for the world to
/// say.
pub(in crate::storage) fn from_row(row: &impl Cells) -> Result<Node, StoreError> {
    let mut columns = Columns::of(row);
    let (id, network) = (columns.node_id()?, columns.network()?);
    let last_heard = columns.timestamp()?;
    let info = Info {
        short_name: columns.optional_text()?,
        long_name: columns.optional_text()?,
        hw_model: columns.optional_text()?,
        role: columns.optional_text()?,
        firmware: columns.optional_text()?,
        channel: columns.optional_text()?,
    };
    let info_heard = columns.optional_timestamp()?;
    let position = if let Some(time) = columns.optional_timestamp()? {
        Some(columns.position(time)?)
    } else {
        columns.skip(POSITION_COLUMNS - 1);
        None
    };
    let telemetry = columns.optional_str()?.map(state::telemetry_from_json).transpose()?;
    let links = columns.optional_str()?.map(state::links_from_json).transpose()?;
    Ok(Node {
        id,
        network,
        number: 0,
        info: Arc::new(info),
        info_stamp: Stamp::heard(info_heard.unwrap_or(NEVER)),
        position,
        telemetry: telemetry.map(Arc::new).unwrap_or_default(),
        status: Status { online: true, last_heard },
        links: links.map(Arc::new),
    })
}

/// A node from the JSON array of its columns.
pub(in crate::storage) fn from_json(json: &str) -> Result<Node, StoreError> {
    saved::<SavedNode<'_>>(json)?.try_into()
}

/// Nodes from a JSON array of such arrays.
pub(in crate::storage) fn all_from_json(
    json: &str,
) -> Result<impl Iterator<Item = Result<Node, StoreError>>, StoreError> {
    Ok(saved::<Vec<SavedNode<'_>>>(json)?.into_iter().map(TryInto::try_into))
}

fn saved<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| corrupt("node", format!("{json} ({error})")))
}

/// The columns, in their order.
#[derive(Deserialize)]
struct SavedNode<'a> {
    id: String,
    network: String,
    last_heard: i64,
    short_name: Option<Box<str>>,
    long_name: Option<Box<str>>,
    hw_model: Option<Box<str>>,
    role: Option<Box<str>>,
    firmware: Option<Box<str>>,
    channel: Option<Box<str>>,
    info_heard: Option<i64>,
    position_time: Option<i64>,
    position_heard: Option<i64>,
    position_own_clock: Option<i64>,
    latitude_e7: Option<i32>,
    longitude_e7: Option<i32>,
    altitude_m: Option<i32>,
    #[serde(borrow)]
    ground_speed_kmh: Option<&'a RawValue>,
    #[serde(borrow)]
    ground_track_deg: Option<&'a RawValue>,
    sats_in_view: Option<u32>,
    precision_bits: Option<u8>,
    telemetry: Option<String>,
    links: Option<String>,
}

impl SavedNode<'_> {
    fn position(&self) -> Result<Option<Position>, StoreError> {
        let Some(time) = self.position_time else { return Ok(None) };
        let missing = || corrupt("position", format!("of {}", self.id));
        let heard = self.position_heard.ok_or_else(missing)?;
        let latitude_e7 = self.latitude_e7.ok_or_else(missing)?;
        let longitude_e7 = self.longitude_e7.ok_or_else(missing)?;
        Ok(Some(Position {
            place: Place::from_e7(latitude_e7, longitude_e7).ok().ok_or_else(missing)?,
            altitude_m: self.altitude_m,
            ground_speed_kmh: single(self.ground_speed_kmh)?,
            ground_track_deg: single(self.ground_track_deg)?,
            sats_in_view: self.sats_in_view,
            precision_bits: self.precision_bits,
            stamp: Stamp {
                time: Timestamp::from_millis(time),
                heard: Timestamp::from_millis(heard),
                own_clock: self.position_own_clock.ok_or_else(missing)? != 0,
            },
        }))
    }
}

/// A node as it was when it was written. Whether it is online is for the world to say.
impl TryFrom<SavedNode<'_>> for Node {
    type Error = StoreError;

    fn try_from(saved: SavedNode<'_>) -> Result<Self, StoreError> {
        let position = saved.position()?;
        let telemetry = saved.telemetry.as_deref().map(state::telemetry_from_json).transpose()?;
        let links = saved.links.as_deref().map(state::links_from_json).transpose()?;
        let last_heard = Timestamp::from_millis(saved.last_heard);
        let info = Info {
            short_name: saved.short_name,
            long_name: saved.long_name,
            hw_model: saved.hw_model,
            role: saved.role,
            firmware: saved.firmware,
            channel: saved.channel,
        };
        Ok(Self {
            network: Network::named(&saved.network)
                .ok_or_else(|| corrupt("network", saved.network))?,
            id: saved.id.parse().ok().ok_or_else(|| corrupt("node id", saved.id))?,
            number: 0,
            info: Arc::new(info),
            info_stamp: Stamp::heard(saved.info_heard.map_or(NEVER, Timestamp::from_millis)),
            position,
            telemetry: telemetry.map(Arc::new).unwrap_or_default(),
            status: Status { online: true, last_heard },
            links: links.map(Arc::new),
        })
    }
}

/// A number that was written with single precision.
fn single(number: Option<&RawValue>) -> Result<Option<f32>, StoreError> {
    let read = |number: &RawValue| {
        number.get().parse().ok().ok_or_else(|| corrupt("number", number.get()))
    };
    number.map(read).transpose()
}

/// When the names of a node were stated that never stated any.
const NEVER: Timestamp = Timestamp::from_millis(i64::MIN);

/// The state of a node.
pub(in crate::storage) struct NodeRow(pub(in crate::storage) Node);

impl Row for NodeRow {
    const TABLE: &'static str = "nodes";
    const COLUMNS: &'static str = node_columns!();
    const REPLACES: bool = true;

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        let Self(node) = self;
        values.text(node.id.to_string())?;
        values.text(node.network.name())?;
        values.integer(node.status.last_heard.as_millis())?;
        values.optional_text(node.info.short_name.as_deref())?;
        values.optional_text(node.info.long_name.as_deref())?;
        values.optional_text(node.info.hw_model.as_deref())?;
        values.optional_text(node.info.role.as_deref())?;
        values.optional_text(node.info.firmware.as_deref())?;
        values.optional_text(node.info.channel.as_deref())?;
        let info_heard = node.info_stamp.heard;
        values.integer((info_heard != NEVER).then_some(info_heard.as_millis()))?;
        put_position(values, node.position.as_ref())?;
        values.optional_text(state::telemetry_to_json(&node.telemetry))?;
        values.optional_text(node.links.as_deref().map(state::links_to_json))
    }
}
