//! The heart: what a client at a cursor misses, with no memory of that client.

use std::{ops::Bound, sync::Arc};

use super::{Reach, Revision, World};
use crate::domain::{CellCount, Filter, Groups, Message, Node, NodeId, Spoken};

/// A node that is to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub id: NodeId,
    /// The number that stands for it in this epoch.
    pub number: u32,
}

impl Gone {
    /// The node as one to be dropped.
    pub fn from(node: &Node) -> Self {
        Self { id: node.id.clone(), number: node.number }
    }
}

/// What a client at some revision misses, in order of the oldest change first.
#[derive(Clone, Debug, Default)]
pub struct Missed {
    /// Nodes that it may not hold: whole records.
    pub entered: Vec<Arc<Node>>,
    /// Nodes that it holds, and the groups that changed since.
    pub updated: Vec<(Arc<Node>, Groups)>,
    /// Nodes that it may hold and should not.
    pub left: Vec<Gone>,
    /// What was said since.
    pub messages: Vec<Arc<Message>>,
    /// Cells in which something has happened.
    pub cells: Vec<CellCount>,
}

impl World {
    /// What a client misses that held everything matching `held` at revision `cursor` and now
    /// wants what matches `wanted`. None when its cursor is void, and only a fresh picture helps:
    /// it is from the future, older than the oldest tombstone, other groups or cells are wanted
    /// now, or the client must not hear of what it may not hold.
    ///
    /// Nothing may be pending. This needs no memory of the client: where a node's position has not
    /// changed since the cursor, `held` says whether the client has the node; where it has changed,
    /// the client may or may not have it, and is sent the whole record, or the id, which does no
    /// harm twice. Of a node that was never near it hears nothing.
    pub fn missed(&self, held: &Filter, wanted: &Filter, cursor: Revision) -> Option<Missed> {
        let other_kind = held.types != wanted.types || held.cells != wanted.cells;
        if held.discreet || wanted.discreet {
            return None;
        }
        if cursor < self.horizon || cursor > self.revision || other_kind {
            return None;
        }
        let cells = self.cells_missed(held, wanted, cursor)?;
        let mut missed = Missed { cells, ..Missed::default() };
        let newer = (Bound::Excluded(cursor), Bound::Unbounded);
        let area: Option<Vec<_>> = held.bounds.as_ref().map(|area| area.spans().collect());
        let was_near =
            |reach: &Reach| area.as_ref().is_none_or(|area| reach.may_have_touched(area, cursor));
        for (_, id) in self.log.range(newer) {
            let Some(entry) = self.nodes.get(id) else {
                if held.may_hold(id)
                    && let Some(tombstone) = self.tombstones.get(id)
                {
                    missed.left.push(Gone { id: id.clone(), number: tombstone.number });
                }
                continue;
            };
            let settled = entry.changed.position <= cursor;
            let may_hold = || {
                if settled {
                    held.matches(&entry.node)
                } else {
                    held.may_hold(id) && (held.picks(id) || was_near(&entry.reach))
                }
            };
            if wanted.matches(&entry.node) {
                if settled && may_hold() {
                    let groups = entry.changed.since(cursor).and(wanted.types.groups());
                    if !groups.is_empty() {
                        missed.updated.push((Arc::clone(&entry.node), groups));
                    }
                } else {
                    missed.entered.push(Arc::clone(&entry.node));
                }
            } else if may_hold() {
                missed.left.push(Gone::from(&entry.node));
            }
        }
        if held != wanted {
            self.rests_between(held, wanted, cursor, &mut missed);
        }
        // What was said where the client did not look is as new to it as what was said since.
        missed.messages = self.messages_after(wanted, Some(cursor).filter(|_| held == wanted));
        Some(missed)
    }

    /// Adds the nodes that have not changed since `cursor` and match only one of the filters.
    fn rests_between(&self, held: &Filter, wanted: &Filter, cursor: Revision, missed: &mut Missed) {
        let rests =
            |node: &Node| self.nodes.get(&node.id).is_some_and(|entry| entry.revision <= cursor);
        self.for_each_candidate(wanted, |node| {
            if wanted.matches(node) && !held.matches(node) && rests(node) {
                missed.entered.push(Arc::clone(node));
            }
        });
        self.for_each_candidate(held, |node| {
            if held.matches(node) && !wanted.matches(node) && rests(node) {
                missed.left.push(Gone::from(node));
            }
        });
    }

    pub(super) fn messages_after(
        &self,
        filter: &Filter,
        cursor: Option<Revision>,
    ) -> Vec<Arc<Message>> {
        let newer = self
            .messages
            .iter()
            .filter(|(revision, _)| cursor.is_none_or(|cursor| *revision > cursor));
        newer
            .map(|(_, message)| Spoken {
                message: Arc::clone(message),
                sender: self.get(&message.from).cloned(),
            })
            .filter(|spoken| spoken.heard_through(filter))
            .map(|spoken| spoken.message)
            .collect()
    }
}
