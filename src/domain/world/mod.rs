//! All that is known now: nodes by id and by place, and by the revision of their last change.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rstar::{AABB, Envelope, RTree, primitives::GeomWithData};
use rustc_hash::FxHashMap;

mod cells;
mod changed;
mod lifetimes;
mod missed;
mod reach;
mod restore;
#[cfg(test)]
mod tests;

use cells::Grid;
use changed::Changed;
use lifetimes::Buried;
pub use lifetimes::Lifetimes;
pub use missed::{Gone, Missed};
use reach::Reach;
pub use restore::{Continuation, ContinuedMessage, ContinuedNode, Tombstone};

use super::{
    Batch, Change, Filter, Groups, Message, Node, NodeId, Patch, Timestamp, Zoom, batch::Spoken,
};

/// A count of the changes of the world: each change of a node carries the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// How many nodes are looked at before any of them is held: as many as stay in the processor's
/// cache meanwhile.
const LOOKED_AT_TOGETHER: usize = 256;

/// How many messages the world remembers for those who come later.
const RECENT_MESSAGES: usize = 200;

#[derive(Debug)]
struct Entry {
    node: Arc<Node>,
    changed: Changed,
    reach: Reach,
    /// The revision of the last change: the node's place in the log.
    revision: Revision,
    /// When to look at its silence again: never later than it next turns offline or is forgotten.
    look_at: Timestamp,
}

/// What is pending of one node: what it was at the last tick, and what has changed since.
#[derive(Debug)]
struct Pending {
    id: NodeId,
    before: Option<Arc<Node>>,
    groups: Groups,
    renewed: bool,
}

type PlacedNode = GeomWithData<[f64; 2], NodeId>;

/// Everything that is known now. One task owns it.
#[derive(Debug)]
pub struct World {
    lifetimes: Lifetimes,
    revision: Revision,
    /// Cursors older than this are void: tombstones have been dropped since.
    horizon: Revision,
    nodes: FxHashMap<NodeId, Entry>,
    places: RTree<PlacedNode>,
    /// The compacted log: every node and every tombstone once, at its last change.
    log: BTreeMap<Revision, NodeId>,
    tombstones: FxHashMap<NodeId, Buried>,
    /// When each tombstone was set, the oldest first.
    tombstone_ages: BTreeMap<Revision, (Timestamp, NodeId)>,
    silences: BTreeSet<(Timestamp, NodeId)>,
    /// The greatest number given to a node; none is given twice.
    last_number: u32,
    /// Counts by the tiles of those zooms that somebody looks at.
    grids: BTreeMap<Zoom, Grid>,
    messages: VecDeque<(Revision, Arc<Message>)>,
    pending: Vec<Pending>,
    pending_at: FxHashMap<NodeId, usize>,
    pending_messages: Vec<Arc<Message>>,
}

