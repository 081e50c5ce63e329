//! Frames in JSON.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    frames::{Kind, Part, Seen, Sorted},
    protocol::{Item, Items, ServerMessage},
    readings::TelemetryUpdate,
    records::{CellRecord, Id, MessageRecord, NodeRecord, PositionUpdate},
};
use crate::{
    broadcast::{Binding, Frame, Picture, View},
    domain::{Batch, CellCount, Change, Gone, Message, MessageTypes, Missed, Node, Revision},
};

/// One message as bytes.
pub(super) fn encode(message: &ServerMessage<'_>) -> Bytes {
    let mut bytes =
        serde_json::to_vec(message).expect("messages have text keys and no maps that fail");
    // They may wait for long, with a client that takes nothing.
    bytes.shrink_to_fit();
    bytes.into()
}

/// What is written once for one change, however many clients see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Fragment {
    Whole(MessageTypes),
    Status,
    Update,
    Position,
    Telemetry,
}

/// Writes a tick's changes as JSON, each once.
#[derive(Default)]
pub(super) struct JsonTicks {
    /// The batch that the fragments belong to.
    revision: Option<Revision>,
    fragments: FxHashMap<(u32, Fragment), Box<RawValue>>,
}

impl JsonTicks {
    /// The frames of a tick for those with this view.
    pub(super) fn encode(&mut self, batch: &Batch, view: &View<'_>) -> Arc<[Frame]> {
        if self.revision != Some(batch.revision) {
            self.revision = Some(batch.revision);
            self.fragments.clear();
        }
        let seen = Seen::new(batch, view);
        let whole = Fragment::Whole(view.types);
        for (fragment, indices) in [
            (Fragment::Status, &seen.status),
            (whole, &seen.enter),
            (Fragment::Update, &seen.update),
            (Fragment::Position, &seen.positions),
            (Fragment::Telemetry, &seen.telemetry),
        ] {
            for index in indices {
                self.write(*index, fragment, &batch.changes[*index as usize]);
            }
        }
        let Revision(revision) = batch.revision;
        seen.plan(view).write(|kind, rows, more| {
            encode(&match kind {
                Kind::Messages => {
                    let heard = view.messages[rows].iter();
                    let messages = heard.map(|index| &*batch.messages[*index as usize].message);
                    let messages = messages.map(MessageRecord::from).collect();
                    ServerMessage::Message { revision, messages, more }
                }
                Kind::Status => {
                    let nodes = self.items(Fragment::Status, &seen.status[rows]);
                    ServerMessage::NodeStatus { revision, nodes, more }
                }
                Kind::Leave => {
                    let ids = seen.leave[rows].iter();
                    let ids = ids.filter_map(|index| batch.changes[*index as usize].id());
                    ServerMessage::NodeLeave { revision, ids: ids.map(Id).collect(), more }
                }
                Kind::Enter => {
                    let nodes = self.items(whole, &seen.enter[rows]);
                    ServerMessage::NodeEnter { revision, nodes, more }
                }
                Kind::Update => {
                    let nodes = self.items(Fragment::Update, &seen.update[rows]);
                    ServerMessage::NodeUpdate { revision, nodes, more }
                }
                Kind::Cells => {
                    let cells = cells(&view.cells[rows]);
                    ServerMessage::CellUpdate { revision, cells, more }
                }
                Kind::Positions => {
                    let positions = self.items(Fragment::Position, &seen.positions[rows]);
                    ServerMessage::PositionUpdate { revision, positions, more }
                }
                Kind::Telemetry => {
                    let telemetry = self.items(Fragment::Telemetry, &seen.telemetry[rows]);
                    ServerMessage::TelemetryUpdate { revision, telemetry, more }
                }
            })
        })
    }

    fn write(&mut self, index: u32, fragment: Fragment, change: &Change) {
        let Some(node) = &change.after else { return };
        self.fragments.entry((index, fragment)).or_insert_with(|| {
            let before = change.before.as_deref();
            match fragment {
                Fragment::Whole(types) => raw(&NodeRecord::whole(node, types)),
                Fragment::Status => raw(&NodeRecord::status(node)),
                Fragment::Update => raw(&NodeRecord::update(node, before, change.groups)),
                Fragment::Position => raw(&PositionUpdate::of(node)),
                Fragment::Telemetry => raw(&TelemetryUpdate::of(node, before)),
            }
        });
    }

    fn items<T>(&self, fragment: Fragment, changes: &[u32]) -> Items<'_, T> {
        let written = changes.iter().filter_map(|index| self.fragments.get(&(*index, fragment)));
        written.map(|raw| Item::Encoded(raw)).collect()
    }
}

