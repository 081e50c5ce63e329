//! What a client wants to see.

use std::sync::Arc;

use super::{Area, Groups, Node, NodeId, Zoom};

/// The kinds of messages that a client asked for: a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageTypes {
    groups: Groups,
    messages: bool,
}

impl MessageTypes {
    /// Everything there is.
    pub const ALL: Self = Self { groups: Groups::ALL, messages: true };
    /// Nothing.
    pub const NONE: Self = Self { groups: Groups::NONE, messages: false };
    /// Who nodes are and whom they hear.
    pub const NODE: Self = Self { groups: Groups::INFO.or(Groups::LINKS), messages: false };
    /// Where they are.
    pub const POSITION: Self = Self { groups: Groups::POSITION, messages: false };
    /// What they measure.
    pub const TELEMETRY: Self = Self { groups: Groups::TELEMETRY, messages: false };
    /// Whether they live.
    pub const STATUS: Self = Self { groups: Groups::STATUS, messages: false };
    /// What is said on the channels.
    pub const MESSAGE: Self = Self { groups: Groups::NONE, messages: true };

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { groups: self.groups.or(other.groups), messages: self.messages || other.messages }
    }

    /// The set without what is said on the channels.
    #[must_use]
    pub const fn without_messages(self) -> Self {
        Self { messages: false, ..self }
    }

    /// The set without whom nodes hear.
    #[must_use]
    pub const fn without_links(self) -> Self {
        Self { groups: self.groups.without(Groups::LINKS), ..self }
    }

    /// The field groups that are sent.
    pub const fn groups(self) -> Groups {
        self.groups
    }

    /// Whether messages are sent.
    pub const fn messages(self) -> bool {
        self.messages
    }
}

/// A client's filter. Every part given must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only nodes whose place lies within. A node without a position matches no bounds.
    pub bounds: Option<Area>,
    /// Only these nodes, in order.
    pub node_ids: Option<Arc<[NodeId]>>,
    /// These nodes as well, in order, wherever they are.
    pub also_ids: Arc<[NodeId]>,
    /// Only these kinds of messages.
    pub types: MessageTypes,
    /// Counts of nodes by tile instead of the nodes, save `also_ids`.
    pub cells: Option<Zoom>,
    /// Whether the client must not hear of nodes that it may never have held: who fell behind is told
    /// of all that may have left.
    pub discreet: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            bounds: None,
            node_ids: None,
            also_ids: Arc::default(),
            types: MessageTypes::ALL,
            cells: None,
            discreet: false,
        }
    }
}

impl Filter {
    /// A filter for these nodes only.
    #[must_use]
    pub fn with_node_ids(mut self, ids: impl IntoIterator<Item = NodeId>) -> Self {
        self.node_ids = Some(sorted(ids));
        self
    }

    /// A filter for these nodes as well.
    #[must_use]
    pub fn with_also_ids(mut self, ids: impl IntoIterator<Item = NodeId>) -> Self {
        self.also_ids = sorted(ids);
        self
    }

    /// Whether the client holds this node, which decides what it is sent of it. A client that
    /// asked for none of the field groups holds no nodes at all.
    pub fn matches(&self, node: &Node) -> bool {
        !self.types.groups().is_empty()
            && (self.picks(&node.id) || self.cells.is_none() && self.spans(node))
    }

    /// Whether bounds and ids hold this node, whatever is to be sent of it.
    pub fn covers(&self, node: &Node) -> bool {
        self.picks(&node.id) || self.spans(node)
    }

    /// Whether the client holds this node if it is in the right place.
    pub fn may_hold(&self, id: &NodeId) -> bool {
        !self.types.groups().is_empty()
            && (self.picks(id) || self.cells.is_none() && self.names(id))
    }

    /// Whether bounds and ids hold a node of this id that has no place.
    pub fn covers_placeless(&self, id: &NodeId) -> bool {
        self.picks(id) || self.bounds.is_none() && self.names(id)
    }

    /// Whether bounds and node ids hold this node, apart from those that are picked as well:
    /// what is counted in cells.
    pub fn spans(&self, node: &Node) -> bool {
        self.names(&node.id)
            && self
                .bounds
                .as_ref()
                .is_none_or(|area| node.place().is_some_and(|place| area.contains(place)))
    }

    /// Whether this is one of the nodes that are wanted wherever they are.
    pub fn picks(&self, id: &NodeId) -> bool {
        self.also_ids.binary_search(id).is_ok()
    }

    fn names(&self, id: &NodeId) -> bool {
        self.node_ids.as_ref().is_none_or(|ids| ids.binary_search(id).is_ok())
    }
}

fn sorted(ids: impl IntoIterator<Item = NodeId>) -> Arc<[NodeId]> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into()
}
