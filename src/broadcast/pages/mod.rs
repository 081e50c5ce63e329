//! All nodes in pages, neighbours on the same one, each page with their records, and with them in
//! columns, as they were last written.
//!
//! A picture is made of pages: of whole ones where it shows all of their nodes, which is a matter of
//! passing on bytes that are shared. A page that somebody holds is not changed, but copied for the
//! change. So to hand out a picture, however large, is to hand out pages: what of them is shown
//! is found and written where it is sent, and what was written there serves everybody after.

mod excerpt;
mod page;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;

pub use excerpt::Excerpt;
use page::Page;

use super::{Encoder, Encoding};
use crate::domain::{Area, Change, Node, Place};

/// Nodes on a page, and in a part of a picture, at most: some 5 KB in columns, 20 KB as protocol
/// buffers, and 50 KB as JSON. Tests have few nodes and want several pages all the same.
const NODES_PER_PAGE: usize = if cfg!(test) { 4 } else { 100 };

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
    pages: BTreeMap<Rank, Arc<Page>>,
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
            && let Some((first, page)) = self.pages.range_mut(..=from).next_back()
            && *first <= to
            && page.until().is_none_or(|until| to < until)
        {
            Arc::make_mut(page).replace(after);
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
        let first = self.first(rank(node)).unwrap_or_default();
        let page = self.page_mut(first);
        page.push(Arc::clone(node));
        if page.len() > NODES_PER_PAGE {
            let (middle, upper) = page.split();
            self.pages.insert(middle, Arc::new(upper));
        }
    }

    /// Writes all pages in columns, as far as they are not written.
    pub(super) fn write_ahead<E: Encoder>(&self) {
        for page in self.pages.values() {
            page.in_columns::<E>();
        }
    }

    /// What a picture of `bounds` is made of, in this encoding.
    pub(super) fn excerpt(&self, bounds: Option<&Area>, encoding: Encoding) -> Excerpt {
        let spans = bounds.map(|area| area.spans().collect::<Vec<_>>());
        let meeting =
            self.pages.values().filter(|page| spans.as_ref().is_none_or(|spans| page.meets(spans)));
        Excerpt::new(meeting.cloned().collect(), bounds.cloned(), encoding)
    }

    /// Drops what nobody was sent lately. To be called now and then.
    pub(super) fn drop_unused(&mut self, now: Instant) {
        if now.saturating_duration_since(*self.dropped_at.get_or_insert(now)) >= RECORDS_KEPT {
            self.dropped_at = Some(now);
            self.pages.values().for_each(|page| page.drop_unused());
        }
    }

    fn remove(&mut self, rank: Rank) {
        let Some(first) = self.first(rank) else { return };
        let page = self.page_mut(first);
        page.remove(rank.1);
        let left = page.len();
        if left > NODES_PER_PAGE / 4 {
            return;
        }
        // What is left of it may fit on the page before, with room for more.
        let before = self.pages.range(..first).next_back();
        let fits = before.filter(|(_, page)| left == 0 || page.len() + left <= NODES_PER_PAGE / 2);
        if let Some(before) = fits.map(|(before, _)| *before)
            && let Some(page) = self.pages.remove(&first)
        {
            self.page_mut(before).absorb(&page);
        }
    }

    /// What the page of this rank begins with; none while there is no page.
    fn first(&self, rank: Rank) -> Option<Rank> {
        self.pages.range(..=rank).next_back().map(|(first, _)| *first)
    }

    fn page_mut(&mut self, first: Rank) -> &mut Page {
        Arc::make_mut(self.pages.entry(first).or_default())
    }
}
