//! The latest state of the nodes.

use std::time::Duration;

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::{
    Arguments as _, SqliteConnection, SqlitePool, error::BoxDynError, sqlite::SqliteArguments,
};

use super::{
    columns::corrupt,
    failed,
    insert::{Insert, Row, insert},
    rows::bind_position,
};
use crate::{
    domain::{Info, Network, Node, NodeId, Place, Position, Report, Stamp, Status, Timestamp},
    storage::{StoreError, state},
};

/// How many columns hold the position.
const POSITION_COLUMNS: usize = 10;

macro_rules! columns {
    () => {
        "id, network, last_heard, short_name, long_name, hw_model, role, firmware, channel, \
         info_heard, position_time, position_heard, position_own_clock, latitude_e7, \
         longitude_e7, altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view, \
         precision_bits, telemetry, links"
    };
}

/// All nodes heard at or after `since`, the oldest first.
pub(super) async fn heard_since(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!(
        "SELECT json_array(",
        columns!(),
        ") FROM nodes WHERE last_heard >= ?1 ORDER BY last_heard, id"
    );
    let rows: Vec<String> =
        sqlx::query_scalar(SQL).bind(since.as_millis()).fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(|row| saved::<SavedNode<'_>>(row)?.try_into()).collect()
}

/// Merges what `reports` say, in order, into the states of their nodes: each node is read once and
/// written once. A node that was silent for `forget_after` starts anew.
pub(super) async fn merge(
    connection: &mut SqliteConnection,
    reports: &[&Report],
    forget_after: Duration,
) -> Result<(), StoreError> {
    if reports.is_empty() {
        return Ok(());
    }
    let mut touched: FxHashMap<&NodeId, Option<Node>> = FxHashMap::default();
    for report in reports {
        touched.entry(&report.patch.node).or_default();
    }
    let ids: Vec<String> = touched.keys().map(ToString::to_string).collect();
    for held in read(connection, &ids).await? {
        if let Some(node) = touched.get_mut(&held.id) {
            *node = Some(held);
        }
    }
    for Report { patch, reception, .. } in reports {
        let node = touched.entry(&patch.node).or_default();
        if node.as_ref().is_some_and(|held| held.is_forgotten(forget_after, reception.arrived)) {
            *node = None;
        }
        node.get_or_insert_with(|| Node::heard_first(patch)).merge(patch);
    }
    let rows: Vec<NodeRow> = touched.into_values().flatten().map(NodeRow).collect();
    insert(connection, &rows).await.map_err(failed)
}

/// Reads nodes as one row: the driver wakes a thread for every row, which costs more than JSON.
async fn read(connection: &mut SqliteConnection, ids: &[String]) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!(
        "SELECT json_group_array(json_array(",
        columns!(),
        ")) FROM nodes WHERE id IN (SELECT value FROM json_each(?1))"
    );
    let ids = serde_json::to_string(ids).expect("texts always have a JSON form");
    let all: String =
        sqlx::query_scalar(SQL).bind(ids).fetch_one(connection).await.map_err(failed)?;
    saved::<Vec<SavedNode<'_>>>(&all)?.into_iter().map(TryInto::try_into).collect()
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

struct NodeRow(Node);

impl Row for NodeRow {
    const INSERT: &'static LazyLock<Insert> = {
        static INSERT: LazyLock<Insert> = LazyLock::new(|| {
            let all = columns!().split(", ").skip(1);
            let set: Vec<_> = all.map(|column| format!("{column} = excluded.{column}")).collect();
            Insert::new(
                concat!("INSERT OR ROLLBACK INTO nodes (", columns!(), ")"),
                &format!("ON CONFLICT (id) DO UPDATE SET {}", set.join(", ")),
            )
        });
        &INSERT
    };

    fn bind(&self, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self(node) = self;
        values.add(node.id.to_string())?;
        values.add(node.network.name())?;
        values.add(node.status.last_heard.as_millis())?;
        values.add(node.info.short_name.as_deref())?;
        values.add(node.info.long_name.as_deref())?;
        values.add(node.info.hw_model.as_deref())?;
        values.add(node.info.role.as_deref())?;
        values.add(node.info.firmware.as_deref())?;
        values.add(node.info.channel.as_deref())?;
        let info_heard = node.info_stamp.heard;
        values.add((info_heard != NEVER).then_some(info_heard.as_millis()))?;
        if let Some(position) = &node.position {
            bind_position(values, position)?;
        } else {
            for _ in 0..POSITION_COLUMNS {
                values.add(None::<i64>)?;
            }
        }
        values.add(state::telemetry_to_json(&node.telemetry))?;
        values.add(node.links.as_deref().map(state::links_to_json))
    }
}
