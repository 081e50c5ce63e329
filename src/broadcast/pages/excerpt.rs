//! What a picture is made of.

use std::{sync::Arc, vec};

use bytes::Bytes;

use super::{
    Encoder, Encoding, NODES_PER_PAGE,
    page::{Page, Shown},
};
use crate::domain::{Area, Node};

/// Up to so many nodes go out together with what is not on pages.
const FEW_NODES: usize = if cfg!(test) { 2 } else { NODES_PER_PAGE };

/// On more pages than these there are mostly more nodes.
const FEW_PAGES: usize = 4;

/// Pages, and what of them is shown. It stays as it is, however the world goes on.
#[derive(Clone, Debug, Default)]
pub struct Excerpt {
    pages: vec::IntoIter<Arc<Page>>,
    bounds: Option<Area>,
    encoding: Encoding,
    in_columns: bool,
}

impl Excerpt {
    pub(super) fn new(pages: Vec<Arc<Page>>, bounds: Option<Area>, encoding: Encoding) -> Self {
        Self { pages: pages.into_iter(), bounds, encoding, in_columns: false }
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
        self.pages.as_slice().is_empty()
    }

    /// The nodes, if there are so few that they need no part of their own.
    pub(in crate::broadcast) fn few(&self) -> Option<Vec<Arc<Node>>> {
        if self.pages.len() > FEW_PAGES {
            return None;
        }
        let nodes: Vec<_> = self.nodes().cloned().collect();
        (nodes.len() <= FEW_NODES).then_some(nodes)
    }

    /// The nodes that are left to be written.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.pages.as_slice().iter().flat_map(|page| {
            let shown = page.shown(self.bounds.as_ref());
            shown.of(page).map(|index| &page.nodes()[index])
        })
    }

    /// What the next frame says behind its lead; none if there is nothing more to show.
    pub fn next_part<E: Encoder>(&mut self) -> Option<Bytes> {
        let mut records = Vec::new();
        let mut picked: Vec<Arc<Node>> = Vec::new();
        let mut nodes = 0;
        while let Some(page) = self.pages.as_slice().first() {
            let shown = page.shown(self.bounds.as_ref());
            let count = shown.len(page);
            if nodes + count > NODES_PER_PAGE {
                break;
            }
            let is_whole = count > 0 && matches!(shown, Shown::All);
            // In columns it is written already, or will be for others as well.
            if is_whole && self.in_columns && nodes > 0 {
                break;
            }
            if is_whole && nodes == 0 {
                let whole = if self.in_columns {
                    page.in_columns::<E>()
                } else {
                    page.whole::<E>(self.encoding)
                };
                self.pages.next();
                return Some(whole);
            }
            if self.in_columns {
                picked.extend(shown.of(page).map(|index| Arc::clone(&page.nodes()[index])));
            } else if count > 0 {
                page.gather::<E>(self.encoding, shown, &mut records);
            }
            nodes += count;
            self.pages.next();
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
