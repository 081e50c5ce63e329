//! Positions and status of many nodes, in columns.

use super::{
    decimal::{Decimal, as_written},
    messages::{Column, Decimals, NodeStatus, PositionUpdate},
};
use crate::domain::{Position, Status, Timestamp};

/// One node: its number, where it was at the tick before, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    number: u32,
    before: Option<Known>,
    now: Known,
}

impl Move {
    pub(super) fn new(number: u32, before: Option<&Position>, now: &Position) -> Self {
        Self { number, before: before.map(Known::from), now: now.into() }
    }
}

/// A position as columns have it. Its fractions are found once, for all whom it is written for.
#[derive(Clone, Copy, Debug)]
struct Known {
    position: Position,
    ground_speed: Option<Fraction>,
    ground_track: Option<Fraction>,
}

#[derive(Clone, Copy, Debug)]
struct Fraction {
    value: f32,
    /// None if it is no short one.
    decimal: Option<Decimal>,
}

impl From<&Position> for Known {
    fn from(position: &Position) -> Self {
        let fraction = |value| Fraction { value, decimal: Decimal::of(value) };
        Self {
            position: *position,
            ground_speed: position.ground_speed_kmh.map(fraction),
            ground_track: position.ground_track_deg.map(fraction),
        }
    }
}

/// Positions in columns: `relative` to those before, for clients that hold just those.
pub(super) fn positions(
    revision: u64,
    more: bool,
    relative: bool,
    mut rows: Vec<Move>,
) -> PositionUpdate {
    rows.sort_unstable_by_key(|row| row.number);
    PositionUpdate {
        revision,
        more,
        count: count(rows.len()),
        numbers: Column::of_steps(rows.iter().map(|row| row.number.into())),
        ..position_columns(relative, rows)
    }
}

/// The same without saying which nodes these are.
pub(super) fn position_columns(relative: bool, rows: Vec<Move>) -> PositionUpdate {
    let times = || rows.iter().map(|row| row.now.position.stamp.time);
    let time_unit_ms = time_unit_ms(times());
    let times = Column::of_steps(times().map(|time| in_units(time, time_unit_ms)));
    let moves = Moves { relative, rows };
    PositionUpdate {
        relative,
        latitudes: moves.column(|known| Some(known.position.place.latitude_e7().into())),
        longitudes: moves.column(|known| Some(known.position.place.longitude_e7().into())),
        times,
        time_unit_ms,
        fields: moves.column(|known| Some(fields(&known.position))),
        altitudes: moves.column(|known| known.position.altitude_m.map(i64::from)),
        ground_speeds: moves.decimals(|known| known.ground_speed),
        ground_tracks: moves.decimals(|known| known.ground_track),
        sats_in_view: moves.column(|known| known.position.sats_in_view.map(i64::from)),
        precision_bits: moves.column(|known| known.position.precision_bits.map(i64::from)),
        ..PositionUpdate::default()
    }
}

/// Status in columns, of nodes by their numbers.
pub(super) fn statuses(revision: u64, more: bool, mut rows: Vec<(u32, Status)>) -> NodeStatus {
    rows.sort_unstable_by_key(|(number, _)| *number);
    NodeStatus {
        revision,
        more,
        count: count(rows.len()),
        numbers: Column::of_steps(rows.iter().map(|(number, _)| i64::from(*number))),
        ..status_columns(rows.iter().map(|(_, status)| *status))
    }
}

/// The same without saying which nodes these are.
pub(super) fn status_columns(rows: impl Iterator<Item = Status> + Clone) -> NodeStatus {
    let heard = rows.clone().map(|status| status.last_heard);
    let time_unit_ms = time_unit_ms(heard.clone());
    NodeStatus {
        online: Column::of_steps(rows.map(|status| i64::from(status.online))),
        last_heard: Column::of_steps(heard.map(|time| in_units(time, time_unit_ms))),
        time_unit_ms,
        ..NodeStatus::default()
    }
}

struct Moves {
    /// Whether clients hold the positions before.
    relative: bool,
    rows: Vec<Move>,
}

