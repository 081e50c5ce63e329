//! Whole records of many nodes, in columns.

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::{
    decimal::decimals,
    messages::{
        Column, MetricColumn, Node, NodeColumns, PositionUpdate, Snapshot, TelemetryColumns, Texts,
    },
    rows::{self, Move, count, in_units, time_unit_ms},
};
use crate::domain::{self, Info, MessageTypes, Metric, NodeId, Telemetry, Timestamp};

/// Which parts a node has, as they are added up in `fields`.
const RADIO_ID: i64 = 1;
const POSITION: i64 = 2;
const TELEMETRY: i64 = 4;
const SHORT_OF_ID: i64 = 8;
const LONG_OF_ID: i64 = 16;

/// What the long name of a radio that nobody has named begins with.
const UNNAMED: &str = "Meshtastic ";

/// Fewer nodes than these take less room in records of their own.
const FEWEST_ROWS: usize = if cfg!(test) { 2 } else { 4 };

/// A snapshot of these nodes: in columns, but for those with links, and where they are few.
pub(super) fn nodes<'a>(nodes: impl Iterator<Item = &'a domain::Node>) -> Snapshot {
    let (mut alone, mut rows): (Vec<_>, Vec<_>) = nodes.partition(|node| node.links.is_some());
    if rows.len() < FEWEST_ROWS {
        alone.append(&mut rows);
    }
    rows.sort_unstable_by_key(|node| node.number);
    Snapshot {
        nodes: alone.iter().map(|node| Node::whole(node, MessageTypes::ALL)).collect(),
        columns: (!rows.is_empty()).then(|| columns(&rows)).into_iter().collect(),
        ..Snapshot::default()
    }
}

/// The columns of nodes in ascending order of their numbers.
fn columns(nodes: &[&domain::Node]) -> NodeColumns {
    let fields: Vec<_> = nodes.iter().map(|node| fields(node)).collect();
    let info = |text: fn(&Info) -> &Option<Box<str>>| {
        texts(nodes.iter().map(|node| text(&node.info).as_deref()))
    };
    // Of rows without the field.
    let names = |field: i64, text: fn(&Info) -> &Option<Box<str>>| {
        let rows = nodes.iter().zip(&fields);
        texts(rows.map(|(node, fields)| match fields & field {
            0 => text(&node.info).as_deref(),
            _ => None,
        }))
    };
    let other_ids = nodes.iter().filter_map(|node| match &node.id {
        NodeId::Radio(_) => None,
        NodeId::Named(name) => Some(Some(&**name)),
    });
    NodeColumns {
        count: count(nodes.len()),
        numbers: Column::of_steps(nodes.iter().map(|node| i64::from(node.number))),
        fields: Column::of_steps(fields.iter().copied()),
        radio_ids: radio_ids(nodes),
        ids: texts(other_ids),
        networks: texts(nodes.iter().map(|node| Some(node.network.name()))),
        short_names: names(SHORT_OF_ID, |info| &info.short_name),
        long_names: names(LONG_OF_ID, |info| &info.long_name),
        hw_models: info(|info| &info.hw_model),
        roles: info(|info| &info.role),
        firmwares: info(|info| &info.firmware),
        channels: info(|info| &info.channel),
        status: Some(rows::status_columns(nodes.iter().map(|node| node.status))),
        positions: positions(nodes),
        telemetry: telemetry(nodes),
    }
}

fn fields(node: &domain::Node) -> i64 {
    let mut fields = 0;
    if let NodeId::Radio(number) = node.id {
        let Info { short_name, long_name, .. } = &*node.info;
        fields += RADIO_ID;
        if short_name.as_deref().is_some_and(|name| is_end_of_id(name, number)) {
            fields += SHORT_OF_ID;
        }
        let unnamed = long_name.as_deref().and_then(|name| name.strip_prefix(UNNAMED));
        if unnamed.is_some_and(|name| is_end_of_id(name, number)) {
            fields += LONG_OF_ID;
        }
    }
    if node.position.is_some() {
        fields += POSITION;
    }
    if node.telemetry.newest().is_some() {
        fields += TELEMETRY;
    }
    fields
}

