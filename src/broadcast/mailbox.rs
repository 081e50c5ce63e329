//! The hand-over to one client: room for one delivery, and a note that more is owed.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::Delivery;

/// Holds at most one delivery. It stays occupied until the socket has written all of it, so a
/// slow client costs one unsent batch and no queue.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    state: State,
    /// Something could not be handed over while the slot was occupied.
    owed: bool,
    closed: bool,
    /// The client's task, if it waits: a delivery has come, or the last one has.
    waiting: Option<Waker>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Waiting(Delivery),
    Writing,
}

impl Mailbox {
    /// Whether a delivery can be handed over now. If not, notes that one is owed, so that
    /// [`Mailbox::emptied`] tells.
    pub(super) fn is_free(&self) -> bool {
        let mut slot = self.lock();
        let free = matches!(slot.state, State::Empty);
        slot.owed |= !free;
        free
    }

    /// Hands over a delivery. Only the broadcaster does, after [`Mailbox::is_free`].
    pub(super) fn put(&self, delivery: Delivery) {
        let waiting = {
            let mut slot = self.lock();
            slot.state = State::Waiting(delivery);
            slot.waiting.take()
        };
        waiting.inspect(Waker::wake_by_ref);
    }

    /// Waits for the next delivery; none when there will be no more. One task may.
    pub(super) async fn take(&self) -> Option<Delivery> {
        poll_fn(|cx| {
            let mut slot = self.lock();
            match std::mem::replace(&mut slot.state, State::Writing) {
                State::Waiting(delivery) => return Poll::Ready(Some(delivery)),
                held => slot.state = held,
            }
            if slot.closed {
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

    /// There will be no more after the one that may be waiting.
    pub(super) fn close(&self) {
        let waiting = {
            let mut slot = self.lock();
            slot.closed = true;
            slot.waiting.take()
        };
        waiting.inspect(Waker::wake_by_ref);
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