impl World {
    /// An empty world.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            revision: Revision::default(),
            horizon: Revision::default(),
            nodes: FxHashMap::default(),
            places: RTree::new(),
            log: BTreeMap::new(),
            tombstones: FxHashMap::default(),
            tombstone_ages: BTreeMap::new(),
            silences: BTreeSet::new(),
            last_number: 0,
            grids: BTreeMap::new(),
            messages: VecDeque::new(),
            pending: Vec::new(),
            pending_at: FxHashMap::default(),
            pending_messages: Vec::new(),
        }
    }

    /// The revision of the newest change, pending ones included.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of this id.
    pub fn get(&self, id: &NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(id).map(|entry| &entry.node)
    }

    /// Every node, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().map(|entry| &entry.node)
    }

    /// Whether something changed since the last tick was sealed.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.pending_messages.is_empty()
    }

    /// Takes in what a packet says. What is no news leaves no trace: no revision, no change.
    pub fn apply(&mut self, patch: &Patch, now: Timestamp) {
        if patch.leaves {
            self.withdraw(&patch.node, now);
            return;
        }
        let forget_after = self.lifetimes.forget_after;
        // Also when nobody has looked at its silence since: storage starts it anew, too.
        if self.get(&patch.node).is_some_and(|held| held.is_forgotten(forget_after, now)) {
            self.forget(&patch.node, now);
        }
        let known = self.nodes.contains_key(&patch.node);
        // Packets of a node long silent are history: without this they would come and go at once.
        if !known && patch.heard <= now.minus(forget_after) {
            return;
        }
        if !known {
            self.create(patch, now);
        }
        let online = self.is_online(patch.heard, now);
        if let Some(entry) = self.nodes.get_mut(&patch.node) {
            let before = Arc::clone(&entry.node);
            let mut node = (*before).clone();
            let mut news = node.merge(patch);
            if node.status.last_heard == patch.heard && node.status.online != online {
                node.status.online = online;
                news = news.or(Groups::STATUS);
            }
            if !news.is_empty() {
                self.replace(before, node, news);
            } else if *before != node {
                // The same stated again: only a stamp is newer, which nobody is shown.
                entry.node = Arc::new(node);
            }
        }
        if let Some(message) = &patch.message {
            self.remember(Arc::clone(message));
        }
    }

    /// Closes the tick: what changed since the last one, each node once. None if nothing did.
    pub fn seal(&mut self) -> Option<Batch> {
        if !self.has_pending() {
            return None;
        }
        self.pending_at.clear();
        let changes = self.pending.drain(..).map(|pending| Change {
            before: pending.before,
            after: self.nodes.get(&pending.id).map(|entry| Arc::clone(&entry.node)),
            groups: pending.groups,
            renewed: pending.renewed,
        });
        // A node that came and went within the tick was never seen by anybody.
        let changes = changes.filter(|change| change.node().is_some()).collect();
        let messages = std::mem::take(&mut self.pending_messages);
        let messages = messages
            .into_iter()
            .map(|message| Spoken { sender: self.get(&message.from).cloned(), message })
            .collect();
        Some(Batch { revision: self.revision, changes, messages })
    }

    /// The nodes that match `filter`, in no order.
    pub fn matching(&self, filter: &Filter) -> Vec<Arc<Node>> {
        // Found first, and then looked at, some at a time: each is somewhere else in memory, and
        // the processor waits for several at once if nothing else is to be done between.
        let mut candidates = Vec::new();
        self.for_each_candidate(filter, |node| candidates.push(node));
        let mut found = Vec::new();
        for some in candidates.chunks(LOOKED_AT_TOGETHER) {
            let matching = some.iter().copied().filter(|node| filter.matches(node));
            found.extend(matching.collect::<Vec<_>>().into_iter().cloned());
        }
        found
    }

    /// The remembered messages that `filter` lets through, oldest first.
    pub fn recent_messages(&self, filter: &Filter) -> Vec<Arc<Message>> {
        self.messages_after(filter, None)
    }

    /// Calls `visit` once for every node that may match, by the cheapest index.
    fn for_each_candidate<'a>(&'a self, filter: &Filter, mut visit: impl FnMut(&'a Arc<Node>)) {
        if filter.types.groups().is_empty() {
            return;
        }
        filter.also_ids.iter().filter_map(|id| self.get(id)).for_each(&mut visit);
        if filter.cells.is_some() {
            return;
        }
        let mut visit = |node: &'a Arc<Node>| {
            if !filter.picks(&node.id) {
                visit(node);
            }
        };
        if let Some(ids) = &filter.node_ids {
            ids.iter().filter_map(|id| self.get(id)).for_each(visit);
        } else if let Some(area) = &filter.bounds {
            let corners: Vec<_> = area.corners().map(|(a, b)| AABB::from_corners(a, b)).collect();
            for (index, envelope) in corners.iter().enumerate() {
                let inside = self.places.locate_in_envelope_intersecting(*envelope);
                let seen = |at: &[f64; 2]| {
                    corners[..index].iter().any(|earlier| earlier.contains_point(at))
                };
                let new = inside.filter(|placed| !seen(placed.geom()));
                new.filter_map(|placed| self.get(&placed.data)).for_each(&mut visit);
            }
        } else {
            self.nodes().for_each(visit);
        }
    }

    fn create(&mut self, patch: &Patch, now: Timestamp) {
        let id = &patch.node;
        let mut node = Node::heard_first(patch);
        node.status.online = self.is_online(patch.heard, now);
        let revision = self.next_revision();
        node.number = self.number_for(id);
        self.log.insert(revision, id.clone());
        let look_at = self.look_at(&node);
        self.silences.insert((look_at, id.clone()));
        // Only counts if it was there at the last tick.
        self.note_pending(id, None, Groups::ALL, true);
        let (changed, reach) = (Changed::all(revision), Reach::of(node.place(), revision));
        let entry = Entry { node: Arc::new(node), changed, reach, revision, look_at };
        self.nodes.insert(id.clone(), entry);
    }

    /// Puts `node` in the place of `before`, with a new revision for the groups in `news`.
    fn replace(&mut self, before: Arc<Node>, node: Node, news: Groups) {
        let revision = self.next_revision();
        let moves = news.intersects(Groups::POSITION) && before.place() != node.place();
        if moves {
            if let Some(old) = placed(&before) {
                self.places.remove(&old);
            }
            if let Some(new) = placed(&node) {
                self.places.insert(new);
            }
        }
        self.shift_cells(Some(&before), Some(&node), revision);
        let id = node.id.clone();
        let next_look = self.look_at(&node);
        self.note_pending(&id, Some(before), news, false);
        let Some(entry) = self.nodes.get_mut(&id) else { return };
        self.log.remove(&entry.revision);
        self.log.insert(revision, id.clone());
        entry.revision = revision;
        entry.changed.mark(news, revision);
        if moves {
            entry.reach.move_to(node.place(), revision);
        }
        entry.node = Arc::new(node);
        if next_look < entry.look_at {
            self.silences.remove(&(entry.look_at, id.clone()));
            self.silences.insert((next_look, id));
            entry.look_at = next_look;
        }
    }

    fn note_pending(
        &mut self,
        id: &NodeId,
        before: Option<Arc<Node>>,
        groups: Groups,
        renewed: bool,
    ) {
        if let Some(&at) = self.pending_at.get(id) {
            let pending = &mut self.pending[at];
            pending.groups = pending.groups.or(groups);
            pending.renewed |= renewed;
        } else {
            self.pending_at.insert(id.clone(), self.pending.len());
            self.pending.push(Pending { id: id.clone(), before, groups, renewed });
        }
    }

    fn remember(&mut self, message: Arc<Message>) {
        let revision = self.next_revision();
        self.messages.push_back((revision, Arc::clone(&message)));
        if self.messages.len() > RECENT_MESSAGES {
            self.messages.pop_front();
        }
        self.pending_messages.push(message);
    }

    fn next_revision(&mut self) -> Revision {
        self.revision = Revision(self.revision.0 + 1);
        self.revision
    }
}

fn placed(node: &Node) -> Option<PlacedNode> {
    node.place().map(|place| GeomWithData::new(place.point(), node.id.clone()))
}
