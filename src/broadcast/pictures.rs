//! Great pictures, kept for a while because many clients look at the same: when they come, and all
//! at once when the server or their network was away.
//!
//! A picture of an earlier revision serves as well as a new one: what has changed since follows it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::Encoding;
use crate::domain::{Filter, Node, Revision};

/// Fewer nodes are written anew as fast as they are found. Tests have few nodes, and want to find
/// them all the same.
const LEAST_NODES: usize = if cfg!(test) { 1 } else { 1000 };

/// How long nodes are kept that nobody asks for.
const KEPT_UNUSED: Duration = Duration::from_secs(10);

/// There may be one change since for so many nodes. With more, it costs less to begin anew.
const NODES_PER_CHANGE: usize = 8;

/// There may always be so many changes since.
const LEAST_CHANGES: usize = 64;

/// The nodes that a filter held at some revision, and their frames as far as anybody needed them.
#[derive(Debug)]
pub struct Base {
    /// Whole records.
    pub nodes: Vec<Arc<Node>>,
    written: Mutex<Vec<Bytes>>,
}

impl Base {
    fn new(nodes: Vec<Arc<Node>>) -> Self {
        Self { nodes, written: Mutex::default() }
    }

    /// What `write` writes for the frame of this index, which is the same for every client. Two may
    /// write it at the same time: nobody waits for another.
    pub fn get_or_write(&self, index: usize, write: impl FnOnce() -> Bytes) -> Bytes {
        // What is there was put there whole.
        let lock = || self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = lock().get(index) {
            return bytes.clone();
        }
        let bytes = write();
        let mut written = lock();
        if written.len() == index {
            written.push(bytes.clone());
        }
        bytes
    }
}

/// What is kept, what was used last at the end. All of it together is no more nodes than the world
/// has twice.
#[derive(Default)]
pub(super) struct Pictures(Vec<Kept>);

struct Kept {
    filter: Filter,
    encoding: Encoding,
    revision: Revision,
    base: Arc<Base>,
    used_at: Instant,
}

impl Pictures {
    /// What `filter` held not long before `sealed`, and the revision at which it did.
    pub(super) fn find(
        &mut self,
        filter: &Filter,
        encoding: Encoding,
        sealed: Revision,
        now: Instant,
    ) -> Option<(Revision, Arc<Base>)> {
        let is_asked = |kept: &Kept| kept.encoding == encoding && kept.filter == *filter;
        let mut kept = self.0.remove(self.0.iter().position(is_asked)?);
        let changes = sealed.0.saturating_sub(kept.revision.0);
        let most = LEAST_CHANGES.max(kept.base.nodes.len() / NODES_PER_CHANGE);
        if changes > most as u64 {
            return None;
        }
        let found = (kept.revision, Arc::clone(&kept.base));
        kept.used_at = now;
        self.0.push(kept);
        Some(found)
    }

    /// Keeps what `filter` holds at this revision, if that is a lot; else gives it back. There are
    /// so many nodes in the world.
    pub(super) fn keep(
        &mut self,
        filter: &Filter,
        encoding: Encoding,
        nodes: Vec<Arc<Node>>,
        (revision, of_world): (Revision, usize),
        now: Instant,
    ) -> Result<Arc<Base>, Vec<Arc<Node>>> {
        // Counts by tile are not caught up with.
        if nodes.len() < LEAST_NODES || filter.cells.is_some() {
            return Err(nodes);
        }
        let base = Arc::new(Base::new(nodes));
        let (filter, kept) = (filter.clone(), Arc::clone(&base));
        self.0.push(Kept { filter, encoding, revision, base: kept, used_at: now });
        let mut held = 0;
        let fitting = self.0.iter().rev().take_while(|kept| {
            held += kept.base.nodes.len();
            held <= 2 * of_world
        });
        let surplus = self.0.len() - fitting.count();
        self.0.drain(..surplus);
        Ok(base)
    }

    /// Drops what nobody has asked for lately.
    pub(super) fn drop_unused(&mut self, now: Instant) {
        self.0.retain(|kept| now.saturating_duration_since(kept.used_at) < KEPT_UNUSED);
    }
}
