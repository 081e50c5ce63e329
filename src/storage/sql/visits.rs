//! The question who was where.
//!
//! The index on time holds the places too, so that those elsewhere cost an entry of the index and
//! no look at the row. A page ends after so many entries, full or not: a small place in a long time
//! is found page by page, each at a bounded cost.

use super::{
    columns::{Cells, Columns},
    cursor::{Cursor, Span},
};
use crate::storage::{HistoryQuery, Page, PlaceQuery, StoreError, Visit};

/// Entries that one page looks at.
pub(in crate::storage) const MOST_ENTRIES: i64 = 500_000;

/// The time of the entry with which a page ends, if the span holds more than a page looks at.
/// Parameters: first and last time, entries.
pub(in crate::storage) const END: &str = "SELECT time FROM positions \
    WHERE time BETWEEN $1 AND $2 ORDER BY time DESC LIMIT 1 OFFSET $3";

/// Parameters: first and last time, time and row of the record before, first and last latitude,
/// first and last longitude, rows; and first and last longitude beyond the antimeridian.
macro_rules! visits {
    ($in_longitude:literal) => {
        concat!(
            "SELECT packet, time, heard, own_clock, latitude_e7, longitude_e7, altitude_m, \
                ground_speed_kmh, ground_track_deg, sats_in_view, precision_bits, node \
             FROM positions \
             WHERE time BETWEEN $1 AND $2 AND (time < $3 OR packet < $4) \
                AND latitude_e7 BETWEEN $5 AND $6 AND ",
            $in_longitude,
            " ORDER BY time DESC, packet DESC LIMIT $9"
        )
    };
}

/// In a rectangle on one side of the antimeridian.
pub(in crate::storage) const VISITS: &str = visits!("longitude_e7 BETWEEN $7 AND $8");

/// In a rectangle that crosses it.
pub(in crate::storage) const VISITS_ACROSS: &str =
    visits!("(longitude_e7 BETWEEN $7 AND $8 OR longitude_e7 BETWEEN $10 AND $11)");

/// The part of the history that is asked for.
pub(in crate::storage) fn span(query: &PlaceQuery) -> Result<Span, StoreError> {
    let PlaceQuery { from, to, limit, cursor, .. } = query.clone();
    Span::of(&HistoryQuery { node: None, from, to, limit, cursor })
}

/// The page that these rows make, where `end` is the time with which it ends early.
pub(in crate::storage) fn answer<R: Cells>(
    span: &Span,
    end: Option<i64>,
    rows: &[R],
) -> Result<Page<Visit>, StoreError> {
    let mut records = Vec::with_capacity(rows.len().min(span.limit));
    let mut last = None;
    for row in rows.iter().take(span.limit) {
        let mut columns = Columns::of(row);
        let row = columns.integer()?;
        let time = columns.timestamp()?;
        last = Some(Cursor { time: time.as_millis(), row });
        let position = columns.position(time)?;
        records.push(Visit { position, node: columns.node_id()?, packet: row });
    }
    let next = if rows.len() > span.limit {
        last
    } else {
        // Everything of that time was looked at.
        end.map(|time| Cursor { time: time.saturating_sub(1), row: i64::MAX })
    };
    Ok(Page { records, next: next.map(|cursor| cursor.to_string()) })
}
