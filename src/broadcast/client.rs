//! The clients, as the broadcaster knows them.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use slab::Slab;

use super::{Cursor, Encoding, ViewerId, audiences::Seat, mailbox::Mailbox};
use crate::domain::{Filter, Revision};

/// A small number that stands for a client as long as it is here.
pub(super) type ClientSlot = usize;

/// A filter, a cursor, and what the client is owed.
pub(super) struct Client {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) encoding: Encoding,
    /// The audience with the filter that it holds, as of its cursor.
    pub(super) seat: Option<Seat>,
    /// The revision it holds, if that is not the last tick's.
    pub(super) behind: Option<Revision>,
    /// A request that is not answered yet. Most clients have none most of the time.
    pub(super) request: Option<Box<Request>>,
}

/// What a client asked for and was not given yet.
pub(super) enum Request {
    Subscribe { filter: Filter, resume: Option<Cursor> },
    Snapshot,
}

impl Client {
    fn new(mailbox: Arc<Mailbox>, encoding: Encoding) -> Self {
        Self { mailbox, encoding, seat: None, behind: None, request: None }
    }
}

/// Every client, by its number and by its place.
#[derive(Default)]
pub(super) struct Clients {
    slots: Slab<Client>,
    by_viewer: FxHashMap<ViewerId, ClientSlot>,
}

impl Clients {
    pub(super) fn insert(&mut self, viewer: ViewerId, mailbox: Arc<Mailbox>, encoding: Encoding) {
        let slot = self.slots.insert(Client::new(mailbox, encoding));
        self.by_viewer.insert(viewer, slot);
    }

    pub(super) fn remove(&mut self, viewer: ViewerId) {
        if let Some(slot) = self.by_viewer.remove(&viewer) {
            self.slots.remove(slot);
        }
    }

    pub(super) fn slot(&self, viewer: ViewerId) -> Option<ClientSlot> {
        self.by_viewer.get(&viewer).copied()
    }

    pub(super) fn get_mut(&mut self, viewer: ViewerId) -> Option<&mut Client> {
        self.slots.get_mut(self.slot(viewer)?)
    }

    pub(super) fn at_mut(&mut self, slot: ClientSlot) -> Option<&mut Client> {
        self.slots.get_mut(slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ViewerId, &Client)> {
        self.by_viewer.iter().filter_map(|(viewer, slot)| Some((*viewer, self.slots.get(*slot)?)))
    }

    /// Those whose sockets are gone.
    pub(super) fn gone(&self) -> Vec<ViewerId> {
        // Every second, for all clients: most are looked at in the order of their places in memory.
        if self.slots.iter().all(|(_, client)| !client.mailbox.is_abandoned()) {
            return Vec::new();
        }
        let gone = self.iter().filter(|(_, client)| client.mailbox.is_abandoned());
        gone.map(|(viewer, _)| viewer).collect()
    }
}
