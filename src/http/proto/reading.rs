//! Columns and rows read as a client reads them, by nothing but the published description.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is relative to a node that is not held may be any number"
)]
#![expect(clippy::cast_precision_loss, reason = "units are few enough for floats")]

use std::collections::BTreeMap;

use super::messages::{
    Column, Decimals, Node, NodeColumns, NodeStatus, Position, PositionUpdate, Telemetry,
    TelemetryColumns, Texts,
};

/// The `count` differences of a column; none if it is damaged.
pub(in crate::http) fn differences(column: Option<&Column>, count: usize) -> Option<Vec<i64>> {
    let Some(column) = column.filter(|column| !column.bits.is_empty()) else {
        return Some(vec![0; count]);
    };
    let mut bits = column.bits.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut number = |first: u128, width: u32| {
        (0..width).try_fold(first, |number, _| {
            number.checked_mul(2)?.checked_add(u128::from(bits.next()?))
        })
    };
    let mut difference = || {
        let mut zeros = 0;
        while number(0, 1)? == 0 {
            zeros += 1;
        }
        let quotient = number(1, zeros)?;
        let natural = u64::try_from(number(quotient - 1, column.shift)?).ok()?;
        Some((natural >> 1).cast_signed() ^ -(natural & 1).cast_signed())
    };
    (0..count).map(|_| difference()).collect()
}

/// The `count` values of a column of differences from the row before.
pub(in crate::http) fn steps(column: Option<&Column>, count: usize) -> Option<Vec<i64>> {
    let mut value = 0_i64;
    let mut step = |step| {
        value = value.wrapping_add(step);
        value
    };
    Some(differences(column, count)?.into_iter().map(&mut step).collect())
}

/// The positions of an update, by node, for a client that holds what `held` answers.
pub(in crate::http) fn positions(
    update: &PositionUpdate,
    held: impl Fn(u32) -> Option<Position>,
) -> Option<BTreeMap<u32, Position>> {
    let all: Vec<usize> = (0..usize::try_from(update.count).ok()?).collect();
    let numbers = steps(update.numbers.as_ref(), all.len())?;
    let numbers: Vec<u32> =
        numbers.into_iter().map(u32::try_from).collect::<Result<_, _>>().ok()?;
    let held: Vec<Position> =
        numbers.iter().map(|number| held(*number).unwrap_or_default()).collect();
    // The values of some rows, each from its value that is held or from the row before.
    let values = |column: Option<&Column>, rows: &[usize], base: &dyn Fn(&Position) -> i64| {
        if !update.relative {
            return steps(column, rows.len());
        }
        let values = differences(column, rows.len())?.into_iter().zip(rows);
        Some(values.map(|(value, row)| value.wrapping_add(base(&held[*row]))).collect())
    };
    let decimals =
        |decimals: Option<&Decimals>, rows: &[usize], base: &dyn Fn(&Position) -> f64| {
            fractions(decimals, rows.len(), |column, power| {
                values(column, rows, &|position| (base(position) * power).round() as i64)
            })
        };

    let fields = values(update.fields.as_ref(), &all, &fields)?;
    let with =
        |bit: i64| all.iter().copied().filter(|row| fields[*row] & bit != 0).collect::<Vec<_>>();
    let mut read = vec![Position::default(); all.len()];
    let times = steps(update.times.as_ref(), all.len())?;
    let latitudes = values(update.latitudes.as_ref(), &all, &|held| held.latitude.into())?;
    let longitudes = values(update.longitudes.as_ref(), &all, &|held| held.longitude.into())?;
    for row in 0..all.len() {
        read[row].time = times[row].wrapping_mul(update.time_unit_ms.into());
        read[row].latitude = latitudes[row] as i32;
        read[row].longitude = longitudes[row] as i32;
    }
    let rows = with(1);
    let base = |held: &Position| held.altitude.unwrap_or_default().into();
    for (row, value) in rows.iter().zip(values(update.altitudes.as_ref(), &rows, &base)?) {
        read[*row].altitude = Some(value as _);
    }
    let rows = with(2);
    let base = |held: &Position| held.ground_speed.unwrap_or_default();
    for (row, value) in rows.iter().zip(decimals(update.ground_speeds.as_ref(), &rows, &base)?) {
        read[*row].ground_speed = Some(value);
    }
    let rows = with(4);
    let base = |held: &Position| held.ground_track.unwrap_or_default();
    for (row, value) in rows.iter().zip(decimals(update.ground_tracks.as_ref(), &rows, &base)?) {
        read[*row].ground_track = Some(value);
    }
    let rows = with(8);
    let base = |held: &Position| held.sats_in_view.unwrap_or_default().into();
    for (row, value) in rows.iter().zip(values(update.sats_in_view.as_ref(), &rows, &base)?) {
        read[*row].sats_in_view = Some(value as _);
    }
    let rows = with(16);
    let base = |held: &Position| held.precision_bits.unwrap_or_default().into();
    for (row, value) in rows.iter().zip(values(update.precision_bits.as_ref(), &rows, &base)?) {
        read[*row].precision_bits = Some(value as _);
    }
    Some(numbers.into_iter().zip(read).collect())
}

