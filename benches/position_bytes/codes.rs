//! Other encodings of the same updates, as far as it takes to know their sizes.

#![expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "as an encoder would")]

use geocast::domain::{Batch, Position};
use prost::Message;

/// Bytes of a frame besides its columns: kind, revision, number of rows and the like.
const FRAME_BYTES: usize = 20;
/// Bytes of a column besides its numbers.
const COLUMN_BYTES: usize = 4;

/// A node's number, where it was and where it is.
pub(crate) struct Row {
    number: u32,
    before: Position,
    now: Position,
}

/// The updates of a tick, by number.
pub(crate) fn rows(batch: &Batch) -> Vec<Row> {
    let changes = batch.changes.iter();
    let row = |change: &geocast::domain::Change| {
        let (before, now) = (change.before.as_ref()?, change.after.as_ref()?);
        Some(Row { number: now.number, before: before.position?, now: now.position? })
    };
    let mut rows: Vec<_> = changes.filter_map(row).collect();
    rows.sort_unstable_by_key(|row| row.number);
    rows
}

#[derive(Clone, PartialEq, Message)]
struct Update {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(sint32, tag = "2")]
    latitude: i32,
    #[prost(sint32, tag = "3")]
    longitude: i32,
    #[prost(sint32, optional, tag = "4")]
    altitude: Option<i32>,
    #[prost(int64, tag = "5")]
    time: i64,
    #[prost(float, optional, tag = "6")]
    ground_speed: Option<f32>,
    #[prost(float, optional, tag = "7")]
    ground_track: Option<f32>,
    #[prost(uint32, optional, tag = "8")]
    sats_in_view: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    precision_bits: Option<u32>,
}

/// A message for each update, in a list.
pub(crate) fn messages(rows: &[Row]) -> usize {
    let update = |row: &Row| Update {
        number: row.number,
        latitude: row.now.place.latitude_e7(),
        longitude: row.now.place.longitude_e7(),
        altitude: row.now.altitude_m,
        time: row.now.stamp.time.as_millis(),
        ground_speed: row.now.ground_speed_kmh,
        ground_track: row.now.ground_track_deg,
        sats_in_view: row.now.sats_in_view,
        precision_bits: row.now.precision_bits.map(u32::from),
    };
    let sizes = rows.iter().map(|row| update(row).encode_length_delimited_to_vec().len() + 1);
    FRAME_BYTES + sizes.sum::<usize>()
}

/// Columns of the same differences as in `geocast.v1.proto`, as packed variable-length integers.
pub(crate) fn varints(rows: &[Row]) -> usize {
    let bytes = |column: &Vec<u64>| -> usize {
        column.iter().map(|natural| prost::encoding::encoded_len_varint(*natural)).sum()
    };
    FRAME_BYTES + columns(rows).iter().map(|column| COLUMN_BYTES + bytes(column)).sum::<usize>()
}

/// Columns of the same differences as Rice codes, each with the best shift and 24 ones as escape.
pub(crate) fn rice(rows: &[Row]) -> usize {
    let code = |natural: u64, shift: u32| match natural >> shift {
        ones @ 0..24 => ones + 1 + u64::from(shift),
        _ => 24 + 64,
    };
    let bits = |column: &Vec<u64>| -> u64 {
        let of = |shift| column.iter().map(|natural| code(*natural, shift)).sum();
        (0..64).map(of).min().unwrap_or(0)
    };
    let bytes = |column| usize::try_from(bits(column).div_ceil(8)).unwrap_or(usize::MAX);
    FRAME_BYTES + columns(rows).iter().map(|column| COLUMN_BYTES + bytes(column)).sum::<usize>()
}

/// The columns that are not empty, as natural numbers.
fn columns(rows: &[Row]) -> Vec<Vec<u64>> {
    let now = |field: fn(&Position) -> i64| steps(rows.iter().map(move |row| field(&row.now)));
    let seconds = rows.iter().all(|row| row.now.stamp.time.as_millis() % 1000 == 0);
    let changes = |field: &dyn Fn(&Position) -> Option<i64>| -> Vec<u64> {
        let known =
            rows.iter().filter_map(|row| Some(field(&row.now)? - field(&row.before).unwrap_or(0)));
        known.map(natural).collect()
    };
    let decimals = |field: fn(&Position) -> Option<f32>| {
        let floats = || rows.iter().flat_map(|row| [field(&row.now), field(&row.before)]).flatten();
        let power = (0..7).map(|decimals| 10_f64.powi(decimals)).find(|power| {
            floats().all(|float| ((f64::from(float) * power).round() / power) as f32 == float)
        });
        let power = power.unwrap_or(1e6);
        changes(&|position| field(position).map(|float| (f64::from(float) * power).round() as i64))
    };
    let columns = vec![
        steps(rows.iter().map(|row| i64::from(row.number))),
        if seconds {
            now(|position| position.stamp.time.as_millis() / 1000)
        } else {
            now(|position| position.stamp.time.as_millis())
        },
        changes(&|position| Some(position.place.latitude_e7().into())),
        changes(&|position| Some(position.place.longitude_e7().into())),
        changes(&|position| position.altitude_m.map(i64::from)),
        decimals(|position| position.ground_speed_kmh),
        decimals(|position| position.ground_track_deg),
        changes(&|position| position.sats_in_view.map(i64::from)),
        changes(&|position| position.precision_bits.map(i64::from)),
    ];
    let telling = |column: &Vec<u64>| column.iter().any(|natural| *natural != 0);
    columns.into_iter().filter(telling).collect()
}

fn steps(values: impl Iterator<Item = i64>) -> Vec<u64> {
    let mut before = 0;
    let step = |value| natural(value - std::mem::replace(&mut before, value));
    values.map(step).collect()
}

/// Small numbers of either sign as small natural ones.
fn natural(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}
