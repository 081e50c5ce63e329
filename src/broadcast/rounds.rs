//! Rounds: what a tick brings is carried to many clients by a few tasks.
//!
//! To wake the task of each client only to have it write one frame costs half as much as the write. So
//! those who can be written to from outside are: one after the other, a round at a time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::mailbox::Mailbox;

/// Clients in a round. A carrier lets others have their turn between two. Tests have few clients and
/// want several rounds all the same.
const CLIENTS: usize = if cfg!(test) { 2 } else { 32 };

/// Rounds that no carrier has begun. When full, clients are written to by their own tasks.
const ROUNDS: usize = if cfg!(test) { 2 } else { 1024 };

/// Mailboxes in which something was posted. What is not carried is left to the clients' own tasks.
#[derive(Default)]
pub(super) struct Round(VecDeque<Arc<Mailbox>>);

impl Round {
    /// Carries all.
    pub(super) fn carry(mut self) {
        while let Some(mailbox) = self.0.front() {
            mailbox.carry();
            self.0.pop_front();
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        for mailbox in &self.0 {
            mailbox.leave_to_its_owner();
        }
    }
}

/// Where rounds wait for carriers.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// One carrier for each round: who is woken is another one each time.
    come: Notify,
}

#[derive(Default)]
struct Waiting {
    rounds: VecDeque<Round>,
    carriers: usize,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that is done under this lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts rounds together. Dropped when there will be no more.
pub(super) struct Rounds {
    open: Round,
    queue: Arc<Queue>,
}

impl Rounds {
    /// No rounds yet, and where carriers will find them.
    pub(super) fn new() -> (Self, Arc<Queue>) {
        let queue = Arc::<Queue>::default();
        (Self { open: Round::default(), queue: Arc::clone(&queue) }, queue)
    }

    /// Something was posted there.
    pub(super) fn add(&mut self, mailbox: &Arc<Mailbox>) {
        self.open.0.push_back(Arc::clone(mailbox));
        if self.open.0.len() == CLIENTS {
            self.send();
        }
    }

    /// Nothing more is posted for now.
    pub(super) fn send(&mut self) {
        if self.open.0.is_empty() {
            return;
        }
        let round = std::mem::take(&mut self.open);
        let mut waiting = self.queue.lock();
        if waiting.carriers > 0 && waiting.rounds.len() < ROUNDS {
            waiting.rounds.push_back(round);
            drop(waiting);
            self.queue.come.notify_one();
        }
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.come.notify_waiters();
    }
}

/// Somebody who carries. When the last one is gone, clients are written to by their own tasks.
pub(super) struct Carrier(Arc<Queue>);

impl Carrier {
    pub(super) fn new(queue: &Arc<Queue>) -> Self {
        queue.lock().carriers += 1;
        Self(Arc::clone(queue))
    }

    /// The next round; none when there will be no more.
    pub(super) async fn next(&self) -> Option<Round> {
        loop {
            let come = self.0.come.notified();
            {
                let mut waiting = self.0.lock();
                if let Some(round) = waiting.rounds.pop_front() {
                    return Some(round);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            come.await;
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.carriers -= 1;
        if waiting.carriers == 0 {
            let left = std::mem::take(&mut waiting.rounds);
            drop(waiting);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Wake, Waker},
    };

    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        broadcast::{Content, Delivery, Outlet, Written},
        domain::Revision,
    };

    /// Writes all, or fails.
    struct Fake(bool);

    impl Outlet for Fake {
        fn write(&self, _: &Delivery) -> Written {
            assert!(self.0, "an outlet that fails");
            Written::All
        }

        fn delivered(&self, _: Instant) {}
    }

    fn mailbox(is_sound: bool) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(7, Some(Arc::new(Fake(is_sound)))))
    }

    /// Posts something to each.
    fn post(rounds: &mut Rounds, mailboxes: &[Arc<Mailbox>]) {
        for mailbox in mailboxes {
            let content = Content::Tick(Arc::default());
            let sealed_at = Instant::now();
            assert!(mailbox.post(Delivery { revision: Revision(1), sealed_at, content }));
            rounds.add(mailbox);
        }
        rounds.send();
    }

    /// Which of them were left to the clients' tasks: true where a delivery is, none where there will
    /// be no more.
    fn left(mailboxes: &[Arc<Mailbox>]) -> Vec<Option<bool>> {
        let left = |mailbox: &Arc<Mailbox>| match mailbox.take().now_or_never() {
            Some(Some(_)) => Some(true),
            Some(None) => None,
            None => Some(false),
        };
        mailboxes.iter().map(left).collect()
    }

    #[test]
    fn clients_for_whose_round_there_is_no_room_are_written_to_by_their_own_tasks() {
        let (mut rounds, queue) = Rounds::new();
        let carrier = Carrier::new(&queue);
        let mailboxes = [(); CLIENTS * ROUNDS + 1].map(|()| mailbox(true));
        post(&mut rounds, &mailboxes);
        let (waiting, own) = mailboxes.split_at(CLIENTS * ROUNDS);
        assert_eq!(left(own), [Some(true)]);
        for _ in 0..ROUNDS {
            carrier.next().now_or_never().unwrap().unwrap().carry();
        }
        assert_eq!(left(waiting), [Some(false); CLIENTS * ROUNDS]);
        assert!(waiting.iter().all(|mailbox| mailbox.is_free()));
        assert!(carrier.next().now_or_never().is_none());
        drop(rounds);
        assert!(carrier.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn where_nobody_carries_any_more_clients_are_written_to_by_their_own_tasks() {
        let (mut rounds, queue) = Rounds::new();
        let mailboxes = [mailbox(true), mailbox(true)];
        let carriers = [Carrier::new(&queue), Carrier::new(&queue)];
        post(&mut rounds, &mailboxes);
        let [first, last] = carriers;
        drop(first);
        assert_eq!(left(&mailboxes), [Some(false); 2]);
        drop(last);
        assert_eq!(left(&mailboxes), [Some(true); 2]);
        let late = [mailbox(true)];
        post(&mut rounds, &late);
        assert_eq!(left(&late), [Some(true)]);
    }

    #[test]
    fn an_outlet_that_fails_costs_its_own_client_its_connection_and_nobody_else_anything() {
        let (mut rounds, queue) = Rounds::new();
        let carrier = Carrier::new(&queue);
        let mailboxes = [mailbox(false), mailbox(true)];
        post(&mut rounds, &mailboxes);
        let round = carrier.next().now_or_never().unwrap().unwrap();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round.carry()));
        assert!(failed.is_err());
        assert_eq!(left(&mailboxes), [None, Some(true)]);
    }

    /// Notes that a carrier was woken.
    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_round_wakes_a_carrier_of_its_own() {
        let (mut rounds, queue) = Rounds::new();
        let carriers = [Carrier::new(&queue), Carrier::new(&queue)];
        let bells = [(); 2].map(|()| Arc::<Bell>::default());
        let mut waiting: Vec<_> = carriers.iter().map(|carrier| Box::pin(carrier.next())).collect();
        for (next, bell) in waiting.iter_mut().zip(&bells) {
            let waker = Waker::from(Arc::clone(bell));
            assert!(next.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        let woken = || bells.iter().filter(|bell| bell.0.load(Ordering::Relaxed)).count();
        post(&mut rounds, &[(); CLIENTS].map(|()| mailbox(true)));
        assert_eq!(woken(), 1);
        post(&mut rounds, &[(); CLIENTS].map(|()| mailbox(true)));
        assert_eq!(woken(), 2);
    }
}
