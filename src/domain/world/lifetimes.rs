//! What happens when nothing is heard: nodes turn offline, are forgotten, and that is forgotten too.

use std::{sync::Arc, time::Duration};

use super::{Revision, Tombstone, World, placed};
use crate::domain::{Groups, Links, Node, NodeId, Timestamp};

/// How long things last without a word.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A node silent for this long is offline.
    pub offline_after: Duration,
    /// A node silent for this long leaves the world.
    pub forget_after: Duration,
    /// How long it is remembered that a node left, for clients who were away.
    pub tombstones: Duration,
}

/// What is remembered of a node that has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buried {
    pub(super) revision: Revision,
    pub(super) number: u32,
}

impl World {
    /// Lets time pass: nodes turn offline, are forgotten, and old tombstones fall.
    pub fn pass_time(&mut self, now: Timestamp) {
        while let Some((look_at, _)) = self.silences.first()
            && *look_at <= now
            && let Some((_, id)) = self.silences.pop_first()
        {
            let Some(entry) = self.nodes.get(&id) else { continue };
            let before = Arc::clone(&entry.node);
            let last_heard = before.status.last_heard;
            if before.is_forgotten(self.lifetimes.forget_after, now) {
                self.forget(&id, now);
                continue;
            }
            if before.status.online && !self.is_online(last_heard, now) {
                let mut node = (*before).clone();
                node.status.online = false;
                self.replace(before, node, Groups::STATUS);
            }
            let Some(entry) = self.nodes.get(&id) else { continue };
            let next = self.look_at(&entry.node);
            self.silences.insert((next, id.clone()));
            if let Some(entry) = self.nodes.get_mut(&id) {
                entry.look_at = next;
            }
        }
        self.drop_tombstones(now);
    }

    /// Takes a node out of the world; says whether it was there.
    pub fn forget(&mut self, id: &NodeId, now: Timestamp) -> bool {
        let Some(entry) = self.nodes.remove(id) else { return false };
        self.silences.remove(&(entry.look_at, id.clone()));
        if let Some(placed) = placed(&entry.node) {
            self.places.remove(&placed);
        }
        self.log.remove(&entry.revision);
        let revision = self.next_revision();
        let number = entry.node.number;
        self.bury(Tombstone { id: id.clone(), number, revision: revision.0, since: now });
        self.shift_cells(Some(&entry.node), None, revision);
        self.note_pending(id, Some(entry.node), Groups::ALL, false);
        true
    }

    /// Takes a node out of the world, and what it said and others say of it: it is as if it had
    /// never been heard, but that clients are told that it left.
    pub(super) fn withdraw(&mut self, id: &NodeId, now: Timestamp) {
        self.forget(id, now);
        self.messages.retain(|(_, message)| message.from != *id);
        self.pending_messages.retain(|message| message.from != *id);
        let hears = |node: &Node| {
            let links = node.links.as_ref();
            links.is_some_and(|links| links.neighbours.iter().any(|link| link.id == *id))
        };
        let hearing = self.nodes.values().filter(|entry| hears(&entry.node));
        let hearing: Vec<_> = hearing.map(|entry| Arc::clone(&entry.node)).collect();
        for before in hearing {
            let mut node = (*before).clone();
            node.links = node.links.map(|links| {
                let others = links.neighbours.iter().filter(|link| link.id != *id);
                Arc::new(Links { stamp: links.stamp, neighbours: others.cloned().collect() })
            });
            self.replace(before, node, Groups::LINKS);
        }
    }

    /// Remembers that a node has left.
    pub(super) fn bury(&mut self, Tombstone { id, number, revision, since }: Tombstone) {
        let revision = Revision(revision);
        self.log.insert(revision, id.clone());
        self.tombstones.insert(id.clone(), Buried { revision, number });
        self.tombstone_ages.insert(revision, (since, id));
    }

    /// The number of a node that comes: the one it had if that is remembered, else the next one.
    /// Nothing else remembers then that it had left.
    pub(super) fn number_for(&mut self, id: &NodeId) -> u32 {
        if let Some(buried) = self.tombstones.remove(id) {
            self.log.remove(&buried.revision);
            self.tombstone_ages.remove(&buried.revision);
            return buried.number;
        }
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    fn drop_tombstones(&mut self, now: Timestamp) {
        let expired = now.minus(self.lifetimes.tombstones);
        while let Some((&revision, (since, _))) = self.tombstone_ages.first_key_value()
            && *since <= expired
            && let Some((_, (_, id))) = self.tombstone_ages.pop_first()
        {
            self.tombstones.remove(&id);
            self.log.remove(&revision);
            self.horizon = revision;
        }
    }

    pub(super) fn is_online(&self, last_heard: Timestamp, now: Timestamp) -> bool {
        last_heard.plus(self.lifetimes.offline_after) > now
    }

    /// When a node as it is now turns offline, or if it is, when it is forgotten.
    pub(super) fn look_at(&self, node: &Node) -> Timestamp {
        let span = if node.status.online {
            self.lifetimes.offline_after.min(self.lifetimes.forget_after)
        } else {
            self.lifetimes.forget_after
        };
        node.status.last_heard.plus(span)
    }
}
