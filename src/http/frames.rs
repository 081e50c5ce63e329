//! Deliveries written out as frames.
//!
//! Within a tick the urgent goes first: messages and status, then what leaves and enters, then
//! positions, then telemetry.

use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    protocol::{Item, Items, ServerMessage},
    records::{Id, MessageRecord, NodeRecord, PositionUpdate, TelemetryUpdate},
};
use crate::{
    broadcast::{Delivery, Encoder, Picture, View},
    domain::{Batch, Change, Groups, Message, MessageTypes, Missed, Node, Revision, SightKind},
};

/// Nodes in one part of a snapshot: parts of some 100 KB, so that none holds up a slow line. Tests
/// have few nodes and want parts all the same.
const NODES_PER_PART: usize = if cfg!(test) { 2 } else { 250 };

/// One message as bytes.
pub(super) fn encode(message: &ServerMessage<'_>) -> Bytes {
    serde_json::to_vec(message).expect("messages have text keys and no maps that fail").into()
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
pub struct JsonEncoder {
    /// The batch that the fragments belong to.
    revision: Option<Revision>,
    fragments: FxHashMap<(u32, Fragment), Box<RawValue>>,
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &Batch, view: &View) -> Arc<[Bytes]> {
        if self.revision != Some(batch.revision) {
            self.revision = Some(batch.revision);
            self.fragments.clear();
        }
        let mut seen = Seen::default();
        for sight in &view.sights {
            let change = &batch.changes[sight.change as usize];
            match sight.kind {
                SightKind::Enter => {
                    seen.enter.push((sight.change, Fragment::Whole(view.types)));
                }
                SightKind::Leave => seen.leave.extend(change.id().map(Id)),
                SightKind::Update => {
                    let groups = change.groups.and(view.types.groups());
                    seen.add_groups(groups, sight.change);
                }
            }
        }
        let lists = [&seen.status, &seen.enter, &seen.update, &seen.position, &seen.telemetry];
        for &(index, fragment) in lists.into_iter().flatten() {
            self.write(index, fragment, &batch.changes[index as usize]);
        }
        let messages = view.messages.iter().map(|index| &*batch.messages[*index as usize].message);
        let frames = FrameLists {
            messages: messages.map(MessageRecord::from).collect(),
            status: self.items(&seen.status),
            leave: seen.leave,
            enter: self.items(&seen.enter),
            update: self.items(&seen.update),
            positions: self.items(&seen.position),
            telemetry: self.items(&seen.telemetry),
        };
        frames.encode(batch.revision).into()
    }
}

/// What a view sees, by the kind of frame.
#[derive(Default)]
struct Seen<'a> {
    status: Vec<(u32, Fragment)>,
    leave: Vec<Id<'a>>,
    enter: Vec<(u32, Fragment)>,
    update: Vec<(u32, Fragment)>,
    position: Vec<(u32, Fragment)>,
    telemetry: Vec<(u32, Fragment)>,
}

impl Seen<'_> {
    fn add_groups(&mut self, groups: Groups, index: u32) {
        if groups.intersects(Groups::STATUS) {
            self.status.push((index, Fragment::Status));
        }
        if groups.intersects(Groups::INFO.or(Groups::LINKS)) {
            self.update.push((index, Fragment::Update));
        }
        if groups.intersects(Groups::POSITION) {
            self.position.push((index, Fragment::Position));
        }
        if groups.intersects(Groups::TELEMETRY) {
            self.telemetry.push((index, Fragment::Telemetry));
        }
    }
}

impl JsonEncoder {
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

    fn items<T>(&self, wanted: &[(u32, Fragment)]) -> Items<'_, T> {
        wanted
            .iter()
            .filter_map(|key| self.fragments.get(key))
            .map(|raw| Item::Encoded(raw))
            .collect()
    }
}

fn raw(record: &impl Serialize) -> Box<RawValue> {
    to_raw_value(record).expect("records have text keys and no maps that fail")
}

/// The lists of one tick's frames, in the order in which they go out.
#[derive(Default)]
struct FrameLists<'a> {
    messages: Vec<MessageRecord<'a>>,
    status: Items<'a, NodeRecord<'a>>,
    leave: Vec<Id<'a>>,
    enter: Items<'a, NodeRecord<'a>>,
    update: Items<'a, NodeRecord<'a>>,
    positions: Items<'a, PositionUpdate<'a>>,
    telemetry: Items<'a, TelemetryUpdate<'a>>,
}

