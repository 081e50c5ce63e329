//! Those who ask for counts by tile, at one zoom.

use std::collections::{BTreeMap, BTreeSet};

use super::audiences::AudienceSlot;
use crate::domain::{Filter, TouchedCell, Viewports};

/// An index of audiences, each of which stands in exactly one of these.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// With bounds: told of the cells that those meet.
    looking: Viewports,
    /// Whom that is, in order.
    lookers: BTreeSet<AudienceSlot>,
    /// Of certain nodes, wherever those are.
    pub(super) named: BTreeSet<AudienceSlot>,
    /// Of the whole world.
    pub(super) everywhere: BTreeSet<AudienceSlot>,
}

impl Counters {
    /// An audience with this filter, which is new.
    pub(super) fn insert(&mut self, slot: AudienceSlot, filter: &Filter) {
        match (&filter.node_ids, &filter.bounds) {
            (Some(_), _) => drop(self.named.insert(slot)),
            (None, Some(area)) => {
                self.looking.insert(slot, area);
                self.lookers.insert(slot);
            }
            (None, None) => drop(self.everywhere.insert(slot)),
        }
    }

    /// An audience that was inserted leaves.
    pub(super) fn remove(&mut self, slot: AudienceSlot) {
        if self.lookers.remove(&slot) {
            self.looking.remove(slot);
        }
        self.named.remove(&slot);
        self.everywhere.remove(&slot);
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = AudienceSlot> {
        self.lookers.iter().chain(&self.named).chain(&self.everywhere).copied()
    }

    /// Those whose bounds meet some of these cells, and which.
    pub(super) fn meeting(
        &self,
        cells: &[TouchedCell],
    ) -> BTreeMap<AudienceSlot, Vec<TouchedCell>> {
        let mut met: BTreeMap<_, Vec<TouchedCell>> = BTreeMap::new();
        for cell in cells {
            self.looking.meeting(cell.tile.corners(), |slot| {
                let cells = met.entry(slot).or_default();
                // Several rectangles of one may meet it.
                if cells.last() != Some(cell) {
                    cells.push(*cell);
                }
            });
        }
        met
    }
}