impl Moves {
    /// The column of one field.
    fn column(&self, field: impl Fn(&Known) -> Option<i64>) -> Option<Column> {
        let known = self.rows.iter().filter_map(|row| Some((field(&row.now)?, &row.before)));
        if self.relative {
            let held = |before: &Option<Known>| before.as_ref().and_then(&field).unwrap_or(0);
            Column::of(known.map(|(now, before)| now.wrapping_sub(held(before))))
        } else {
            Column::of_steps(known.map(|(now, _)| now))
        }
    }

    /// The column of a field of floats.
    fn decimals(&self, field: impl Fn(&Known) -> Option<Fraction>) -> Option<Decimals> {
        let known = self.rows.iter().filter_map(|row| Some((field(&row.now)?, &row.before)));
        let now = known.clone().map(|(now, _)| now);
        let held = |before: &Option<Known>| before.as_ref().and_then(&field);
        let before = known.filter(|_| self.relative).filter_map(|(_, before)| held(before));
        // As many as the one with the most has.
        let mut decimals =
            now.clone().chain(before).map(|fraction| fraction.decimal.map(Decimal::decimals));
        let decimals = decimals.try_fold(0, |most, decimals| Some(most.max(decimals?)));
        let decimals = if let Some(decimals) = decimals {
            Decimals {
                decimals: count(decimals),
                values: self.column(|known| field(known)?.decimal?.units(decimals)),
                exact: Vec::new(),
            }
        } else {
            let exact = now.map(|fraction| as_written(fraction.value)).collect();
            Decimals { exact, ..Decimals::default() }
        };
        (decimals != Decimals::default()).then_some(decimals)
    }
}

/// Which optional fields a position has, as a sum.
fn fields(position: &Position) -> i64 {
    let known = [
        position.altitude_m.is_some(),
        position.ground_speed_kmh.is_some(),
        position.ground_track_deg.is_some(),
        position.sats_in_view.is_some(),
        position.precision_bits.is_some(),
    ];
    known.into_iter().rev().fold(0, |sum, known| sum * 2 + i64::from(known))
}

/// A second where all times are whole seconds, as those of radios are; else a millisecond.
pub(super) fn time_unit_ms(mut times: impl Iterator<Item = Timestamp>) -> u32 {
    if times.all(|time| time.as_millis() % 1000 == 0) { 1000 } else { 1 }
}

pub(super) fn in_units(time: Timestamp, unit_ms: u32) -> i64 {
    time.as_millis() / i64::from(unit_ms)
}

pub(super) fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{option::of, prelude::*};

    use super::*;
    use crate::http::proto::{messages, reading, strategies::position};

    fn bits(held: &BTreeMap<u32, messages::Position>) -> String {
        format!("{held:?}")
    }

    proptest! {
        #[test]
        fn a_client_reads_the_positions_that_were_written(
            nodes in prop::collection::btree_map(any::<u32>(), (of(position()), position()), 0..40),
            relative: bool,
        ) {
            let rows = nodes
                .iter()
                .rev()
                .map(|(number, (before, now))| Move::new(*number, before.as_ref(), now));
            let update = positions(1, false, relative, rows.collect());
            let held = nodes.iter().filter_map(|(number, (before, _))| {
                Some((*number, messages::Position::from(before.as_ref()?)))
            });
            // Without `relative`, what a client holds does not matter.
            let held = if relative { held.collect() } else { BTreeMap::new() };
            let expected = nodes.iter().map(|(number, (_, now))| (*number, now.into())).collect();
            let read = reading::positions(&update, |number| held.get(&number).copied());
            prop_assert_eq!(read.as_ref().map(bits), Some(bits(&expected)));
        }

        #[test]
        fn a_client_reads_the_status_that_was_written(
            nodes in prop::collection::btree_map(any::<u32>(), (any::<bool>(), any::<i64>()), 0..40)
        ) {
            let row = |(number, (online, heard)): (&u32, &(bool, i64))| {
                let last_heard = Timestamp::from_millis(*heard);
                (*number, Status { online: *online, last_heard })
            };
            let status = statuses(1, false, nodes.iter().map(row).collect());
            prop_assert_eq!(reading::statuses(&status), Some(nodes));
        }
    }
}
