//! The latest state of the nodes.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use sqlx::{
    Arguments as _, SqliteConnection, SqlitePool,
    error::BoxDynError,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    columns::Columns,
    failed,
    insert::{Insert, Row, insert},
    rows::bind_position,
};
use crate::{
    domain::{Info, Node, NodeId, Patch, Stamp, Status, Timestamp},
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
        "SELECT ",
        columns!(),
        " FROM nodes WHERE last_heard >= ?1 ORDER BY last_heard, id"
    );
    let rows = sqlx::query(SQL).bind(since.as_millis()).fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(node).collect()
}

/// Merges `patches`, in order, into the states of their nodes: each node is read once and written
/// once.
pub(super) async fn merge(
    connection: &mut SqliteConnection,
    patches: &[&Patch],
) -> Result<(), StoreError> {
    if patches.is_empty() {
        return Ok(());
    }
    let mut touched: FxHashMap<&NodeId, Option<Node>> = FxHashMap::default();
    for patch in patches {
        touched.entry(&patch.node).or_default();
    }
    let ids: Vec<String> = touched.keys().map(ToString::to_string).collect();
    for held in read(connection, &ids).await? {
        if let Some(node) = touched.get_mut(&held.id) {
            *node = Some(held);
        }
    }
    for patch in patches {
        let node = touched.entry(&patch.node).or_default();
        node.get_or_insert_with(|| Node::heard_first(patch)).merge(patch);
    }
    let rows: Vec<NodeRow> = touched.into_values().flatten().map(NodeRow).collect();
    insert(connection, &rows).await.map_err(failed)
}

async fn read(connection: &mut SqliteConnection, ids: &[String]) -> Result<Vec<Node>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM nodes WHERE id IN (SELECT value FROM json_each(?1))");
    let ids = serde_json::to_string(ids).expect("texts always have a JSON form");
    let rows = sqlx::query(SQL).bind(ids).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(node).collect()
}

/// A node as it was when it was written. Whether it is online is for the world to say.
fn node(row: &SqliteRow) -> Result<Node, StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.node_id()?;
    let network = columns.network()?;
    let status = Status { online: true, last_heard: columns.timestamp()? };
    let info = Info {
        short_name: columns.optional_text()?,
        long_name: columns.optional_text()?,
        hw_model: columns.optional_text()?,
        role: columns.optional_text()?,
        firmware: columns.optional_text()?,
        channel: columns.optional_text()?,
    };
    let info_heard = columns.optional_timestamp()?.unwrap_or(NEVER);
    let position = if let Some(time) = columns.optional_timestamp()? {
        Some(columns.position(time)?)
    } else {
        columns.skip(POSITION_COLUMNS - 1);
        None
    };
    let telemetry = columns.take::<Option<&str>>()?.map(state::telemetry_from_json).transpose()?;
    let links = columns.take::<Option<&str>>()?.map(state::links_from_json).transpose()?;
    Ok(Node {
        id,
        network,
        info: Arc::new(info),
        info_stamp: Stamp::heard(info_heard),
        position,
        telemetry: telemetry.map(Arc::new).unwrap_or_default(),
        status,
        links: links.map(Arc::new),
    })
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
                concat!("INSERT INTO nodes (", columns!(), ")"),
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
