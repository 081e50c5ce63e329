//! The hand-over to one client: room for one delivery, and a note that more is owed.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::{Content, Delivery, Outlet, ViewerId, Written};

/// Holds at most one delivery. It stays occupied until the socket has written all of it, so a
/// slow client costs one unsent batch and no queue.
pub(super) struct Mailbox {
    viewer: ViewerId,
    slot: Mutex<Slot>,
}

struct Slot {
    state: State,
    /// Something could not be handed over while the slot was occupied.
    owed: bool,
    closed: bool,
    /// The client's task, if it waits: a delivery has come, or the last one has.
    waiting: Option<Waker>,
    /// Where ticks can be written without the client's task.
    outlet: Option<Arc<dyn Outlet>>,
}

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// For a carrier.
    Posted(Delivery),
    /// With a carrier.
    Carried,
    /// For the client's task.
    Waiting(Delivery),
    /// With the client's task.
    Writing,
}

impl Mailbox {
    pub(super) fn new(viewer: ViewerId, outlet: Option<Arc<dyn Outlet>>) -> Self {
        let state = State::Empty;
        let slot = Slot { state, owed: false, closed: false, waiting: None, outlet };
        Self { viewer, slot: Mutex::new(slot) }
    }

    /// Whose it is.
    pub(super) fn viewer(&self) -> ViewerId {
        self.viewer
    }

    /// Whether a delivery can be handed over now. If not, notes that one is owed, so that
    /// [`Mailbox::emptied`] tells the client's task.
    pub(super) fn is_free(&self) -> bool {
        let mut slot = self.lock();
        let free = matches!(slot.state, State::Empty);
        slot.owed |= !free;
        free
    }

    /// Hands over a delivery. Only the broadcaster does, after [`Mailbox::is_free`].
    pub(super) fn put(&self, delivery: Delivery) {
        leave(self.lock(), delivery);
    }

    /// The same for a tick. Says whether somebody has to [carry](Mailbox::carry) it.
    pub(super) fn post(&self, tick: Delivery) -> bool {
        let mut slot = self.lock();
        let is_posted = slot.outlet.is_some();
        if is_posted {
            slot.state = State::Posted(tick);
        } else {
            leave(slot, tick);
        }
        is_posted
    }

    /// Writes what was posted, and leaves what cannot be written now to the client's task. If
    /// something is owed, that task is what has to say so.
    pub(super) fn carry(&self) {
        let mut slot = self.lock();
        let Some(delivery) = slot.take_posted() else { return };
        let Some(outlet) = slot.outlet.clone() else { return leave(slot, delivery) };
        slot.state = State::Carried;
        drop(slot);
        let written = outlet.write(&delivery);
        let sealed_at = delivery.sealed_at;
        let mut slot = self.lock();
        match written {
            Written::All if !slot.owed => {
                slot.state = State::Empty;
                if slot.closed {
                    wake(slot);
                } else {
                    drop(slot);
                }
                outlet.delivered(sealed_at);
            }
            Written::All | Written::Begun => {
                leave(slot, Delivery { content: Content::Tick(Arc::default()), ..delivery });
            }
            Written::Nothing => leave(slot, delivery),
        }
    }

    /// Leaves what was posted to the client's task. A client to whom a carrier was writing when it
    /// failed has got nobody knows what: it is hung up on.
    pub(super) fn leave_to_its_owner(&self) {
        let mut slot = self.lock();
        if let Some(delivery) = slot.take_posted() {
            leave(slot, delivery);
        } else if matches!(slot.state, State::Carried) {
            slot.state = State::Empty;
            slot.closed = true;
            wake(slot);
        }
    }

    /// Nothing is written without the client's task any more.
    pub(super) fn drop_outlet(&self) {
        let outlet = self.lock().outlet.take();
        // Not under the lock, as it may close the socket.
        drop(outlet);
    }

    /// Waits for the next delivery; none when there will be no more. One task may.
    pub(super) async fn take(&self) -> Option<Delivery> {
        poll_fn(|cx| {
            let mut slot = self.lock();
            match std::mem::replace(&mut slot.state, State::Writing) {
                State::Waiting(delivery) => return Poll::Ready(Some(delivery)),
                held => slot.state = held,
            }
            if slot.closed && !matches!(slot.state, State::Posted(_) | State::Carried) {
                return Poll::Ready(None);
            }
            match &mut slot.waiting {
                Some(waiting) => waiting.clone_from(cx.waker()),
                waiting => *waiting = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    /// Frees the slot; says whether something is owed since.
    pub(super) fn emptied(&self) -> bool {
        let mut slot = self.lock();
        if matches!(slot.state, State::Writing) {
            slot.state = State::Empty;
        }
        std::mem::take(&mut slot.owed)
    }

    /// There will be no more after the one that may be posted or waiting.
    pub(super) fn close(&self) {
        let mut slot = self.lock();
        slot.closed = true;
        wake(slot);
    }

    /// Whether only the broadcaster holds it: its client is gone.
    pub(super) fn is_abandoned(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    /// A panic while the lock is held is not possible; if one were, the slot is still whole.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// What a carrier has to write.
    fn take_posted(&mut self) -> Option<Delivery> {
        match std::mem::take(&mut self.state) {
            State::Posted(delivery) => Some(delivery),
            held => {
                self.state = held;
                None
            }
        }
    }
}

/// Leaves this to the client's task.
fn leave(mut slot: MutexGuard<'_, Slot>, delivery: Delivery) {
    slot.state = State::Waiting(delivery);
    wake(slot);
}

/// Wakes the client's task, if it waits, once the lock is free.
fn wake(mut slot: MutexGuard<'_, Slot>) {
    let waiting = slot.waiting.take();
    drop(slot);
    waiting.inspect(Waker::wake_by_ref);
}

#[cfg(test)]
mod tests;
