//! Frames in protocol buffers.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, message};
use rustc_hash::FxHashMap;
use serde_json::Number;

use super::{
    columns,
    messages::{
        Cell, CellUpdate, Error, Hello, MessageList, Node, NodeLeave, NodeList, NodeTelemetry,
        Pong, ServerKind, ServerMessage, Snapshot, TelemetryUpdate, TextMessage,
    },
    rows::{self, Move},
};
use crate::{
    broadcast::{Binding, Frame, Picture, View},
    domain::{self, Batch, CellCount, Change, Groups, MessageTypes, Missed, Revision},
    http::{
        frames::{Kind, Part, Seen, Sorted},
        protocol,
    },
};

/// Hello, pong or error as bytes. The others are not written from what JSON is written from.
pub(in crate::http) fn encode(message: &protocol::ServerMessage<'_>) -> Bytes {
    use protocol::ServerMessage as Said;
    let kind = match message {
        Said::Hello { protocol, server, epoch, revision, tick_ms, heartbeat_ms, timeout_ms } => {
            Some(ServerKind::Hello(Hello {
                protocol: *protocol,
                server: (*server).to_owned(),
                epoch: (*epoch).to_owned(),
                revision: *revision,
                tick_ms: *tick_ms,
                heartbeat_ms: *heartbeat_ms,
                timeout_ms: *timeout_ms,
            }))
        }
        Said::Pong { id, time } => {
            let id = id.as_ref().and_then(Number::as_f64);
            Some(ServerKind::Pong(Pong { id, time: *time }))
        }
        Said::Error { code, message, retry_after_ms } => Some(ServerKind::Error(Error {
            code: code.name(),
            message: message.clone(),
            retry_after_ms: *retry_after_ms,
        })),
        _ => None,
    };
    debug_assert!(kind.is_some(), "{message:?}");
    written(&ServerMessage { kind })
}

fn frame(kind: ServerKind) -> Bytes {
    written(&ServerMessage { kind: Some(kind) })
}

/// What is written once for one change, however many clients see it. Positions and status stand in
/// columns, which are written for each view.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Fragment {
    Whole(MessageTypes),
    Update,
    Telemetry,
}

/// Writes a tick's changes as protocol buffers, each record once.
#[derive(Default)]
pub(in crate::http) struct ProtoTicks {
    /// The batch that the fragments belong to.
    revision: Option<Revision>,
    fragments: FxHashMap<(u32, Fragment), Bytes>,
    /// By change, as soon as somebody is told of it.
    moves: Vec<Option<Move>>,
}

impl ProtoTicks {
    /// The frames of a tick for those with this view.
    pub(in crate::http) fn encode(&mut self, batch: &Batch, view: &View<'_>) -> Arc<[Frame]> {
        if self.revision != Some(batch.revision) {
            self.revision = Some(batch.revision);
            self.fragments.clear();
            self.moves.clear();
        }
        let seen = Seen::new(batch, view);
        let Revision(revision) = batch.revision;
        let change = |index: &u32| &batch.changes[*index as usize];
        let after = |index: &u32| change(index).after.as_deref();
        seen.plan(view).write(|kind, rows, more| {
            frame(match kind {
                Kind::Messages => {
                    let heard = view.messages[rows].iter();
                    let heard = heard.map(|index| &*batch.messages[*index as usize].message);
                    let messages = heard.map(TextMessage::from).collect();
                    ServerKind::Message(MessageList { revision, more, messages })
                }
                Kind::Status => {
                    let nodes = seen.status[rows].iter().filter_map(after);
                    let rows = nodes.map(|node| (node.number, node.status)).collect();
                    ServerKind::NodeStatus(rows::statuses(revision, more, rows))
                }
                Kind::Leave => {
                    let gone = seen.leave[rows].iter().filter_map(|index| change(index).node());
                    let numbers = gone.map(|node| node.number).collect();
                    ServerKind::NodeLeave(NodeLeave { revision, more, numbers })
                }
                Kind::Enter => {
                    let whole = Fragment::Whole(view.types);
                    let nodes = self.fragments(batch, whole, &seen.enter[rows]);
                    ServerKind::NodeEnter(NodeList { revision, more, nodes })
                }
                Kind::Update => {
                    let nodes = self.fragments(batch, Fragment::Update, &seen.update[rows]);
                    ServerKind::NodeUpdate(NodeList { revision, more, nodes })
                }
                Kind::Cells => cells(revision, more, &view.cells[rows]),
                Kind::Positions => {
                    self.moves.resize(batch.changes.len(), None);
                    let moves = seen.positions[rows].iter().filter_map(|index| {
                        let row = &mut self.moves[*index as usize];
                        *row = row.or_else(|| moved(change(index)));
                        *row
                    });
                    let update = rows::positions(revision, more, true, moves.collect());
                    ServerKind::PositionUpdate(update)
                }
                Kind::Telemetry => {
                    let read = &seen.telemetry[rows];
                    let telemetry = self.fragments(batch, Fragment::Telemetry, read);
                    ServerKind::TelemetryUpdate(TelemetryUpdate { revision, more, telemetry })
                }
            })
        })
    }

