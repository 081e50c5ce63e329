//! Deliveries cut into frames.
//!
//! Within a tick the urgent goes first: messages and status, then what leaves and enters, then
//! positions, then telemetry. No frame is long, so that none holds up a slow line, and those of a
//! delivery that is not shared are written only when they are asked for.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    json::{self, JsonTicks},
    proto::{self, ProtoTicks},
    protocol::ServerMessage,
    session::NodeForm,
};
pub(super) use crate::broadcast::Frame;
use crate::{
    broadcast::{Binding, Content, Delivery, Encoder, Encoding, Picture, View},
    domain::{Batch, CellCount, Gone, Groups, Message, Missed, Node, SightKind},
};

/// A message that holds no nodes: hello, pong or error.
pub(super) fn encode(encoding: Encoding, message: &ServerMessage<'_>) -> Bytes {
    match encoding {
        Encoding::Json => json::encode(message),
        Encoding::Proto => proto::encode(message),
    }
}

/// Writes the frames of ticks.
#[derive(Default)]
pub struct TickEncoder {
    json: JsonTicks,
    proto: ProtoTicks,
}

impl Encoder for TickEncoder {
    fn encode(&mut self, batch: &Batch, view: &View<'_>) -> Arc<[Frame]> {
        match view.encoding {
            Encoding::Json => self.json.encode(batch, view),
            Encoding::Proto => self.proto.encode(batch, view),
        }
    }

    fn write_record(encoding: Encoding, node: &Node, records: &mut Vec<u8>) {
        match encoding {
            Encoding::Json => json::write_record(node, records),
            Encoding::Proto => proto::write_record(node, records),
        }
    }

    fn binding(encoding: Encoding) -> Binding {
        match encoding {
            Encoding::Json => json::BINDING,
            Encoding::Proto => proto::BINDING,
        }
    }

    fn columns<'a>(nodes: impl Iterator<Item = &'a Node>) -> Bytes {
        proto::part_in_columns(nodes)
    }
}

/// Records of nodes in one frame: some 50 KB of JSON. Tests have few nodes and want several
/// frames all the same.
const NODES_PER_FRAME: usize = if cfg!(test) { 2 } else { 100 };

/// Ids, cells, or changes of one group in one frame, which are shorter.
const ROWS_PER_FRAME: usize = if cfg!(test) { 3 } else { 1000 };

/// What a frame of a tick says, in the order in which they go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Messages,
    Status,
    Leave,
    Enter,
    Update,
    Cells,
    Positions,
    Telemetry,
}

impl Kind {
    /// The type of the message.
    const fn name(self) -> &'static str {
        match self {
            Self::Messages => "message",
            Self::Status => "node_status",
            Self::Leave => "node_leave",
            Self::Enter => "node_enter",
            Self::Update => "node_update",
            Self::Cells => "cell_update",
            Self::Positions => "position_update",
            Self::Telemetry => "telemetry_update",
        }
    }
}

/// The frames of a tick: what each says, and which rows of its list.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<(Kind, Range<usize>)>);

impl Plan {
    /// A plan for lists of these lengths, in the order in which they go out.
    pub(super) fn new(lengths: [(Kind, usize); 8]) -> Self {
        let mut frames = Vec::new();
        for (kind, length) in lengths {
            let most = match kind {
                Kind::Enter | Kind::Update | Kind::Messages => NODES_PER_FRAME,
                _ => ROWS_PER_FRAME,
            };
            let starts = (0..length).step_by(most);
            frames.extend(starts.map(|start| (kind, start..length.min(start + most))));
        }
        Self(frames)
    }

    /// What the frame of this index says, and whether more follow.
    pub(super) fn get(&self, index: usize) -> Option<(Kind, Range<usize>, bool)> {
        let (kind, rows) = self.0.get(index)?;
        Some((*kind, rows.clone(), index + 1 < self.0.len()))
    }

    /// Writes every frame.
    pub(super) fn write(
        &self,
        mut frame: impl FnMut(Kind, Range<usize>, bool) -> Bytes,
    ) -> Arc<[Frame]> {
        let frames = (0..self.0.len()).filter_map(|index| self.get(index));
        let written =
            frames.map(|(kind, rows, more)| Frame::new(kind.name(), frame(kind, rows, more)));
        written.collect()
    }
}

/// What a view sees of a tick, sorted by what frames say: indices in [`Batch::changes`].
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Vec<u32>,
    pub(super) leave: Vec<u32>,
    pub(super) enter: Vec<u32>,
    pub(super) update: Vec<u32>,
    pub(super) positions: Vec<u32>,
    pub(super) telemetry: Vec<u32>,
}

