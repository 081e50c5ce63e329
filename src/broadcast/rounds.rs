//! Rounds: what a tick brings is carried to many clients by a few tasks.
//!
//! To wake the task of each client only to have it write one frame costs half as much as the write. So
//! those who can be written to from outside are: one after the other, a round at a time.

use std::sync::Arc;

use tokio::sync::{
    Mutex,
    mpsc::{self, error::TrySendError},
};

use super::mailbox::Mailbox;

/// Clients in a round. A carrier lets others have their turn between two. Tests have few clients and
/// want several rounds all the same.
const CLIENTS: usize = if cfg!(test) { 2 } else { 32 };

/// Rounds that no carrier has begun. When full, clients are written to by their own tasks.
const ROUNDS: usize = if cfg!(test) { 2 } else { 1024 };

/// Mailboxes in which something was posted.
pub(super) type Round = Vec<Arc<Mailbox>>;

/// Where carriers take their rounds from: by turns, so that whoever is done goes next.
pub(super) type Waiting = Arc<Mutex<mpsc::Receiver<Round>>>;

/// Puts rounds together.
pub(super) struct Rounds {
    open: Round,
    sender: mpsc::Sender<Round>,
}

impl Rounds {
    /// No rounds yet, and where carriers will find them.
    pub(super) fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(ROUNDS);
        (Self { open: Round::new(), sender }, Arc::new(Mutex::new(receiver)))
    }

    /// Something was posted there.
    pub(super) fn add(&mut self, mailbox: &Arc<Mailbox>) {
        self.open.push(Arc::clone(mailbox));
        if self.open.len() == CLIENTS {
            self.send();
        }
    }

    /// Nothing more is posted for now.
    pub(super) fn send(&mut self) {
        if self.open.is_empty() {
            return;
        }
        match self.sender.try_send(std::mem::take(&mut self.open)) {
            Ok(()) => {}
            Err(TrySendError::Full(round) | TrySendError::Closed(round)) => {
                for mailbox in round {
                    mailbox.leave_to_its_owner();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        broadcast::{Content, Delivery, Outlet, Written},
        domain::Revision,
    };

    struct Never;

    impl Outlet for Never {
        fn write(&self, _: &Delivery) -> Written {
            panic!("nobody carries here")
        }
    }

    #[test]
    fn clients_for_whose_round_there_is_no_room_are_written_to_by_their_own_tasks() {
        let (mut rounds, waiting) = Rounds::new();
        let mailboxes: Vec<_> = (0..)
            .map(|viewer| Arc::new(Mailbox::new(viewer, Some(Arc::new(Never)))))
            .take(CLIENTS * ROUNDS + 1)
            .collect();
        for mailbox in &mailboxes {
            let content = Content::Tick(Arc::default());
            let sealed_at = Instant::now();
            assert!(mailbox.post(Delivery { revision: Revision(1), sealed_at, content }));
            rounds.add(mailbox);
        }
        rounds.send();
        let is_left = |mailbox: &Arc<Mailbox>| mailbox.take().now_or_never().is_some();
        let left: Vec<_> = mailboxes.iter().map(is_left).collect();
        assert_eq!(left, [vec![false; CLIENTS * ROUNDS], vec![true]].concat());
        let mut waiting = waiting.try_lock().unwrap();
        let carried: usize = std::iter::from_fn(|| waiting.try_recv().ok()).map(|r| r.len()).sum();
        assert_eq!(carried, CLIENTS * ROUNDS);
    }
}
