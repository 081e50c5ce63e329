use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Wake},
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::{broadcast::Frame, domain::Revision};

/// Does with every tick the same, and notes that there was one.
struct Fake(Written, AtomicBool);

impl Fake {
    fn new(written: Written) -> Arc<Self> {
        Arc::new(Self(written, AtomicBool::new(false)))
    }
}

impl Outlet for Fake {
    fn write(&self, _: &Delivery) -> Written {
        self.1.store(true, Ordering::Relaxed);
        self.0
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
    let mailbox = mailbox(Written::All);
    for revision in [1, 2] {
        assert!(mailbox.is_free());
        assert!(mailbox.post(tick(revision)));
        assert_eq!(taken(&mailbox), None);
        assert!(!mailbox.carry(), "nothing was owed");
        assert_eq!(taken(&mailbox), None);
    }
}

#[test]
fn what_it_does_not_write_is_left_to_the_clients_task() {
    for (written, frames) in [(Written::Nothing, 1), (Written::Begun, 0)] {
        let mailbox = mailbox(written);
        assert!(mailbox.post(tick(1)));
        assert!(!mailbox.carry());
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
    assert!(!mailbox.carry());
    assert_eq!(taken(&mailbox), Some(1));
    mailbox.emptied();
    assert!(!mailbox.post(tick(2)));
    assert_eq!(taken(&mailbox), Some(1));
}

#[test]
fn a_mailbox_ends_when_what_was_posted_is_written() {
    let mailbox = mailbox(Written::All);
    assert!(mailbox.post(tick(1)));
    mailbox.close();
    assert!(mailbox.take().now_or_never().is_none());
    mailbox.carry();
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
#[derive(Default)]
struct Task(AtomicBool);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    /// What it has written, and whether something was owed since.
    fn run(self: &Arc<Self>, mailbox: &Mailbox) -> Vec<(Revision, bool)> {
        let mut written = Vec::new();
        if !self.0.swap(false, Ordering::Relaxed) {
            return written;
        }
        let waker = Waker::from(Arc::clone(self));
        let cx = &mut Context::from_waker(&waker);
        while let Poll::Ready(Some(delivery)) = pin!(mailbox.take()).poll_unpin(cx) {
            written.push((delivery.revision, mailbox.emptied()));
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
        let task = Arc::new(Task(AtomicBool::new(true)));
        let (mut posted, mut is_owed) = (0, false);
        let mut written = task.run(&mailbox);
        let end = [Step::Leave, Step::Run];
        for step in steps.into_iter().chain(end) {
            match step {
                Step::Tick if mailbox.is_free() => {
                    prop_assert_eq!(written.len() as u64, posted);
                    posted += 1;
                    mailbox.post(tick(posted));
                }
                Step::Tick => is_owed = true,
                Step::Carry(all @ Written::All) => {
                    let outlet = Fake::new(all);
                    mailbox.lock().outlet = Some(Arc::<Fake>::clone(&outlet));
                    let owed = mailbox.carry();
                    if outlet.1.load(Ordering::Relaxed) {
                        written.push((Revision(posted), owed));
                    }
                }
                Step::Carry(some) => {
                    mailbox.lock().outlet = Some(Fake::new(some));
                    prop_assert!(!mailbox.carry());
                }
                Step::Leave => mailbox.leave_to_its_owner(),
                Step::Run => written.extend(task.run(&mailbox)),
            }
            if let Some((_, owed)) = written.get(usize::try_from(posted).unwrap().wrapping_sub(1)) {
                prop_assert!(*owed || !is_owed, "what is owed is told");
                is_owed = false;
            }
        }
        let revisions: Vec<_> = written.iter().map(|(revision, _)| revision.0).collect();
        prop_assert_eq!(revisions, (1..=posted).collect::<Vec<_>>());
    }
}