    fn fragments(&mut self, batch: &Batch, fragment: Fragment, changes: &[u32]) -> Vec<Bytes> {
        let fragments = changes.iter().filter_map(|index| {
            let change = &batch.changes[*index as usize];
            let node = change.after.as_deref()?;
            let bytes = self.fragments.entry((*index, fragment)).or_insert_with(|| {
                let before = change.before.as_deref();
                match fragment {
                    Fragment::Whole(types) => record(node, types),
                    Fragment::Update => written(&Node::update(node, before, change.groups)),
                    Fragment::Telemetry => written(&NodeTelemetry::of(node, before)),
                }
            });
            Some(bytes.clone())
        });
        fragments.collect()
    }
}

/// A change of a position, from where all who see it hold it.
fn moved(change: &Change) -> Option<Move> {
    let node = change.after.as_deref()?;
    let before = change.before.as_deref().and_then(|before| before.position.as_ref());
    Some(Move::new(node.number, before, node.position.as_ref()?))
}

/// A frame that merges several ticks for a client that could not keep up.
pub(in crate::http) fn missed(
    revision: Revision,
    types: MessageTypes,
    missed: &Missed,
    sorted: &Sorted,
    (kind, rows, more): (Kind, Range<usize>, bool),
) -> Bytes {
    let Revision(revision) = revision;
    let node = |index: &usize| &*missed.updated[*index].0;
    frame(match kind {
        Kind::Messages => {
            let messages = missed.messages[rows].iter().map(|message| (&**message).into());
            ServerKind::Message(MessageList { revision, more, messages: messages.collect() })
        }
        Kind::Status => {
            let nodes = sorted.status[rows].iter().map(node);
            let rows = nodes.map(|node| (node.number, node.status)).collect();
            ServerKind::NodeStatus(rows::statuses(revision, more, rows))
        }
        Kind::Leave => {
            let numbers = missed.left[rows].iter().map(|gone| gone.number).collect();
            ServerKind::NodeLeave(NodeLeave { revision, more, numbers })
        }
        Kind::Enter => {
            let nodes = missed.entered[rows].iter();
            let nodes = nodes.map(|node| record(node, types));
            ServerKind::NodeEnter(NodeList { revision, more, nodes: nodes.collect() })
        }
        Kind::Update => {
            let nodes = sorted.update[rows].iter().map(|index| {
                let (node, groups) = &missed.updated[*index];
                written(&Node::update(node, None, *groups))
            });
            ServerKind::NodeUpdate(NodeList { revision, more, nodes: nodes.collect() })
        }
        Kind::Cells => cells(revision, more, &missed.cells[rows]),
        Kind::Positions => {
            let moves = sorted.positions[rows]
                .iter()
                .map(node)
                .filter_map(|node| Some(Move::new(node.number, None, node.position.as_ref()?)));
            ServerKind::PositionUpdate(rows::positions(revision, more, false, moves.collect()))
        }
        Kind::Telemetry => {
            let read = sorted.telemetry[rows].iter().map(node);
            let telemetry = read.map(|node| written(&NodeTelemetry::of(node, None))).collect();
            ServerKind::TelemetryUpdate(TelemetryUpdate { revision, more, telemetry })
        }
    })
}

