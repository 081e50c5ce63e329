//! All nodes in pages, neighbours on the same one, each page with their records as they were last
//! written.
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

/// Nodes on a page, and in a part of a picture, at most: some 20 KB as protocol buffers, and 50 KB
/// as JSON. Tests have few nodes and want several pages all the same.
const NODES_PER_PAGE: usize = if cfg!(test) { 4 } else { 100 };

/// How long JSON is kept after somebody has asked for a picture in it. It takes three times as much
/// as protocol buffers, which are kept for good.
const JSON_KEPT: Duration = Duration::from_secs(10);

/// Where a node stands among all: along a curve that fills the map, on which neighbours are mostly
/// near each other. Those without a place come last.
type Rank = (u64, u32);

fn rank(node: &Node) -> Rank {
    (node.place().map_or(u64::MAX, along_the_curve), node.number)
}

/// How far along the Z-order curve a place is: the binary digits of its coordinates by turns.
fn along_the_curve(place: Place) -> u64 {
    /// With a zero before each digit.
    fn spread(digits: u32) -> u64 {
        let apart = [
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ];
        apart.iter().fold(digits.into(), |spread, (shift, mask)| (spread | spread << shift) & mask)
    }
    // In the order of the numbers, the negative ones before the others.
    let unsigned = |unit: i32| unit.cast_unsigned() ^ 1 << 31;
    spread(unsigned(place.latitude_e7())) << 1 | spread(unsigned(place.longitude_e7()))
}

/// Every node of the world as of the last tick, on one page each.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// By the rank that each begins with; it ends where the next one begins.
    pages: BTreeMap<Rank, Arc<Page>>,
    /// When somebody last asked for JSON, unless that has been dropped since.
    json_used_at: Option<Instant>,
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

    /// Writes all records in this encoding that are not written.
    pub(super) fn write_ahead<E: Encoder>(&self, encoding: Encoding) {
        for page in self.pages.values() {
            page.whole::<E>(encoding);
        }
    }

    /// What a picture of `bounds` is made of, in this encoding.
    pub(super) fn excerpt(
        &mut self,
        bounds: Option<&Area>,
        encoding: Encoding,
        now: Instant,
    ) -> Excerpt {
        if encoding == Encoding::Json {
            self.json_used_at = Some(now);
        }
        let spans = bounds.map(|area| area.spans().collect::<Vec<_>>());
        let meeting =
            self.pages.values().filter(|page| spans.as_ref().is_none_or(|spans| page.meets(spans)));
        Excerpt::new(meeting.cloned().collect(), bounds.cloned(), encoding)
    }

    /// Drops what nobody has asked for lately.
    pub(super) fn drop_unused(&mut self, now: Instant) {
        let is_old = |used_at| now.saturating_duration_since(used_at) >= JSON_KEPT;
        if self.json_used_at.is_some_and(is_old) {
            self.json_used_at = None;
            for page in self.pages.values() {
                page.drop_written(Encoding::Json);
            }
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
