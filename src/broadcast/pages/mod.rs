//! All nodes in pages, neighbours on the same one, each page with their records, and with them in
//! columns, as they were last written.
//!
//! A picture is made of pages: of whole ones where it shows all of their nodes, which is a matter of
//! passing on bytes that are shared. A page that somebody holds is not changed, but copied for the
//! change. So to hand out a picture, however large, is to hand out pages: what of them is shown
//! is found and written where it is sent, and what was written there serves everybody after.
//!
//! Pages that follow each other are bound in sheaves: there are few enough of these to look through
//! for each picture, and who is shown all of one gets it in one frame, if it reads columns.

mod excerpt;
mod extent;
mod page;
mod sheaf;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

pub use excerpt::Excerpt;
use sheaf::{PAGES_PER_SHEAF, Sheaf};

use super::{Encoder, Encoding};
use crate::domain::{Area, Change, Node, Place};

/// Nodes on a page, and in a part of a picture, at most: some 5 KB in columns, 20 KB as protocol
/// buffers, and 50 KB as JSON. Tests have few nodes and want several pages all the same.
const NODES_PER_PAGE: usize = if cfg!(test) { 4 } else { 100 };

/// A sheaf with so few pages left is merged with the one before.
const LEFT_PAGES: usize = if cfg!(test) { 1 } else { 4 };

/// How long records are kept at least after somebody was sent some, and twice that at most. They
/// take several times as much as columns, which are kept for good.
const RECORDS_KEPT: Duration = Duration::from_secs(10);

/// Where a node stands among all: along the Z-order curve. Those without a place come last.
type Rank = (u64, u32);

fn rank(node: &Node) -> Rank {
    rank_of(node.place(), node.number)
}

fn rank_of(place: Option<Place>, number: u32) -> Rank {
    (place.map_or(u64::MAX, Place::along_curve), number)
}

/// Every node of the world as of the last tick, on one page each.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// By the rank that each begins with; it ends where the next one begins.
    sheaves: BTreeMap<Rank, Arc<Sheaf>>,
    /// When records that nobody had been sent for long were last dropped.
    dropped_at: Option<Instant>,
}

impl Pages {
    /// Takes in what has changed with a tick.
    pub(super) fn turn(&mut self, change: &Change) {
        let from = change.before.as_deref().map(rank);
        let to = change.after.as_deref().map(rank);
        if let (Some(from), Some(to), Some(after)) = (from, to, &change.after)
            && from.1 == to.1
            && let Some((_, sheaf)) = self.sheaves.range_mut(..=from).next_back()
            && sheaf.keeps(from, to)
        {
            Arc::make_mut(sheaf).replace(from, after);
            return;
        }
        if let Some(from) = from {
            self.remove(from);
        }
        if let Some(after) = &change.after {
            self.insert(after);
        }
    }

    /// Takes in a node that is not there yet.
    pub(super) fn insert(&mut self, node: &Arc<Node>) {
        let first = self.sheaves.range(..=rank(node)).next_back();
        let first = first.map(|(first, _)| *first).unwrap_or_default();
        let sheaf = self.sheaves.entry(first).or_insert_with(|| Arc::new(Sheaf::new(first)));
        if let Some((middle, upper)) = Arc::make_mut(sheaf).insert(node) {
            self.sheaves.insert(middle, Arc::new(upper));
        }
    }

    /// Writes everything in columns, as far as it is not written.
    pub(super) fn write_ahead<E: Encoder>(&self) {
        for sheaf in self.sheaves.values() {
            sheaf.bound::<E>();
        }
    }

    /// What a picture of `bounds` is made of, in this encoding.
    pub(super) fn excerpt(&self, bounds: Option<&Area>, encoding: Encoding) -> Excerpt {
        Excerpt::new(self.sheaves.values(), bounds.cloned(), encoding)
    }

    /// Drops what nobody was sent lately. To be called now and then.
    pub(super) fn drop_unused(&mut self, now: Instant) {
        if now.saturating_duration_since(*self.dropped_at.get_or_insert(now)) >= RECORDS_KEPT {
            self.dropped_at = Some(now);
            let pages = self.sheaves.values().flat_map(|sheaf| sheaf.pages());
            pages.for_each(|page| page.drop_unused());
        }
    }

    fn remove(&mut self, rank: Rank) {
        let Some((first, sheaf)) = self.sheaves.range_mut(..=rank).next_back() else { return };
        let (first, sheaf) = (*first, Arc::make_mut(sheaf));
        sheaf.remove(rank);
        let (left, is_empty) = (sheaf.len(), sheaf.extent().is_empty);
        if left > LEFT_PAGES {
            return;
        }
        // The pages that are left may fit in the sheaf before, with room for more.
        let before = self.sheaves.range(..first).next_back();
        let fits = before
            .filter(|(_, before)| is_empty || before.len() + left <= PAGES_PER_SHEAF - LEFT_PAGES);
        if let Some(before) = fits.map(|(before, _)| *before)
            && let Some(sheaf) = self.sheaves.remove(&first)
            && let Some(before) = self.sheaves.get_mut(&before)
        {
            Arc::make_mut(before).absorb(first, &sheaf);
        }
    }
}