/// One part of a snapshot, without what [`lead`] puts before it: the fields of a message may
/// stand in any order, and those with no value are not written.
pub(in crate::http) fn part(picture: &Picture, part: &Part<'_>) -> Bytes {
    let has_all = picture.types.groups() == Groups::ALL;
    let nodes = if picture.excerpt.is_in_columns() && has_all {
        columns::nodes(part.nodes.iter().map(|node| &**node))
    } else {
        let whole = |node: &Arc<domain::Node>| Node::whole(node, picture.types);
        Snapshot { nodes: part.nodes.iter().map(whole).collect(), ..Snapshot::default() }
    };
    let part = Snapshot {
        full: picture.full,
        removed: part.removed.iter().map(|gone| gone.number).collect(),
        messages: part.messages.iter().map(|message| (&**message).into()).collect(),
        cells: part.cells.iter().map(Cell::from).collect(),
        zoom: zoom(part.cells),
        more: part.more,
        ..nodes
    };
    written(&part)
}

/// A part of a full snapshot, and not the last one: these nodes in columns.
pub(in crate::http) fn part_in_columns<'a>(nodes: impl Iterator<Item = &'a domain::Node>) -> Bytes {
    written(&Snapshot { full: true, more: true, ..columns::nodes(nodes) })
}

/// What stands around records in a part of a snapshot: the fields `full` and `more`, both true.
pub(in crate::http) const BINDING: Binding =
    Binding { before: &[3 << 3, 1, 9 << 3, 1], between: &[], after: &[] };

/// The number of the nodes among the fields of a snapshot.
const SNAPSHOT_NODES: u32 = 4;

/// Adds the whole record of a node.
pub(in crate::http) fn write_record(node: &domain::Node, records: &mut Vec<u8>) {
    message::encode(SNAPSHOT_NODES, &Node::whole(node, MessageTypes::ALL), records);
}

/// The record of a node with the groups asked for.
fn record(node: &domain::Node, types: MessageTypes) -> Bytes {
    written(&Node::whole(node, types))
}

/// What all parts of a snapshot say.
pub(in crate::http) fn head(epoch: &str, revision: Revision) -> Bytes {
    let epoch = epoch.to_owned();
    written(&Snapshot { epoch, revision: revision.0, ..Snapshot::default() })
}

/// What stands before a part of so many bytes in its frame: the head, and how long both are.
pub(in crate::http) fn lead(head: &[u8], part_bytes: usize) -> Bytes {
    let length = (head.len() + part_bytes) as u64;
    let mut lead = Vec::with_capacity(1 + encoded_len_varint(length) + head.len());
    encode_key(SNAPSHOT, WireType::LengthDelimited, &mut lead);
    encode_varint(length, &mut lead);
    lead.extend_from_slice(head);
    lead.into()
}

/// The number of a snapshot among what a server says.
const SNAPSHOT: u32 = 2;

fn cells(revision: u64, more: bool, counts: &[CellCount]) -> ServerKind {
    let cells = counts.iter().map(Cell::from).collect();
    ServerKind::CellUpdate(CellUpdate { revision, more, cells, zoom: zoom(counts) })
}

/// The zoom that all cells of a client have.
fn zoom(counts: &[CellCount]) -> u32 {
    counts.first().map_or(0, |count| count.tile.zoom.get().into())
}

fn written(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}