/// Whether a text is what the id of a radio ends with.
fn is_end_of_id(text: &str, number: u32) -> bool {
    let [.., a, b, c, d] = NodeId::radio_text(number);
    text.as_bytes() == [a, b, c, d]
}

fn radio_ids(nodes: &[&domain::Node]) -> Bytes {
    let mut ids = Vec::with_capacity(nodes.len() * size_of::<u32>());
    for node in nodes {
        if let NodeId::Radio(number) = &node.id {
            ids.extend_from_slice(&number.to_be_bytes());
        }
    }
    ids.into()
}

fn positions(nodes: &[&domain::Node]) -> Option<PositionUpdate> {
    let moves = nodes.iter().filter_map(|node| {
        let position = node.position.as_ref()?;
        Some(Move::new(node.number, None, position))
    });
    let moves: Vec<_> = moves.collect();
    (!moves.is_empty()).then(|| rows::position_columns(false, moves))
}

/// Each text once; none if no row has one.
fn texts<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Option<Texts> {
    let mut texts = Vec::new();
    let mut lengths = Vec::new();
    let mut found = FxHashMap::default();
    let mut choices = Vec::with_capacity(rows.size_hint().0);
    let mut last = None;
    for row in rows {
        // Neighbours have the same in most columns, and are compared sooner than looked up.
        if row.is_some() && row == last.map(|(text, _)| text) {
            choices.push(last.map(|(_, choice)| choice));
            continue;
        }
        let choice = row.map(|text: &'a str| {
            *found.entry(text).or_insert_with(|| {
                texts.extend_from_slice(text.as_bytes());
                lengths.push(whole(text.len()));
                whole(lengths.len() - 1)
            })
        });
        choices.push(choice);
        last = row.zip(choice);
    }
    if lengths.is_empty() {
        return None;
    }
    let none = whole(lengths.len());
    let is_each_its_own = lengths.len() == choices.len();
    let choices = choices.into_iter().map(|choice| choice.unwrap_or(none));
    Some(Texts {
        count: count(lengths.len()),
        lengths: Column::of_steps(lengths),
        texts: texts.into(),
        choices: if is_each_its_own { None } else { Column::of_steps(choices) },
    })
}

fn telemetry(nodes: &[&domain::Node]) -> Option<TelemetryColumns> {
    let rows = nodes.iter().filter_map(|node| Some((&*node.telemetry, node.telemetry.newest()?)));
    let (read, times): (Vec<&Telemetry>, Vec<Timestamp>) =
        rows.map(|(telemetry, stamp)| (telemetry, stamp.time)).unzip();
    if read.is_empty() {
        return None;
    }
    // By metric: the rows that have it, and what they read.
    let mut by_metric = vec![(Vec::new(), Vec::new()); Metric::ALL.len()];
    for (row, telemetry) in read.iter().enumerate() {
        for (metric, value) in telemetry.values() {
            let (rows, values) = &mut by_metric[*metric as usize];
            rows.push(row);
            values.push(*value);
        }
    }
    let time_unit_ms = time_unit_ms(times.iter().copied());
    let metrics = by_metric.iter().zip(Metric::ALL).filter(|((rows, _), _)| !rows.is_empty());
    Some(TelemetryColumns {
        times: Column::of_steps(times.iter().map(|time| in_units(*time, time_unit_ms))),
        time_unit_ms,
        metrics: metrics
            .map(|((rows, values), metric)| MetricColumn {
                metric: metric.number(),
                lacking: lacking(rows, read.len()),
                values: decimals(values),
            })
            .collect(),
    })
}

/// Which of so many rows are not among these, which ascend; none if all are.
fn lacking(rows: &[usize], all: usize) -> Option<Column> {
    let mut having = rows.iter().copied().peekable();
    Column::of_steps((0..all).map(|row| i64::from(having.next_if_eq(&row).is_none())))
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