/// A frame that merges several ticks for a client that could not keep up.
pub(super) fn missed(
    revision: Revision,
    types: MessageTypes,
    missed: &Missed,
    sorted: &Sorted,
    (kind, rows, more): (Kind, Range<usize>, bool),
) -> Bytes {
    let Revision(revision) = revision;
    let updated = |indices: &[usize]| -> Vec<_> {
        indices.iter().map(|index| &missed.updated[*index]).collect()
    };
    encode(&match kind {
        Kind::Messages => {
            let messages = messages(&missed.messages[rows]);
            ServerMessage::Message { revision, messages, more }
        }
        Kind::Status => {
            let nodes = updated(&sorted.status[rows]).into_iter();
            let nodes = nodes.map(|(node, _)| NodeRecord::status(node).into()).collect();
            ServerMessage::NodeStatus { revision, nodes, more }
        }
        Kind::Leave => {
            ServerMessage::NodeLeave { revision, ids: gone_ids(&missed.left[rows]), more }
        }
        Kind::Enter => {
            let nodes = whole_records(&missed.entered[rows], types);
            ServerMessage::NodeEnter { revision, nodes, more }
        }
        Kind::Update => {
            let nodes = updated(&sorted.update[rows]).into_iter();
            let nodes = nodes.map(|(node, groups)| NodeRecord::update(node, None, *groups).into());
            ServerMessage::NodeUpdate { revision, nodes: nodes.collect(), more }
        }
        Kind::Cells => {
            ServerMessage::CellUpdate { revision, cells: cells(&missed.cells[rows]), more }
        }
        Kind::Positions => {
            let moved = updated(&sorted.positions[rows]).into_iter();
            let positions = moved.filter_map(|(node, _)| PositionUpdate::of(node)).map(Item::from);
            ServerMessage::PositionUpdate { revision, positions: positions.collect(), more }
        }
        Kind::Telemetry => {
            let read = updated(&sorted.telemetry[rows]).into_iter();
            let telemetry =
                read.filter_map(|(node, _)| TelemetryUpdate::of(node, None)).map(Item::from);
            ServerMessage::TelemetryUpdate { revision, telemetry: telemetry.collect(), more }
        }
    })
}

/// What stands around records in a part of a snapshot.
pub(super) const BINDING: Binding = Binding {
    before: br#""full":true,"nodes":["#,
    between: b",",
    after: br#"],"removed":[],"messages":[],"more":true}"#,
};

/// Adds the whole record of a node.
pub(super) fn write_record(node: &Node, records: &mut Vec<u8>) {
    serde_json::to_writer(records, &NodeRecord::whole(node, MessageTypes::ALL))
        .expect("records have text keys and no maps that fail");
}

/// One part of a snapshot, without the [`head`] that stands before it.
pub(super) fn part(picture: &Picture, part: &Part<'_>) -> Bytes {
    let (epoch, revision) = ("", 0);
    let whole = encode(&ServerMessage::Snapshot {
        epoch,
        revision,
        full: picture.full,
        nodes: whole_records(part.nodes, picture.types),
        removed: gone_ids(part.removed),
        messages: messages(part.messages),
        cells: picture.cells.as_ref().map(|_| cells(part.cells)),
        more: part.more,
    });
    let head = head(epoch, Revision(revision));
    debug_assert!(whole.starts_with(&head), "{whole:?}");
    whole.slice(head.len()..)
}

/// What stands before a part in its frame.
pub(super) fn head(epoch: &str, Revision(revision): Revision) -> Bytes {
    let epoch = Value::from(epoch);
    format!(r#"{{"type":"snapshot","epoch":{epoch},"revision":{revision},"#).into()
}

fn raw(record: &impl Serialize) -> Box<RawValue> {
    to_raw_value(record).expect("records have text keys and no maps that fail")
}

fn whole_records(nodes: &[Arc<Node>], types: MessageTypes) -> Items<'_, NodeRecord<'_>> {
    nodes.iter().map(|node| NodeRecord::whole(node, types).into()).collect()
}

fn messages(messages: &[Arc<Message>]) -> Vec<MessageRecord<'_>> {
    messages.iter().map(|message| MessageRecord::from(&**message)).collect()
}

fn gone_ids(gone: &[Gone]) -> Vec<Id<'_>> {
    gone.iter().map(|gone| Id(&gone.id)).collect()
}

fn cells(counts: &[CellCount]) -> Vec<CellRecord> {
    counts.iter().map(CellRecord::from).collect()
}