/// So many fractions, of which `units` reads the column, given the power of ten that they are divided
/// by.
fn fractions(
    decimals: Option<&Decimals>,
    count: usize,
    units: impl FnOnce(Option<&Column>, f64) -> Option<Vec<i64>>,
) -> Option<Vec<f64>> {
    let decimals = decimals.cloned().unwrap_or_default();
    if !decimals.exact.is_empty() {
        return (decimals.exact.len() == count).then_some(decimals.exact);
    }
    let power = 10_f64.powi(decimals.decimals.try_into().ok()?);
    let units = units(decimals.values.as_ref(), power)?;
    Some(units.into_iter().map(|units| units as f64 / power).collect())
}

/// Which optional fields a position has, as a sum.
fn fields(position: &Position) -> i64 {
    i64::from(position.altitude.is_some())
        + 2 * i64::from(position.ground_speed.is_some())
        + 4 * i64::from(position.ground_track.is_some())
        + 8 * i64::from(position.sats_in_view.is_some())
        + 16 * i64::from(position.precision_bits.is_some())
}

/// Online and last heard of nodes by their numbers.
pub(in crate::http) fn statuses(status: &NodeStatus) -> Option<BTreeMap<u32, (bool, i64)>> {
    let count = usize::try_from(status.count).ok()?;
    let numbers = steps(status.numbers.as_ref(), count)?;
    let online = steps(status.online.as_ref(), count)?;
    let heard = steps(status.last_heard.as_ref(), count)?;
    let rows = numbers.into_iter().zip(online.into_iter().zip(heard));
    rows.map(|(number, (online, heard))| {
        let heard = heard.checked_mul(status.time_unit_ms.into())?;
        Some((number.try_into().ok()?, (online == 1, heard)))
    })
    .collect()
}

