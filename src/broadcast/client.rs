//! One client, as the broadcaster knows it.

use std::sync::Weak;

use super::{Cursor, Encoding, mailbox::Mailbox};
use crate::domain::{CellCount, Filter, Revision, Sight};

/// A filter, a cursor, and what the client is owed.
pub(super) struct Client {
    pub(super) mailbox: Weak<Mailbox>,
    pub(super) encoding: Encoding,
    /// What it holds, as of its cursor.
    pub(super) filter: Option<Filter>,
    /// The revision it holds, if that is not the last tick's.
    pub(super) behind: Option<Revision>,
    /// A request that is not answered yet.
    pub(super) request: Option<Request>,
    /// What it sees of the tick under way.
    pub(super) seen: Seen,
}

/// What a client asked for and was not given yet.
pub(super) enum Request {
    Subscribe { filter: Filter, resume: Option<Cursor> },
    Snapshot,
}

/// What a client sees of a tick.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) sights: Vec<Sight>,
    /// Indices in the batch.
    pub(super) messages: Vec<u32>,
    pub(super) cells: Vec<CellCount>,
}

impl Seen {
    pub(super) fn is_empty(&self) -> bool {
        self.sights.is_empty() && self.messages.is_empty() && self.cells.is_empty()
    }
}

impl Client {
    pub(super) fn new(mailbox: Weak<Mailbox>, encoding: Encoding) -> Self {
        Self { mailbox, encoding, filter: None, behind: None, request: None, seen: Seen::default() }
    }
}
