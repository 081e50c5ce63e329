//! Nodes of which nothing is kept or shown, whatever they say.

use rustc_hash::FxHashMap;

use crate::domain::{NodeId, Timestamp};

/// Why a node is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// An administrator said so, and only an administrator lets it in again.
    Forgotten,
    /// Its name says so, until it has another name.
    OptedOut,
    /// It is outside the region, until it is inside. Its history is kept.
    OutsideRegion,
}

impl Why {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Forgotten, Self::OptedOut, Self::OutsideRegion];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forgotten => "forgotten",
            Self::OptedOut => "opted_out",
            Self::OutsideRegion => "outside_region",
        }
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.name() == name)
    }

    /// Whether what is stored of the node goes, too.
    pub const fn erases(self) -> bool {
        matches!(self, Self::Forgotten | Self::OptedOut)
    }
}

/// Since when a node is kept out, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Why.
    pub why: Why,
    /// When that was said. Only what was said later changes it.
    pub since: Timestamp,
}

/// A change of who is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This node is kept out from now on.
    Out(NodeId, Left),
    /// This node is let in again.
    In(NodeId),
}

impl Standing {
    /// Whom it is about.
    pub fn node(&self) -> &NodeId {
        let (Self::Out(node, _) | Self::In(node)) = self;
        node
    }
}

/// Everybody who is kept out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptOut(FxHashMap<NodeId, Left>);

impl KeptOut {
    /// Since when this node is kept out, and why, if it is.
    pub fn get(&self, node: &NodeId) -> Option<Left> {
        self.0.get(node).copied()
    }

    /// Whether nothing at all is told of this node, not even by others. One that is outside the
    /// region only has nothing shown of itself.
    pub fn is_hidden(&self, node: &NodeId) -> bool {
        self.get(node).is_some_and(|left| left.why.erases())
    }

    /// Takes in a change; says whether it is one.
    pub fn apply(&mut self, standing: &Standing) -> bool {
        match standing {
            Standing::Out(node, left) => self.0.insert(node.clone(), *left) != Some(*left),
            Standing::In(node) => self.0.remove(node).is_some(),
        }
    }

    /// Everybody, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &Left)> {
        self.0.iter()
    }

    /// How many are kept out.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nobody is kept out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(NodeId, Left)> for KeptOut {
    fn from_iter<I: IntoIterator<Item = (NodeId, Left)>>(nodes: I) -> Self {
        Self(nodes.into_iter().collect())
    }
}