impl FrameLists<'_> {
    fn encode(self, revision: Revision) -> Vec<Bytes> {
        let Revision(revision) = revision;
        let Self { messages, status, leave, enter, update, positions, telemetry } = self;
        let more = true;
        let mut frames = Vec::new();
        let mut push = |empty: bool, message| {
            if !empty {
                frames.push(message);
            }
        };
        push(messages.is_empty(), ServerMessage::Message { revision, messages, more });
        push(status.is_empty(), ServerMessage::NodeStatus { revision, nodes: status, more });
        push(leave.is_empty(), ServerMessage::NodeLeave { revision, ids: leave, more });
        push(enter.is_empty(), ServerMessage::NodeEnter { revision, nodes: enter, more });
        push(update.is_empty(), ServerMessage::NodeUpdate { revision, nodes: update, more });
        push(positions.is_empty(), ServerMessage::PositionUpdate { revision, positions, more });
        push(telemetry.is_empty(), ServerMessage::TelemetryUpdate { revision, telemetry, more });
        if let Some(last) = frames.last_mut() {
            last.end_tick();
        }
        frames.iter().map(encode).collect()
    }
}

/// The frames of a delivery, in order; the parts of a picture are written as they are asked for.
pub(super) fn of<'a>(
    epoch: &'a str,
    delivery: &'a Delivery,
) -> Box<dyn Iterator<Item = Bytes> + Send + 'a> {
    match delivery {
        Delivery::Tick(frames) => Box::new(frames.iter().cloned()),
        Delivery::CatchUp { revision, types, missed } => {
            Box::new(catch_up(*revision, *types, missed).into_iter())
        }
        Delivery::Picture(picture) => Box::new(snapshot(epoch, picture)),
    }
}

/// The frames that merge several ticks for a client that could not keep up.
fn catch_up(revision: Revision, types: MessageTypes, missed: &Missed) -> Vec<Bytes> {
    let mut lists = FrameLists {
        messages: messages(&missed.messages),
        leave: missed.left.iter().map(Id).collect(),
        enter: whole_records(&missed.entered, types),
        ..FrameLists::default()
    };
    for (node, groups) in &missed.updated {
        if groups.intersects(Groups::STATUS) {
            lists.status.push(NodeRecord::status(node).into());
        }
        if groups.intersects(Groups::INFO.or(Groups::LINKS)) {
            lists.update.push(NodeRecord::update(node, None, *groups).into());
        }
        if groups.intersects(Groups::POSITION) {
            lists.positions.extend(PositionUpdate::of(node).map(Item::from));
        }
        if groups.intersects(Groups::TELEMETRY) {
            lists.telemetry.extend(TelemetryUpdate::of(node, None).map(Item::from));
        }
    }
    lists.encode(revision)
}

/// The parts of a snapshot, each written when it is asked for.
fn snapshot<'a>(epoch: &'a str, picture: &'a Picture) -> impl Iterator<Item = Bytes> + 'a {
    let parts = picture.nodes.len().div_ceil(NODES_PER_PART).max(1);
    (0..parts).map(move |part| {
        let first = part == 0;
        let nodes = picture.nodes.chunks(NODES_PER_PART).nth(part).unwrap_or_default();
        encode(&ServerMessage::Snapshot {
            epoch,
            revision: picture.revision.0,
            full: picture.full,
            nodes: whole_records(nodes, picture.types),
            removed: picture.removed.iter().filter(|_| first).map(Id).collect(),
            messages: if first { messages(&picture.messages) } else { Vec::new() },
            more: part + 1 < parts,
        })
    })
}

fn whole_records(nodes: &[Arc<Node>], types: MessageTypes) -> Items<'_, NodeRecord<'_>> {
    nodes.iter().map(|node| NodeRecord::whole(node, types).into()).collect()
}

fn messages(messages: &[Arc<Message>]) -> Vec<MessageRecord<'_>> {
    messages.iter().map(|message| MessageRecord::from(&**message)).collect()
}
