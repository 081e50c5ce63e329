//! Starting again where the last run ended: with the same count of revisions if it left one.

use rstar::RTree;
use rustc_hash::FxHashMap;

use super::{Changed, Entry, Lifetimes, Reach, Revision, World, placed};
use crate::domain::{Groups, Message, Node, NodeId, Status, Timestamp};

/// What the next run needs to go on with the count of this one, so that clients can resume.
///
/// It says nothing that is not also known to clients or in the histories. It holds only for nodes
/// whose state is found again exactly as it was; others count as changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Continuation {
    /// The epoch that goes on.
    pub epoch: String,
    /// The newest revision.
    pub revision: u64,
    /// Cursors older than this are void.
    pub horizon: u64,
    /// The greatest number given to a node.
    pub last_number: u32,
    /// Every node.
    pub nodes: Vec<ContinuedNode>,
    /// Every node that has left.
    pub tombstones: Vec<Tombstone>,
    /// What was said lately.
    pub messages: Vec<ContinuedMessage>,
}

/// A node in the count.
#[derive(Clone, Debug, PartialEq)]
pub struct ContinuedNode {
    /// Which.
    pub id: NodeId,
    /// Its number.
    pub number: u32,
    /// The revisions at which its groups changed, in the order of [`Groups::EACH`].
    pub changed: [u64; 5],
    /// See [`Node::fingerprint`].
    pub fingerprint: u64,
    /// Its status.
    pub status: Status,
}

/// A node that has left.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    /// Which.
    pub id: NodeId,
    /// Its number.
    pub number: u32,
    /// The revision at which it left.
    pub revision: u64,
    /// When it left.
    pub since: Timestamp,
}

/// A message in the count.
#[derive(Clone, Debug, PartialEq)]
pub struct ContinuedMessage {
    /// The sender.
    pub from: NodeId,
    /// The number of its packet.
    pub packet_id: u64,
    /// The revision at which it was said.
    pub revision: u64,
}

impl World {
    /// A world of nodes and messages as they were stored, both with the oldest first. Nodes that
    /// have been silent for too long stay out. The count goes on from `continuation` if there is
    /// one, and starts anew if not.
    pub fn restore(
        lifetimes: Lifetimes,
        nodes: Vec<Node>,
        messages: Vec<Message>,
        continuation: Option<Continuation>,
        now: Timestamp,
    ) -> Self {
        let mut world = Self::new(lifetimes);
        let left = continuation.unwrap_or_default();
        world.revision = Revision(left.revision);
        world.horizon = Revision(left.horizon);
        world.last_number = left.last_number;
        for tombstone in left.tombstones {
            world.bury(tombstone);
        }
        let mut kept: FxHashMap<_, _> =
            left.nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
        let nodes: Vec<_> = nodes
            .into_iter()
            .filter(|node| !node.is_forgotten(lifetimes.forget_after, now))
            .collect();
        world.places = RTree::bulk_load(nodes.iter().filter_map(placed).collect());
        for node in nodes {
            let kept = kept.remove(&node.id);
            world.place_back(node, kept, now);
        }
        for gone in kept.into_values() {
            let revision = world.next_revision().0;
            let ContinuedNode { id, number, .. } = gone;
            world.bury(Tombstone { id, number, revision, since: now });
        }
        let said: FxHashMap<_, _> = left
            .messages
            .into_iter()
            .map(|said| ((said.from, said.packet_id), Revision(said.revision)))
            .collect();
        for message in messages {
            let known = said.get(&(message.from.clone(), message.packet_id)).copied();
            let revision = known.unwrap_or_else(|| world.next_revision());
            world.messages.push_back((revision, message.into()));
        }
        world.messages.make_contiguous().sort_by_key(|(revision, _)| *revision);
        world
    }

    /// What the next run needs to go on. Nothing may be pending.
    pub fn continuation(&self, epoch: &str) -> Continuation {
        let nodes = self.nodes.values().map(|entry| ContinuedNode {
            id: entry.node.id.clone(),
            number: entry.node.number,
            changed: entry.changed.to_array(),
            fingerprint: entry.node.fingerprint(),
            status: entry.node.status,
        });
        let tombstones = self.tombstone_ages.iter().filter_map(|(revision, (since, id))| {
            let number = self.tombstones.get(id)?.number;
            Some(Tombstone { id: id.clone(), number, revision: revision.0, since: *since })
        });
        let messages = self.messages.iter().map(|(revision, message)| ContinuedMessage {
            from: message.from.clone(),
            packet_id: message.packet_id,
            revision: revision.0,
        });
        Continuation {
            epoch: epoch.to_owned(),
            revision: self.revision.0,
            horizon: self.horizon.0,
            last_number: self.last_number,
            nodes: nodes.collect(),
            tombstones: tombstones.collect(),
            messages: messages.collect(),
        }
    }

    /// Puts a stored node into the world. What is not exactly as it was counts as changed now.
    fn place_back(&mut self, mut node: Node, kept: Option<ContinuedNode>, now: Timestamp) {
        node.status.online = self.is_online(node.status.last_heard, now);
        let mut changed = Changed::from_array(kept.as_ref().map_or([0; 5], |kept| kept.changed));
        if let Some(kept) = kept {
            node.number = kept.number;
            if kept.fingerprint != node.fingerprint() {
                changed = Changed::all(self.next_revision());
            } else if kept.status != node.status {
                changed.mark(Groups::STATUS, self.next_revision());
            }
        } else {
            node.number = self.number_for(&node.id);
            changed = Changed::all(self.next_revision());
        }
        let revision = changed.last();
        self.log.insert(revision, node.id.clone());
        let look_at = self.look_at(&node);
        self.silences.insert((look_at, node.id.clone()));
        let reach = Reach::of(node.place(), changed.position);
        let entry = Entry { changed, reach, revision, look_at, node: node.into() };
        self.nodes.insert(entry.node.id.clone(), entry);
    }
}