impl Seen {
    pub(super) fn new(batch: &Batch, view: &View<'_>) -> Self {
        let mut seen = Self::default();
        for sight in view.sights {
            match sight.kind {
                SightKind::Enter => seen.enter.push(sight.change),
                SightKind::Leave => seen.leave.push(sight.change),
                SightKind::Update => {
                    let change = &batch.changes[sight.change as usize];
                    seen.add_groups(change.groups.and(view.types.groups()), sight.change);
                }
            }
        }
        seen
    }

    fn add_groups(&mut self, groups: Groups, index: u32) {
        for (list, group) in [
            (&mut self.status, Groups::STATUS),
            (&mut self.update, Groups::INFO.or(Groups::LINKS)),
            (&mut self.positions, Groups::POSITION),
            (&mut self.telemetry, Groups::TELEMETRY),
        ] {
            if groups.intersects(group) {
                list.push(index);
            }
        }
    }

    pub(super) fn plan(&self, view: &View<'_>) -> Plan {
        Plan::new([
            (Kind::Messages, view.messages.len()),
            (Kind::Status, self.status.len()),
            (Kind::Leave, self.leave.len()),
            (Kind::Enter, self.enter.len()),
            (Kind::Update, self.update.len()),
            (Kind::Cells, view.cells.len()),
            (Kind::Positions, self.positions.len()),
            (Kind::Telemetry, self.telemetry.len()),
        ])
    }
}

/// What a client missed, sorted by what frames say: indices in [`Missed::updated`].
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) status: Vec<usize>,
    pub(super) update: Vec<usize>,
    pub(super) positions: Vec<usize>,
    pub(super) telemetry: Vec<usize>,
}

impl Sorted {
    fn new(missed: &Missed) -> Self {
        let of = |group: Groups| {
            let updated = missed.updated.iter().enumerate();
            let changed = updated.filter(|(_, (_, groups))| groups.intersects(group));
            changed.map(|(index, _)| index).collect()
        };
        Self {
            status: of(Groups::STATUS),
            update: of(Groups::INFO.or(Groups::LINKS)),
            positions: of(Groups::POSITION),
            telemetry: of(Groups::TELEMETRY),
        }
    }

    fn plan(&self, missed: &Missed) -> Plan {
        Plan::new([
            (Kind::Messages, missed.messages.len()),
            (Kind::Status, self.status.len()),
            (Kind::Leave, missed.left.len()),
            (Kind::Enter, missed.entered.len()),
            (Kind::Update, self.update.len()),
            (Kind::Cells, missed.cells.len()),
            (Kind::Positions, self.positions.len()),
            (Kind::Telemetry, self.telemetry.len()),
        ])
    }
}

/// The frames of one delivery, in order, each written when it is asked for.
pub(super) struct Frames {
    encoding: Encoding,
    /// The epoch and the revision, as all parts of a snapshot say them.
    head: Bytes,
    delivery: Delivery,
    sorted: Sorted,
    plan: Plan,
    next: usize,
}

impl Frames {
    /// The frames of `delivery` for a client that speaks `encoding`.
    pub(super) fn new(encoding: Encoding, epoch: &Arc<str>, delivery: Delivery) -> Self {
        let sorted = match &delivery.content {
            Content::CatchUp { missed, .. } => Sorted::new(missed),
            Content::Tick(_) | Content::Picture(_) => Sorted::default(),
        };
        let plan = match &delivery.content {
            Content::CatchUp { missed, .. } => sorted.plan(missed),
            Content::Tick(_) | Content::Picture(_) => Plan::default(),
        };
        let head = match (&delivery.content, encoding) {
            (Content::Tick(_) | Content::CatchUp { .. }, _) => Bytes::new(),
            (Content::Picture(_), Encoding::Json) => json::head(epoch, delivery.revision),
            (Content::Picture(_), Encoding::Proto) => proto::head(epoch, delivery.revision),
        };
        Self { encoding, head, delivery, sorted, plan, next: 0 }
    }

    /// The same for a client that reads the nodes of snapshots in this form.
    pub(super) fn in_form(mut self, form: NodeForm) -> Self {
        if let Content::Picture(picture) = &mut self.delivery.content
            && self.encoding == Encoding::Proto
            && form == NodeForm::Columns
        {
            picture.excerpt.set_in_columns();
        }
        self
    }