/// Whole records of nodes, in the order of their rows.
pub(in crate::http) fn nodes(columns: &NodeColumns) -> Option<Vec<Node>> {
    let count = usize::try_from(columns.count).ok()?;
    let numbers = steps(columns.numbers.as_ref(), count)?;
    if !numbers.is_sorted_by(|one, next| one < next) {
        return None;
    }
    let mut nodes = Vec::new();
    for number in numbers {
        nodes.push(Node { number: number.try_into().ok()?, ..Node::default() });
    }
    let fields = steps(columns.fields.as_ref(), count)?;
    // Nothing else has digits to make names of.
    if fields.iter().any(|fields| fields & 1 == 0 && fields & (8 | 16) != 0) {
        return None;
    }
    let with = |bit: i64| (0..count).filter(|row| fields[*row] & bit != 0).collect::<Vec<_>>();
    let named: Vec<_> = (0..count).filter(|row| fields[*row] & 1 == 0).collect();
    let (numbers, rest) = columns.radio_ids.as_chunks();
    let by_number = with(1);
    if numbers.len() != by_number.len() || !rest.is_empty() {
        return None;
    }
    let mut digits = vec![String::new(); count];
    for (row, number) in by_number.into_iter().zip(numbers) {
        let number = u32::from_be_bytes(*number);
        nodes[row].id = Some(format!("!{number:08x}"));
        digits[row] = format!("{:04x}", number & 0xffff);
    }
    for (row, id) in named.iter().zip(texts(columns.ids.as_ref(), named.len())?) {
        nodes[*row].id = Some(id?);
    }
    let mut fill = |column: Option<&Texts>, field: fn(&mut Node) -> &mut Option<String>| {
        for (node, text) in nodes.iter_mut().zip(texts(column, count)?) {
            *field(node) = text;
        }
        Some(())
    };
    fill(columns.networks.as_ref(), |node| &mut node.network)?;
    fill(columns.short_names.as_ref(), |node| &mut node.short_name)?;
    fill(columns.long_names.as_ref(), |node| &mut node.long_name)?;
    fill(columns.hw_models.as_ref(), |node| &mut node.hw_model)?;
    fill(columns.roles.as_ref(), |node| &mut node.role)?;
    fill(columns.firmwares.as_ref(), |node| &mut node.firmware)?;
    fill(columns.channels.as_ref(), |node| &mut node.channel)?;

    for row in with(8) {
        nodes[row].short_name = Some(digits[row].clone());
    }
    for row in with(16) {
        nodes[row].long_name = Some(format!("Meshtastic {}", digits[row]));
    }
    // What is left out is put back: these are messages like others then, of nodes by their rows.
    let of_rows = |rows: usize| Column::of_steps((0..).take(rows));
    let status = columns.status.clone().unwrap_or_default();
    let status = NodeStatus { count: columns.count, numbers: of_rows(count), ..status };
    for (node, (online, heard)) in nodes.iter_mut().zip(statuses(&status)?.into_values()) {
        (node.online, node.last_heard) = (Some(online), Some(heard));
    }
    let rows = with(2);
    let update = columns.positions.clone().unwrap_or_default();
    let update = PositionUpdate {
        count: rows.len().try_into().ok()?,
        numbers: of_rows(rows.len()),
        ..update
    };
    for (row, position) in rows.into_iter().zip(positions(&update, |_| None)?.into_values()) {
        nodes[row].position = Some(position);
    }
    let rows = with(4);
    let read = telemetry(columns.telemetry.as_ref(), rows.len())?;
    for (row, telemetry) in rows.into_iter().zip(read) {
        nodes[row].telemetry = Some(telemetry);
    }
    Some(nodes)
}

/// The text of each of so many rows.
fn texts(texts: Option<&Texts>, rows: usize) -> Option<Vec<Option<String>>> {
    let Some(texts) = texts else { return Some(vec![None; rows]) };
    let count = usize::try_from(texts.count).ok().filter(|count| *count <= rows)?;
    let mut rest = &*texts.texts;
    let mut all = Vec::new();
    for length in steps(texts.lengths.as_ref(), count)? {
        let (text, after) = rest.split_at_checked(length.try_into().ok()?)?;
        all.push(str::from_utf8(text).ok()?);
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    if count == rows {
        return Some(all.into_iter().map(|text| Some(text.to_owned())).collect());
    }
    let choices = steps(texts.choices.as_ref(), rows)?.into_iter().map(|choice| {
        let choice = usize::try_from(choice).ok().filter(|choice| *choice <= count)?;
        Some(all.get(choice).map(|text| (*text).to_owned()))
    });
    choices.collect()
}

/// The readings of so many rows.
fn telemetry(columns: Option<&TelemetryColumns>, rows: usize) -> Option<Vec<Telemetry>> {
    let Some(columns) = columns else { return (rows == 0).then(Vec::new) };
    let times = steps(columns.times.as_ref(), rows)?.into_iter();
    let times = times.map(|time| time.checked_mul(columns.time_unit_ms.into()));
    let times: Option<Vec<_>> = times.collect();
    let mut read: Vec<_> =
        times?.into_iter().map(|time| Telemetry { time, ..Telemetry::default() }).collect();
    for column in &columns.metrics {
        let lacking = steps(column.lacking.as_ref(), rows)?;
        let having: Vec<_> = (0..rows).filter(|row| lacking[*row] == 0).collect();
        let count = having.len();
        let values = fractions(column.values.as_ref(), count, |units, _| steps(units, count))?;
        for (row, value) in having.into_iter().zip(values) {
            read[row].metrics.push(column.metric);
            read[row].values.push(value);
        }
    }
    Some(read)
}
