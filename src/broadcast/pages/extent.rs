//! What a page holds, or several together.

use crate::domain::Span;

/// Where nodes are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Around all places.
    pub(super) around: Span,
    /// Whether a node has no place.
    pub(super) has_placeless: bool,
    /// Whether there is no node.
    pub(super) is_empty: bool,
}

impl Extent {
    /// That of no nodes.
    pub(super) const EMPTY: Self =
        Self { around: Span::NOWHERE, has_placeless: false, is_empty: true };

    /// That of the nodes of both.
    pub(super) fn joined(self, other: Self) -> Self {
        Self {
            around: self.around.joined(other.around),
            has_placeless: self.has_placeless || other.has_placeless,
            is_empty: self.is_empty && other.is_empty,
        }
    }

    /// Whether there may be a node in this area.
    pub(super) fn meets(self, area: &[Span]) -> bool {
        area.iter().any(|span| span.meets(self.around))
    }

    /// Whether all nodes are in this area.
    pub(super) fn is_within(self, mut area: impl Iterator<Item = Span>) -> bool {
        !self.has_placeless && area.any(|span| self.around.is_within(span))
    }
}
