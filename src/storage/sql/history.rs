//! Questions about the histories, newest first, a page at a time.

use super::{
    columns::{Cells, Columns, corrupt},
    cursor::{Cursor, Span},
    state,
};
use crate::{
    domain::{LinkObservation, LinkSource, Message, Position, Timestamp, Waypoint},
    storage::{HistoryQuery, LinkRow, Page, StoreError, TelemetryRow},
};

/// Row, time and further columns of a span of a table, by the index on (`$node`, time) or on
/// time. Parameters: node, first time, last time, time and row of the record before, rows.
macro_rules! newest_first {
    ($row:literal, $columns:expr, $table:literal, $($node:literal)?) => {
        concat!(
            "SELECT ", $row, ", time, ", $columns, " FROM ", $table,
            " WHERE ", $($node, " = $1 AND ",)?
            "time BETWEEN $2 AND $3 AND (time < $4 OR ", $row, " < $5)",
            " ORDER BY time DESC, ", $row, " DESC LIMIT $6"
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

/// A statement with the values of its parameters, and how to read a record of its rows.
pub(in crate::storage) struct Question<R, T> {
    pub(in crate::storage) sql: &'static str,
    pub(in crate::storage) node: Option<String>,
    pub(in crate::storage) span: Span,
    /// Makes a record of its time and what follows it.
    read: fn(Timestamp, &mut Columns<'_, R>) -> Result<T, StoreError>,
}

impl<R: Cells, T> Question<R, T> {
    fn new(
        sql: &'static str,
        query: &HistoryQuery,
        read: fn(Timestamp, &mut Columns<'_, R>) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let node = query.node.as_ref().map(ToString::to_string);
        Ok(Self { sql, node, span: Span::of(query)?, read })
    }

    /// The page that these rows make.
    pub(in crate::storage) fn answer(&self, rows: &[R]) -> Result<Page<T>, StoreError> {
        let wanted = &rows[..rows.len().min(self.span.limit)];
        let records = wanted.iter().map(|row| {
            let mut columns = Columns::of(row);
            columns.skip(1);
            let time = columns.timestamp()?;
            (self.read)(time, &mut columns)
        });
        let records = records.collect::<Result<_, _>>()?;
        let next = match wanted.last() {
            Some(last) if rows.len() > wanted.len() => Some(cursor(last)?.to_string()),
            _ => None,
        };
        Ok(Page { records, next })
    }
}

fn cursor<R: Cells>(row: &R) -> Result<Cursor, StoreError> {
    let mut columns = Columns::of(row);
    let row = columns.integer()?;
    Ok(Cursor { time: columns.integer()?, row })
}

pub(in crate::storage) fn positions<R: Cells>(
    query: &HistoryQuery,
) -> Result<Question<R, Position>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", position_columns!(), "positions", "node"),
        None => newest_first!("packet", position_columns!(), "positions",),
    };
    Question::new(sql, query, |time, columns| columns.position(time))
}

pub(in crate::storage) fn telemetry<R: Cells>(
    query: &HistoryQuery,
) -> Result<Question<R, TelemetryRow>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", "readings", "telemetry", "node"),
        None => newest_first!("packet", "readings", "telemetry",),
    };
    Question::new(sql, query, |time, columns| {
        Ok(TelemetryRow { time, values: state::readings_from_json(columns.str()?)? })
    })
}

pub(in crate::storage) fn messages<R: Cells>(
    query: &HistoryQuery,
) -> Result<Question<R, Message>, StoreError> {
    let sql = match query.node {
        Some(_) => newest_first!("packet", message_columns!(), "messages", "sender"),
        None => newest_first!("packet", message_columns!(), "messages",),
    };
    Question::new(sql, query, |time, columns| {
        Ok(Message {
            network: columns.network()?,
            packet_id: columns.integer::<i64>()?.cast_unsigned(),
            from: columns.node_id()?,
            channel: columns.optional_text()?,
            text: columns.text()?,
            time,
            waypoint: waypoint(columns)?,
        })
    })
}

/// The newest messages, as many as `limit`.
pub(in crate::storage) fn newest_messages<R: Cells>(
    limit: u32,
) -> Result<Question<R, Message>, StoreError> {
    messages(&HistoryQuery { node: None, from: None, to: None, limit, cursor: None })
}

pub(in crate::storage) fn links<R: Cells>(
    query: &HistoryQuery,
) -> Result<Question<R, LinkRow>, StoreError> {
    // Each end by its own index; a link of a node to itself is the same row twice, which UNION
    // takes out.
    let sql = match query.node {
        Some(_) => concat!(
            "SELECT * FROM (",
            newest_first!("id", link_columns!(), "links", "from_node"),
            ") AS heard UNION SELECT * FROM (",
            newest_first!("id", link_columns!(), "links", "to_node"),
            ") AS hearing ORDER BY time DESC, id DESC LIMIT $6"
        ),
        None => newest_first!("id", link_columns!(), "links",),
    };
    Question::new(sql, query, |time, columns| {
        let link = LinkObservation {
            from: columns.node_id()?,
            to: columns.node_id()?,
            snr_db: columns.single()?,
            source: link_source(columns.str()?)?,
        };
        Ok(LinkRow { time, link })
    })
}

fn waypoint<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Option<Waypoint>, StoreError> {
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
