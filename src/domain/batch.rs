//! What one tick changed: each node once, as it was before and as it is after.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Filter, Groups, Message, MessageTypes, Motion, Node, NodeId, Place, Revision, Tile, Zoom,
};

/// One node's change within a tick.
#[derive(Clone, Debug)]
pub struct Change {
    /// The node at the tick before; none if it was not there.
    pub before: Option<Arc<Node>>,
    /// The node now; none if it was forgotten.
    pub after: Option<Arc<Node>>,
    /// The groups in which the two differ.
    pub groups: Groups,
    /// Whether it was forgotten and heard again within the tick, so that fields may be gone.
    pub renewed: bool,
}

/// Everything that changed between two ticks.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The revision that a client holds once it has applied the batch.
    pub revision: Revision,
    /// One change for each node that changed, in the order of first change.
    pub changes: Vec<Change>,
    /// What was said, in order.
    pub messages: Vec<Spoken>,
}

/// A message, with its sender as it is at the end of the tick.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// What was said.
    pub message: Arc<Message>,
    /// Who said it; none if the node was forgotten since.
    pub sender: Option<Arc<Node>>,
}

/// What a change means to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SightKind {
    /// The node comes into the filter: the client gets the whole record.
    Enter,
    /// It was in and stays in: the client gets the groups that changed.
    Update,
    /// It leaves the filter: the client gets its id.
    Leave,
}

/// One change of a batch as one client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Index in [`Batch::changes`].
    pub change: u32,
    /// What it means.
    pub kind: SightKind,
}

impl Change {
    /// The node, whichever state of it there is.
    pub fn node(&self) -> Option<&Arc<Node>> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The node's id.
    pub fn id(&self) -> Option<&NodeId> {
        self.node().map(|node| &node.id)
    }

    /// What this change means to a client with `filter` that held the tick before.
    pub fn seen_through(&self, filter: &Filter) -> Option<SightKind> {
        let matches =
            |node: &Option<Arc<Node>>| node.as_ref().is_some_and(|node| filter.matches(node));
        self.seen_in(matches(&self.before), matches(&self.after), filter.types)
    }

    /// The same for one who wants these types, where it is known whether the filter held the node
    /// `before`, and holds it `after`.
    pub fn seen_in(&self, before: bool, after: bool, types: MessageTypes) -> Option<SightKind> {
        if types.groups().is_empty() {
            return None;
        }
        match (before, after) {
            (true, true) if self.renewed => Some(SightKind::Enter),
            (true, true) => self.groups.intersects(types.groups()).then_some(SightKind::Update),
            (false, true) => Some(SightKind::Enter),
            (true, false) => Some(SightKind::Leave),
            (false, false) => None,
        }
    }

    /// Where the node was and is.
    pub fn motion(&self) -> Motion {
        let place = |node: &Option<Arc<Node>>| node.as_deref()?.place();
        Motion { before: place(&self.before), after: place(&self.after) }
    }
}

/// What cells count of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) online: bool,
}

impl Spot {
    pub(super) fn of(node: &Node) -> Option<Self> {
        let online = node.status.online;
        node.place().map(|place| Self { place, online })
    }
}

/// A cell that something has happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedCell {
    /// Which.
    pub tile: Tile,
    /// Whether other nodes are in it, or online, than before. If not, a node has only moved
    /// within: no news to whoever sees the whole cell.
    pub recounted: bool,
}

impl Batch {
    /// The cells that were touched by changes of nodes with an id for which `named` holds.
    pub fn touched_cells(&self, zoom: Zoom, named: impl Fn(&NodeId) -> bool) -> Vec<TouchedCell> {
        let mut shifts: BTreeMap<Tile, (i64, i64)> = BTreeMap::new();
        for change in self.changes.iter().filter(|change| change.id().is_some_and(&named)) {
            let spot = |node: &Option<Arc<Node>>| node.as_deref().and_then(Spot::of);
            let (from, to) = (spot(&change.before), spot(&change.after));
            if from == to {
                continue;
            }
            for (spot, by) in from.map(|spot| (spot, -1)).into_iter().chain(to.map(|to| (to, 1))) {
                let shift = shifts.entry(Tile::of(spot.place, zoom)).or_default();
                shift.0 += by;
                shift.1 += by * i64::from(spot.online);
            }
        }
        let touched = shifts.into_iter();
        touched.map(|(tile, shift)| TouchedCell { tile, recounted: shift != (0, 0) }).collect()
    }
}

impl Spoken {
    /// Whether a client with `filter` is sent this message.
    pub fn heard_through(&self, filter: &Filter) -> bool {
        filter.types.messages()
            && match &self.sender {
                Some(sender) => filter.covers(sender),
                None => filter.covers_placeless(&self.message.from),
            }
    }
}
