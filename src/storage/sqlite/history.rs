//! Pages of the histories, newest first.

use sqlx::{SqlitePool, sqlite::SqliteRow};

use super::{
    columns::{Columns, corrupt},
    failed,
};
use crate::{
    domain::{LinkObservation, LinkSource, Message, Position, Timestamp, Waypoint},
    storage::{
        HistoryQuery, LinkRow, Page, StoreError, TelemetryRow,
        cursor::{Cursor, Span},
        state,
    },
};

/// Row, time and further columns of a span of a table, by the index on (`$node`, time) or on
/// time. Parameters: node, first time, last time, time and row of the record before, rows.
macro_rules! newest_first {
    ($row:literal, $columns:expr, $table:literal, $($node:literal)?) => {
        concat!(
            "SELECT ", $row, ", time, ", $columns, " FROM ", $table,
            " WHERE ", $($node, " = ?1 AND ",)?
            "time BETWEEN ?2 AND ?3 AND (time < ?4 OR ", $row, " < ?5)",
            " ORDER BY time DESC, ", $row, " DESC LIMIT ?6"
        )
    };
}

macro_rules! position_columns {
    () => {
        "heard, own_clock, latitude_e7, longitude_e7, altitude_m, ground_speed_kmh, \
         ground_track_deg, sats_in_view, precision_bits"
    };
}

macro_rules! message_columns {
    () => {
        "network, packet_id, sender, channel, text, waypoint_id, waypoint_latitude_e7, \
         waypoint_longitude_e7, waypoint_description, waypoint_icon, waypoint_expires"
    };
}

macro_rules! link_columns {
    () => {
        "from_node, to_node, snr_db, source"
    };
}

pub(super) async fn positions(
    pool: &SqlitePool,
    query: &HistoryQuery,
) -> Result<Page<Position>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", position_columns!(), "positions", "node"),
        None => newest_first!("packet", position_columns!(), "positions",),
    };
    page(pool, sql, query, |time, columns| columns.position(time)).await
}

pub(super) async fn telemetry(
    pool: &SqlitePool,
    query: &HistoryQuery,
) -> Result<Page<TelemetryRow>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", "readings", "telemetry", "node"),
        None => newest_first!("packet", "readings", "telemetry",),
    };
    page(pool, sql, query, |time, columns| {
        Ok(TelemetryRow { time, values: state::readings_from_json(columns.take()?)? })
    })
    .await
}

pub(super) async fn messages(
    pool: &SqlitePool,
    query: &HistoryQuery,
) -> Result<Page<Message>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", message_columns!(), "messages", "sender"),
        None => newest_first!("packet", message_columns!(), "messages",),
    };
    page(pool, sql, query, |time, columns| {
        Ok(Message {
            network: columns.network()?,
            packet_id: columns.take::<i64>()?.cast_unsigned(),
            from: columns.node_id()?,
            channel: columns.optional_text()?,
            text: columns.text()?,
            time,
            waypoint: waypoint(columns)?,
        })
    })
    .await
}

pub(super) async fn links(
    pool: &SqlitePool,
    query: &HistoryQuery,
) -> Result<Page<LinkRow>, StoreError> {
    // Each end by its own index; a link of a node to itself is the same row twice, which UNION
    // takes out.
    let sql = match query.node {
        Some(_) => concat!(
            "SELECT * FROM (",
            newest_first!("id", link_columns!(), "links", "from_node"),
            ") UNION SELECT * FROM (",
            newest_first!("id", link_columns!(), "links", "to_node"),
            ") ORDER BY time DESC, id DESC LIMIT ?6"
        ),
        None => newest_first!("id", link_columns!(), "links",),
    };
    page(pool, sql, query, |time, columns| {
        let link = LinkObservation {
            from: columns.node_id()?,
            to: columns.node_id()?,
            snr_db: columns.single()?,
            source: link_source(columns.take()?)?,
        };
        Ok(LinkRow { time, link })
    })
    .await
}

fn waypoint(columns: &mut Columns<'_>) -> Result<Option<Waypoint>, StoreError> {
    let Some(id) = columns.optional_integer()? else { return Ok(None) };
    Ok(Some(Waypoint {
        id,
        place: columns.place()?,
        description: columns.text()?,
        icon: columns.optional_integer()?,
        expires: columns.optional_timestamp()?,
    }))
}

fn link_source(name: &str) -> Result<LinkSource, StoreError> {
    [LinkSource::NeighbourInfo, LinkSource::Traceroute]
        .into_iter()
        .find(|source| source.name() == name)
        .ok_or_else(|| corrupt("link source", name))
}

/// Runs one of the statements above. `read` makes a record of its time and what follows it.
async fn page<T>(
    pool: &SqlitePool,
    sql: &'static str,
    query: &HistoryQuery,
    read: fn(Timestamp, &mut Columns<'_>) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let span = Span::of(query)?;
    let rows = sqlx::query(sql)
        .bind(query.node.as_ref().map(ToString::to_string))
        .bind(span.first)
        .bind(span.last)
        .bind(span.after.time)
        .bind(span.after.row)
        .bind(span.rows())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    let wanted = &rows[..rows.len().min(span.limit)];
    let records = wanted.iter().map(|row| {
        let mut columns = Columns::of(row);
        columns.skip(1);
        let time = columns.timestamp()?;
        read(time, &mut columns)
    });
    let records = records.collect::<Result<_, _>>()?;
    let next = match wanted.last() {
        Some(last) if rows.len() > wanted.len() => Some(cursor(last)?.to_string()),
        _ => None,
    };
    Ok(Page { records, next })
}

fn cursor(row: &SqliteRow) -> Result<Cursor, StoreError> {
    let mut columns = Columns::of(row);
    let row = columns.take()?;
    Ok(Cursor { time: columns.take()?, row })
}
