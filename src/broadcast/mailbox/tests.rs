//! What two who write to one client leave to each other.

use std::{
    pin::pin,
    sync::{
        Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake},
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::{broadcast::Frame, domain::Revision};

/// Does with every tick the same, and counts those that were asked for and those that were delivered.
struct Fake {
    written: Written,
    asked: AtomicU64,
    delivered: AtomicU64,
}

impl Fake {
    fn new(written: Written) -> Arc<Self> {
        Arc::new(Self { written, asked: AtomicU64::new(0), delivered: AtomicU64::new(0) })
    }
}

impl Outlet for Fake {
    fn write(&self, _: &Delivery) -> Written {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.written
    }

    fn delivered(&self, _: Instant) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

fn tick(revision: u64) -> Delivery {
    let frames = [Frame::new("position_update", "moved".into())];
    let content = Content::Tick(Arc::new(frames));
    Delivery { revision: Revision(revision), sealed_at: Instant::now(), content }
}

fn mailbox(written: Written) -> Mailbox {
    Mailbox::new(7, Some(Fake::new(written)))
}

/// Frames of the delivery that waits for the client's task; none if none does.
fn taken(mailbox: &Mailbox) -> Option<usize> {
    let delivery = mailbox.take().now_or_never()??;
    let Content::Tick(frames) = delivery.content else { panic!("not a tick") };
    Some(frames.len())
}

#[test]
fn what_an_outlet_writes_is_no_matter_of_the_clients_task() {
    let outlet = Fake::new(Written::All);
    let mailbox = Mailbox::new(7, Some(Arc::<Fake>::clone(&outlet)));
    for revision in [1, 2] {
        assert!(mailbox.is_free());
        assert!(mailbox.post(tick(revision)));
        assert_eq!(taken(&mailbox), None);
        mailbox.carry();
        assert_eq!(taken(&mailbox), None);
        assert_eq!(outlet.delivered.load(Ordering::Relaxed), revision);
    }
}

#[test]
fn what_it_does_not_write_is_left_to_the_clients_task() {
    for (written, frames) in [(Written::Nothing, 1), (Written::Begun, 0)] {
        let mailbox = mailbox(written);
        assert!(mailbox.post(tick(1)));
        mailbox.carry();
        assert!(!mailbox.is_free());
        assert_eq!(taken(&mailbox), Some(frames), "{written:?}");
        assert!(mailbox.emptied(), "more was owed");
        assert!(mailbox.is_free());
    }
}

#[test]
fn who_has_no_outlet_any_more_finds_what_was_posted() {
    let mailbox = mailbox(Written::All);
    assert!(mailbox.post(tick(1)));
    mailbox.drop_outlet();
    mailbox.carry();
    assert_eq!(taken(&mailbox), Some(1));
    mailbox.emptied();
    assert!(!mailbox.post(tick(2)));
    assert_eq!(taken(&mailbox), Some(1));
}

#[test]
fn a_mailbox_ends_when_what_was_posted_is_written_and_the_clients_task_is_woken_for_that() {
    let mailbox = mailbox(Written::All);
    let task = Task::new();
    assert!(mailbox.post(tick(1)));
    mailbox.close();
    assert_eq!(task.run(&mailbox), []);
    assert!(!task.has_ended());
    mailbox.carry();
    assert_eq!(task.run(&mailbox), []);
    assert!(task.has_ended());
}

/// Sees to it that everything happens while it writes.
struct Busy(Mutex<Weak<Mailbox>>);

impl Outlet for Busy {
    fn write(&self, _: &Delivery) -> Written {
        let mailbox = self.0.lock().unwrap().upgrade().unwrap();
        assert!(!mailbox.is_free());
        mailbox.carry();
        mailbox.drop_outlet();
        mailbox.close();
        assert!(mailbox.take().now_or_never().is_none());
        Written::All
    }

    fn delivered(&self, _: Instant) {
        panic!("the client's task has to say that more is owed")
    }
}

#[test]
fn what_is_owed_while_a_carrier_writes_is_told_by_the_clients_task() {
    let outlet = Arc::new(Busy(Mutex::default()));
    let mailbox = Arc::new(Mailbox::new(7, Some(Arc::<Busy>::clone(&outlet))));
    *outlet.0.lock().unwrap() = Arc::downgrade(&mailbox);
    assert!(mailbox.post(tick(1)));
    mailbox.carry();
    assert_eq!(taken(&mailbox), Some(0));
    assert!(mailbox.emptied(), "more was owed");
    assert!(mailbox.take().now_or_never().unwrap().is_none());
}

/// What happens to a mailbox next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A tick has something for the client.
    Tick,
    /// A carrier comes by, and the outlet does so much.
    Carry(Written),
    /// The round that the mailbox was in is given up.
    Leave,
    /// The client's task runs, if it was woken.
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let written = prop_oneof![Just(Written::All), Just(Written::Begun), Just(Written::Nothing)];
    prop_oneof![
        3 => Just(Step::Tick),
        3 => written.prop_map(Step::Carry),
        1 => Just(Step::Leave),
        3 => Just(Step::Run),
    ]
}

/// A client's task: runs when it was woken, and writes all that it is given.
struct Task {
    is_woken: AtomicBool,
    has_ended: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self { is_woken: AtomicBool::new(true), has_ended: AtomicBool::new(false) })
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// What it has written, and whether something was owed since.
    fn run(self: &Arc<Self>, mailbox: &Mailbox) -> Vec<(Revision, bool)> {
        let mut written = Vec::new();
        let waker = Waker::from(Arc::clone(self));
        let cx = &mut Context::from_waker(&waker);
        while self.is_woken.swap(false, Ordering::Relaxed) {
            while let Poll::Ready(next) = pin!(mailbox.take()).poll_unpin(cx) {
                let Some(delivery) = next else {
                    self.has_ended.store(true, Ordering::Relaxed);
                    break;
                };
                written.push((delivery.revision, mailbox.emptied()));
            }
        }
        written
    }
}

proptest! {
    #[test]
    fn every_tick_is_written_once_by_an_outlet_or_by_a_task_that_was_woken_for_it(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mailbox = mailbox(Written::Nothing);
        let task = Task::new();
        let (mut posted, mut is_owed) = (0, false);
        let mut written = task.run(&mailbox);
        for step in steps.into_iter().chain([Step::Leave, Step::Run]) {
            match step {
                Step::Tick if mailbox.is_free() => {
                    prop_assert!(!is_owed, "what was owed is told before");
                    prop_assert_eq!(written.len() as u64, posted);
                    posted += 1;
                    mailbox.post(tick(posted));
                }
                Step::Tick => is_owed = true,
                Step::Carry(some) => {
                    let outlet = Fake::new(some);
                    mailbox.lock().outlet = Some(Arc::<Fake>::clone(&outlet));
                    mailbox.carry();
                    let delivered = outlet.delivered.load(Ordering::Relaxed);
                    let asked = outlet.asked.load(Ordering::Relaxed);
                    prop_assert_eq!(delivered, u64::from(some == Written::All && !is_owed) * asked);
                    written.extend((delivered > 0).then_some((Revision(posted), false)));
                }
                Step::Leave => mailbox.leave_to_its_owner(),
                Step::Run => {
                    for (revision, owed) in task.run(&mailbox) {
                        prop_assert_eq!(owed, is_owed);
                        is_owed = false;
                        written.push((revision, owed));
                    }
                }
            }
        }
        let revisions: Vec<_> = written.iter().map(|(revision, _)| revision.0).collect();
        prop_assert_eq!(revisions, (1..=posted).collect::<Vec<_>>());
    }
}