    /// A part of a snapshot behind its head, which is all that those of several clients differ by.
    fn snapshot(&self, rest: Bytes) -> Frame {
        let lead = match self.encoding {
            Encoding::Json => self.head.clone(),
            Encoding::Proto => proto::lead(&self.head, rest.len()),
        };
        Frame { kind: "snapshot", lead, rest }
    }

    /// Whether the last frame has been written.
    pub(super) fn is_done(&self) -> bool {
        match &self.delivery.content {
            Content::Tick(frames) => self.next >= frames.len(),
            Content::CatchUp { .. } => self.plan.get(self.next).is_none(),
            Content::Picture(picture) => {
                picture.excerpt.is_done() && part(picture, self.next).is_none()
            }
        }
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let revision = self.delivery.revision;
        if let Content::Picture(picture) = &mut self.delivery.content
            && let Some(rest) = picture.excerpt.next_part::<TickEncoder>()
        {
            return Some(self.snapshot(rest));
        }
        let index = self.next;
        self.next += 1;
        match (&self.delivery.content, self.encoding) {
            (Content::Tick(frames), _) => frames.get(index).cloned(),
            (Content::CatchUp { types, missed }, encoding) => {
                let frame = self.plan.get(index)?;
                let kind = frame.0.name();
                let write = match encoding {
                    Encoding::Json => json::missed,
                    Encoding::Proto => proto::missed,
                };
                Some(Frame::new(kind, write(revision, *types, missed, &self.sorted, frame)))
            }
            (Content::Picture(picture), encoding) => {
                let part = part(picture, index)?;
                let rest = match encoding {
                    Encoding::Json => json::part(picture, &part),
                    Encoding::Proto => proto::part(picture, &part),
                };
                Some(self.snapshot(rest))
            }
        }
    }
}

/// One part of a snapshot: what is not in pages.
pub(super) struct Part<'a> {
    pub(super) nodes: &'a [Arc<Node>],
    pub(super) removed: &'a [Gone],
    pub(super) messages: &'a [Arc<Message>],
    pub(super) cells: &'a [CellCount],
    pub(super) more: bool,
}

/// Part `index` of those behind the pages of a snapshot; none after the last. There is one at least.
fn part(picture: &Picture, index: usize) -> Option<Part<'_>> {
    fn cut<'a, T>(list: &'a [T], index: usize, most: usize, more: &mut bool) -> &'a [T] {
        let start = list.len().min(index * most);
        let end = list.len().min(start + most);
        *more |= end < list.len();
        &list[start..end]
    }
    let more = &mut false;
    let nodes = cut(&picture.nodes, index, NODES_PER_FRAME, more);
    let removed = cut(&picture.removed, index, ROWS_PER_FRAME, more);
    let messages = cut(&picture.messages, index, NODES_PER_FRAME, more);
    let cells = cut(picture.cells.as_deref().unwrap_or_default(), index, ROWS_PER_FRAME, more);
    let nothing = nodes.is_empty() && removed.is_empty() && messages.is_empty() && cells.is_empty();
    let more = *more;
    (index == 0 || !nothing).then_some(Part { nodes, removed, messages, cells, more })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{
        broadcast::Excerpt,
        domain::{MessageTypes, Network, NodeId, Patch, Timestamp},
    };

    #[test]
    fn records_that_are_bound_are_a_part_as_it_is_written_at_once() {
        let node = |number| {
            let heard = Timestamp::from_seconds(1_795_239_750);
            let patch = Patch::heard(NodeId::Radio(number), Network::Meshtastic, heard);
            Arc::new(Node { number, ..Node::heard_first(&patch) })
        };
        let nodes: Vec<_> = (1..=3).map(node).collect();
        let bound = |encoding| {
            let mut records = Vec::new();
            for node in &nodes {
                let mut record = Vec::new();
                TickEncoder::write_record(encoding, node, &mut record);
                records.push(record);
            }
            let Binding { before, between, after } = TickEncoder::binding(encoding);
            [before, &records.join(between), after].concat()
        };
        let picture = Picture {
            types: MessageTypes::ALL,
            full: true,
            excerpt: Excerpt::default(),
            nodes: nodes.clone(),
            removed: Vec::new(),
            messages: Vec::new(),
            cells: None,
        };
        let part = Part { nodes: &nodes, removed: &[], messages: &[], cells: &[], more: true };
        assert_eq!(bound(Encoding::Json), json::part(&picture, &part));
        let read = |bytes: &[u8]| proto::messages::Snapshot::decode(bytes).unwrap();
        assert_eq!(read(&bound(Encoding::Proto)), read(&proto::part(&picture, &part)));
    }
}
