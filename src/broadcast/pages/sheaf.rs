//! Neighbouring pages, and what is said of all of them at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;

use super::{Encoder, NODES_PER_PAGE, Rank, extent::Extent, page::Page, rank};
use crate::domain::Node;

/// Pages in a sheaf at most. Who is shown all of one is sent it in one frame, of some 40 KB, or 75
/// where the pages are full.
pub(super) const PAGES_PER_SHEAF: usize = if cfg!(test) { 3 } else { 16 };

/// Some pages that follow each other: one at least, of which the first one may be empty.
#[derive(Debug)]
pub(super) struct Sheaf {
    /// What the pages hold; none after a change, until somebody asks.
    extent: OnceLock<Extent>,
    /// Whether somebody was sent all pages since the last change.
    is_asked_for: AtomicBool,
    /// All nodes as a frame says them in columns; none while that is not put together.
    columns: OnceLock<Bytes>,
    /// By the rank that each begins with; it ends where the next one begins.
    pages: BTreeMap<Rank, Arc<Page>>,
}

impl Sheaf {
    /// One that begins here, with nothing on it.
    pub(super) fn new(first: Rank) -> Self {
        Self::of(BTreeMap::from([(first, Arc::default())]))
    }

    fn of(pages: BTreeMap<Rank, Arc<Page>>) -> Self {
        let (extent, is_asked_for, columns) = Default::default();
        Self { extent, is_asked_for, columns, pages }
    }

    /// How many pages there are.
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = &Arc<Page>> {
        self.pages.values()
    }

    #[cfg(test)]
    pub(super) fn by_rank(&self) -> &BTreeMap<Rank, Arc<Page>> {
        &self.pages
    }

    pub(super) fn extent(&self) -> Extent {
        let all = || self.pages().map(|page| page.extent()).fold(Extent::EMPTY, Extent::joined);
        *self.extent.get_or_init(all)
    }

    /// All that a frame says of all nodes, in columns; none for who is the first to ask after a change.
    /// Where something always changes, one page after the other is less than to copy them all.
    pub(super) fn in_columns<E: Encoder>(&self) -> Option<Bytes> {
        self.is_asked_for.swap(true, Relaxed).then(|| self.bound::<E>())
    }

    /// The same, put together if it is not.
    pub(super) fn bound<E: Encoder>(&self) -> Bytes {
        self.is_asked_for.store(true, Relaxed);
        let together = || {
            let parts =
                self.pages().filter(|page| page.len() > 0).map(|page| page.in_columns::<E>());
            let parts: Vec<_> = parts.collect();
            parts.concat().into()
        };
        self.columns.get_or_init(together).clone()
    }

    /// Whether a node that ranked as `from` is still on the same page as `to`.
    pub(super) fn keeps(&self, from: Rank, to: Rank) -> bool {
        let page = self.pages.range(..=from).next_back();
        page.is_some_and(|(first, page)| {
            *first <= to && page.until().is_none_or(|until| to < until)
        })
    }

    /// Puts a node in the place of the one that it was, which ranked as `from`.
    pub(super) fn replace(&mut self, from: Rank, node: &Arc<Node>) {
        if let Some((_, page)) = self.pages_mut().range_mut(..=from).next_back() {
            Arc::make_mut(page).replace(node);
        }
    }

    /// Takes in a node. The half of the pages that ranks higher becomes a sheaf of its own when there
    /// are too many, and where it begins is answered.
    pub(super) fn insert(&mut self, node: &Arc<Node>) -> Option<(Rank, Self)> {
        let pages = self.pages_mut();
        let (_, page) = pages.range_mut(..=rank(node)).next_back()?;
        let page = Arc::make_mut(page);
        page.push(Arc::clone(node));
        if page.len() > NODES_PER_PAGE {
            let (middle, upper) = page.split();
            pages.insert(middle, Arc::new(upper));
        }
        if pages.len() <= PAGES_PER_SHEAF {
            return None;
        }
        let middle = *pages.keys().nth(pages.len() / 2)?;
        let upper = pages.split_off(&middle);
        Some((middle, Self::of(upper)))
    }

    /// Takes out the node of this rank.
    pub(super) fn remove(&mut self, rank: Rank) {
        let page = self.pages_mut().range_mut(..=rank).next_back();
        let Some((first, page)) = page else { return };
        Arc::make_mut(page).remove(rank.1);
        let first = *first;
        self.merge(first);
    }

    /// Takes in all pages of the next sheaf, which begins with `first`.
    pub(super) fn absorb(&mut self, first: Rank, next: &Self) {
        let pages = next.pages.iter().map(|(first, page)| (*first, Arc::clone(page)));
        self.pages_mut().extend(pages);
        self.merge(first);
    }

    /// Merges the page that begins here with the one before, if there is little on it and room there
    /// for more.
    fn merge(&mut self, first: Rank) {
        let pages = self.pages_mut();
        let left = pages.get(&first).map_or(0, |page| page.len());
        let before = pages.range(..first).next_back();
        let before = before.filter(|(_, before)| {
            left <= NODES_PER_PAGE / 4 && (left == 0 || before.len() + left <= NODES_PER_PAGE / 2)
        });
        if let Some(before) = before.map(|(before, _)| *before)
            && let Some(page) = pages.remove(&first)
            && let Some(before) = pages.get_mut(&before)
        {
            Arc::make_mut(before).absorb(&page);
        }
    }

    /// The pages, to be changed: what is said of all of them is void.
    fn pages_mut(&mut self) -> &mut BTreeMap<Rank, Arc<Page>> {
        self.extent.take();
        self.is_asked_for = AtomicBool::new(false);
        self.columns.take();
        &mut self.pages
    }
}

impl Clone for Sheaf {
    /// The same pages, to be changed.
    fn clone(&self) -> Self {
        Self::of(self.pages.clone())
    }
}
