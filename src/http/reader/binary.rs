//! Binary frames read as a client reads them: into what JSON would have said.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Broken, mirror::Mirror};
use crate::{
    broadcast::Encoding,
    domain::Metric,
    http::proto::{
        messages::{
            Cell, Links, Node, NodeTelemetry, Position, ServerKind, ServerMessage, Snapshot,
            Telemetry,
        },
        reading,
    },
};

const UNITS_PER_DEGREE: f64 = 1e7;

/// What a client has to know to read binary frames, besides the records that it holds.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Binary {
    epoch: String,
    /// The ids of nodes by their numbers, for as long as the epoch lasts.
    ids: BTreeMap<u32, String>,
}

impl Binary {
    /// The message of a frame in either encoding, for a client that holds what `mirror` does.
    pub(in crate::http) fn message(
        &mut self,
        encoding: Encoding,
        frame: &[u8],
        mirror: &Mirror,
    ) -> Result<Value, Broken> {
        match encoding {
            Encoding::Json => {
                serde_json::from_slice(frame).map_err(|error| Broken::new(error.to_string()))
            }
            Encoding::Proto => self.read(frame, mirror),
        }
    }

    fn read(&mut self, frame: &[u8], mirror: &Mirror) -> Result<Value, Broken> {
        let kind = decoded::<ServerMessage>(frame)?.kind;
        let kind = kind.ok_or_else(|| Broken::new("a message of an unknown kind"))?;
        Ok(match kind {
            ServerKind::Snapshot(snapshot) => self.snapshot(&snapshot)?,
            ServerKind::NodeEnter(list) => {
                let nodes = list.nodes.iter().map(|bytes| self.introduced(&decoded(bytes)?));
                let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
                tick("node_enter", list.revision, list.more, "nodes", nodes)
            }
            ServerKind::NodeUpdate(list) => {
                let fields = |bytes: &Bytes| {
                    let node: Node = decoded(bytes)?;
                    Ok(named(&self.id(node.number), fields(&node)))
                };
                let nodes = list.nodes.iter().map(fields).collect::<Result<Vec<_>, _>>()?;
                tick("node_update", list.revision, list.more, "nodes", nodes)
            }
            // Whoever has lost what it held cannot read what is told as differences from it.
            ServerKind::PositionUpdate(update) if mirror.lost => tick(
                "position_update",
                update.revision,
                update.more,
                "positions",
                Vec::<Value>::new(),
            ),
            ServerKind::PositionUpdate(update) => {
                let held = |number| position(mirror.held.get(self.ids.get(&number)?)?);
                let positions = reading::positions(&update, held).ok_or_else(damaged)?;
                let positions: Vec<_> = positions
                    .iter()
                    .map(|(number, position)| named(&self.id(*number), position_fields(position)))
                    .collect();
                let (revision, more) = (update.revision, update.more);
                tick("position_update", revision, more, "positions", positions)
            }
            ServerKind::TelemetryUpdate(list) => {
                let read = |bytes: &Bytes| {
                    let NodeTelemetry { number, telemetry } = decoded(bytes)?;
                    let fields = telemetry.as_ref().map(telemetry_fields).unwrap_or_default();
                    Ok(named(&self.id(number), fields))
                };
                let read = list.telemetry.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                tick("telemetry_update", list.revision, list.more, "telemetry", read)
            }
            ServerKind::NodeStatus(status) => {
                let rows = reading::statuses(&status).ok_or_else(damaged)?;
                let rows = rows.into_iter().map(|(number, (online, heard))| {
                    json!({ "id": self.id(number), "online": online, "lastHeard": heard })
                });
                let rows: Vec<_> = rows.collect();
                tick("node_status", status.revision, status.more, "nodes", rows)
            }
            ServerKind::NodeLeave(leave) => {
                let ids: Vec<_> = leave.numbers.iter().map(|number| self.id(*number)).collect();
                tick("node_leave", leave.revision, leave.more, "ids", ids)
            }
            ServerKind::CellUpdate(update) => {
                let cells = cells(update.zoom, &update.cells);
                tick("cell_update", update.revision, update.more, "cells", cells)
            }
            ServerKind::Message(list) => {
                let messages = list.messages.iter().map(|message| json!({ "id": message.id }));
                let messages: Vec<_> = messages.collect();
                tick("message", list.revision, list.more, "messages", messages)
            }
            ServerKind::Hello(_) => json!({ "type": "hello" }),
            ServerKind::Pong(_) => json!({ "type": "pong" }),
            ServerKind::Error(error) => {
                return Err(Broken::new(format!("{}: {}", error.code, error.message)));
            }
        })
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<Value, Broken> {
        if self.epoch != snapshot.epoch {
            self.epoch.clone_from(&snapshot.epoch);
            self.ids.clear();
        }
        let removed: Vec<_> = snapshot.removed.iter().map(|number| self.id(*number)).collect();
        let in_columns: Option<Vec<_>> = snapshot.columns.iter().map(reading::nodes).collect();
        let in_columns = in_columns.ok_or_else(damaged)?;
        let nodes = snapshot.nodes.iter().chain(in_columns.iter().flatten());
        let nodes = nodes.map(|node| self.introduced(node));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        Ok(json!({
            "type": "snapshot",
            "epoch": snapshot.epoch,
            "revision": snapshot.revision,
            "full": snapshot.full,
            "nodes": nodes,
            "removed": removed,
            "cells": cells(snapshot.zoom, &snapshot.cells),
            "more": snapshot.more,
        }))
    }

    /// The id of a node, or what no node is called, for one that was never introduced.
    fn id(&self, number: u32) -> String {
        self.ids.get(&number).cloned().unwrap_or_else(|| format!("number {number}"))
    }

    fn introduced(&mut self, node: &Node) -> Result<Value, Broken> {
        let id = node.id.clone().ok_or_else(|| Broken::new("a node without an id"))?;
        let before = self.ids.insert(node.number, id.clone());
        if before.is_some_and(|before| before != id) {
            return Err(Broken::new(format!("{} has two nodes", node.number)));
        }
        Ok(named(&id, fields(node)))
    }
}

fn decoded<M: Message + Default>(bytes: &[u8]) -> Result<M, Broken> {
    M::decode(bytes).map_err(|error| Broken::new(error.to_string()))
}

fn damaged() -> Broken {
    Broken::new("a damaged column")
}

fn tick(kind: &str, revision: u64, more: bool, list: &str, rows: impl Serialize) -> Value {
    json!({ "type": kind, "revision": revision, "more": more, list: rows })
}

fn named(id: &str, mut fields: Map<String, Value>) -> Value {
    fields.insert("id".to_owned(), json!(id));
    Value::Object(fields)
}

/// An object of the fields that are there.
fn known<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let known = fields.into_iter();
    known.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn fields(node: &Node) -> Map<String, Value> {
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    known([
        ("network", text(&node.network)),
        ("shortName", text(&node.short_name)),
        ("longName", text(&node.long_name)),
        ("hwModel", text(&node.hw_model)),
        ("role", text(&node.role)),
        ("firmware", text(&node.firmware)),
        ("channel", text(&node.channel)),
        ("online", node.online.map(|online| json!(online))),
        ("lastHeard", node.last_heard.map(|time| json!(time))),
        ("position", node.position.map(|position| position_fields(&position).into())),
        ("telemetry", node.telemetry.as_ref().map(|read| telemetry_fields(read).into())),
        ("links", node.links.as_ref().map(links)),
    ])
}

fn position_fields(position: &Position) -> Map<String, Value> {
    known([
        ("latitude", Some(json!(f64::from(position.latitude) / UNITS_PER_DEGREE))),
        ("longitude", Some(json!(f64::from(position.longitude) / UNITS_PER_DEGREE))),
        ("altitude", position.altitude.map(|metres| json!(metres))),
        ("time", Some(json!(position.time))),
        ("groundSpeed", position.ground_speed.map(|speed| json!(speed))),
        ("groundTrack", position.ground_track.map(|track| json!(track))),
        ("satsInView", position.sats_in_view.map(|sats| json!(sats))),
        ("precisionBits", position.precision_bits.map(|bits| json!(bits))),
    ])
}

/// The position of a node as it was read from [`position_fields`].
fn position(node: &Value) -> Option<Position> {
    let fields = node.get("position")?;
    #[expect(clippy::cast_possible_truncation, reason = "no more than 180 degrees")]
    let units = |name: &str| Some((fields[name].as_f64()? * UNITS_PER_DEGREE).round() as i32);
    let whole = |name: &str| fields[name].as_u64().and_then(|number| number.try_into().ok());
    Some(Position {
        latitude: units("latitude")?,
        longitude: units("longitude")?,
        altitude: fields["altitude"].as_i64().and_then(|metres| metres.try_into().ok()),
        time: fields["time"].as_i64()?,
        ground_speed: fields["groundSpeed"].as_f64(),
        ground_track: fields["groundTrack"].as_f64(),
        sats_in_view: whole("satsInView"),
        precision_bits: whole("precisionBits"),
    })
}

/// Readings; whole numbers look like whole numbers in JSON.
fn telemetry_fields(telemetry: &Telemetry) -> Map<String, Value> {
    let readings = telemetry.metrics.iter().zip(&telemetry.values);
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    let mut fields: Map<_, _> = readings
        .filter_map(|(number, value)| {
            let metric = Metric::numbered(*number)?.name().to_owned();
            let whole = value.fract() == 0.0;
            Some((metric, if whole { json!(*value as i64) } else { json!(value) }))
        })
        .collect();
    fields.insert("time".to_owned(), json!(telemetry.time));
    fields
}

fn links(links: &Links) -> Value {
    let links = links.links.iter().map(|link| {
        let snr = link.snr.map(|snr| json!(snr));
        named(&link.id, known([("snr", snr), ("time", Some(json!(link.time)))]))
    });
    links.collect()
}

fn cells(zoom: u32, cells: &[Cell]) -> Value {
    let cells = cells.iter().map(|cell| {
        let name = format!("{zoom}/{}/{}", cell.x, cell.y);
        json!({ "cell": name, "total": cell.total, "online": cell.online })
    });
    cells.collect()
}
