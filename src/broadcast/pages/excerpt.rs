//! What a picture is made of.

use std::{sync::Arc, vec};

use bytes::Bytes;

use super::{
    Encoder, Encoding, NODES_PER_PAGE,
    page::{Page, Shown},
    sheaf::Sheaf,
};
use crate::domain::{Area, Node};

/// Up to so many nodes go out together with what is not on pages.
const FEW_NODES: usize = if cfg!(test) { 2 } else { NODES_PER_PAGE };

/// On more pages than these there are mostly more nodes.
const FEW_PAGES: usize = 4;

/// Pages, and what of them is shown. It stays as it is, however the world goes on.
#[derive(Clone, Debug, Default)]
pub struct Excerpt {
    /// Pages that are shown whole and come first.
    whole: vec::IntoIter<Arc<Page>>,
    pieces: vec::IntoIter<Piece>,
    bounds: Option<Area>,
    encoding: Encoding,
    in_columns: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    /// All nodes of these pages are shown.
    Whole(Arc<Sheaf>),
    /// Some nodes of this page may be.
    Page(Arc<Page>),
}

impl Piece {
    fn pages(&self) -> impl Iterator<Item = &Arc<Page>> {
        let (sheaf, page) = match self {
            Self::Whole(sheaf) => (Some(sheaf), None),
            Self::Page(page) => (None, Some(page)),
        };
        sheaf.into_iter().flat_map(|sheaf| sheaf.pages()).chain(page)
    }
}

impl Excerpt {
    pub(super) fn new<'a>(
        sheaves: impl Iterator<Item = &'a Arc<Sheaf>>,
        bounds: Option<Area>,
        encoding: Encoding,
    ) -> Self {
        let spans = bounds.as_ref().map(|area| area.spans().collect::<Vec<_>>());
        let (mut pieces, mut cut) = (Vec::new(), Vec::new());
        for sheaf in sheaves {
            let extent = sheaf.extent();
            match &spans {
                _ if extent.is_empty => {}
                Some(spans) if !extent.is_within(spans.iter().copied()) => {
                    if extent.meets(spans) {
                        let pages = sheaf.pages().filter(|page| page.extent().meets(spans));
                        cut.extend(pages.cloned().map(Piece::Page));
                    }
                }
                _ => pieces.push(Piece::Whole(Arc::clone(sheaf))),
            }
        }
        // So that what is gathered of those that are cut is not broken up by the others.
        pieces.append(&mut cut);
        Self { pieces: pieces.into_iter(), bounds, encoding, ..Self::default() }
    }

    /// Says all in columns from now on, instead of records in its encoding.
    pub fn set_in_columns(&mut self) {
        self.in_columns = true;
    }

    /// Whether it does.
    pub fn is_in_columns(&self) -> bool {
        self.in_columns
    }

    /// Whether all has been written.
    pub fn is_done(&self) -> bool {
        self.whole.as_slice().is_empty() && self.pieces.as_slice().is_empty()
    }

    /// The nodes, if there are so few that they need no part of their own.
    pub(in crate::broadcast) fn few(&self) -> Option<Vec<Arc<Node>>> {
        if self.pages().nth(FEW_PAGES).is_some() {
            return None;
        }
        let nodes: Vec<_> = self.nodes().cloned().collect();
        (nodes.len() <= FEW_NODES).then_some(nodes)
    }

    /// The nodes that are left to be written.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.pages().flat_map(|page| {
            let shown = page.shown(self.bounds.as_ref());
            shown.of(page).map(|index| &page.nodes()[index])
        })
    }

    fn pages(&self) -> impl Iterator<Item = &Arc<Page>> {
        let pieces = self.pieces.as_slice().iter().flat_map(Piece::pages);
        self.whole.as_slice().iter().chain(pieces)
    }

    /// What the next frame says behind its lead; none if there is nothing more to show.
    pub fn next_part<E: Encoder>(&mut self) -> Option<Bytes> {
        loop {
            if let Some(page) = self.whole.find(|page| page.len() > 0) {
                return Some(self.all_of::<E>(&page));
            }
            let Piece::Whole(sheaf) = self.pieces.as_slice().first()? else {
                return self.next_of_cut::<E>();
            };
            let bound = if self.in_columns { sheaf.in_columns::<E>() } else { None };
            if bound.is_none() {
                self.whole = sheaf.pages().cloned().collect::<Vec<_>>().into_iter();
            }
            self.pieces.next();
            if bound.is_some() {
                return bound;
            }
        }
    }

    fn all_of<E: Encoder>(&self, page: &Page) -> Bytes {
        if self.in_columns { page.in_columns::<E>() } else { page.whole::<E>(self.encoding) }
    }

    /// The same of pages of which some nodes may be shown.
    fn next_of_cut<E: Encoder>(&mut self) -> Option<Bytes> {
        let (mut records, mut picked): (Vec<u8>, Vec<Arc<Node>>) = Default::default();
        let mut nodes = 0;
        while let Some(Piece::Page(page)) = self.pieces.as_slice().first() {
            let shown = page.shown(self.bounds.as_ref());
            let count = shown.len(page);
            let is_whole = count > 0 && matches!(shown, Shown::All);
            // To copy few records is less than a frame of their own; columns cannot be copied.
            if nodes + count > NODES_PER_PAGE || nodes > 0 && is_whole && self.in_columns {
                break;
            }
            if is_whole && nodes == 0 {
                let all = self.all_of::<E>(page);
                self.pieces.next();
                return Some(all);
            }
            if self.in_columns {
                picked.extend(shown.of(page).map(|index| Arc::clone(&page.nodes()[index])));
            } else if count > 0 {
                page.gather::<E>(self.encoding, shown, &mut records);
            }
            nodes += count;
            self.pieces.next();
        }
        if nodes == 0 {
            return None;
        }
        if self.in_columns {
            return Some(E::columns(picked.iter().map(|node| &**node)));
        }
        let binding = E::binding(self.encoding);
        Some([binding.before, &records, binding.after].concat().into())
    }
}
