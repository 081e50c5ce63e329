//! How long the writer rests between two commits: what comes meanwhile is committed together.

mod senders;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::Job;
use senders::Senders;

/// From the beginning of one commit to that of the next, at most, while messages keep coming.
const LONGEST: Duration = Duration::from_millis(150);

/// From the end of one commit to the beginning of the next, where no tick is due: one may come of what
/// was committed.
const SHORT: Duration = Duration::from_millis(10);

/// Where a commit takes longer, there are two for a tick: one of most that came, and a short one of what
/// came meanwhile, so that little has to wait for the end of a long one.
const LONG: Duration = Duration::from_millis(10);

/// Save in a flood of so many in a millisecond: then it counts that they share pages of the database.
const FLOOD_PER_MS: u128 = 20;

/// What is kept between the end of a commit and the tick that it is for.
const SPARE: Duration = Duration::from_millis(2);

/// The pace of commits: in step with ticks.
///
/// A commit costs about the same for one message as for some dozens, and what is committed right
/// after a tick is shown no sooner than what is committed right before the next. So a commit begins
/// when it is expected to end just before a tick is due. At once after quiet, and sooner if there are
/// as many messages as it takes, or as soon as a sender is silent that waits for acknowledgements.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the next tick is due; past, if it comes with the next news.
    due: watch::Receiver<Instant>,
    /// The tick that the last commit was in time for.
    served: Option<Instant>,
    /// When the last commit began and ended, and what it was.
    last: Option<(Instant, Instant)>,
    part: Part,
    /// The tick that the last commit was the first of two for.
    halfway_to: Option<Instant>,
    /// How long a commit of most that came takes, and one that is just in time for a tick.
    first_takes: Expected,
    last_takes: Expected,
    senders: Senders,
}

impl Pace {
    pub(super) fn new(due: watch::Receiver<Instant>) -> Self {
        Self {
            due,
            served: None,
            halfway_to: None,
            last: None,
            part: Part::None,
            first_takes: Expected::default(),
            last_takes: Expected::default(),
            senders: Senders::default(),
        }
    }

    /// Lets more jobs gather beside those in `batch`, up to the moment that a commit should begin.
    pub(super) async fn gather(
        &mut self,
        jobs: &mut mpsc::Receiver<Job>,
        batch: &mut Vec<Job>,
        most: usize,
    ) {
        let began = Instant::now();
        let mut now = began;
        self.senders.note(batch, now, Duration::ZERO);
        while batch.len() < most && !jobs.is_closed() {
            let begin_at = self.next(batch.len(), now);
            if begin_at <= now {
                break;
            }
            let look = self.senders.look();
            sleep_until(begin_at.min(now + look)).await;
            now = Instant::now();
            let known = batch.len();
            take(jobs, batch, most);
            self.senders.note(&batch[known..], now, look);
            if self.senders.somebody_waits() {
                break;
            }
        }
        self.senders.end(now, now - began);
        let due = *self.due.borrow();
        self.part = if due <= now + self.lead_of_last() {
            self.served = Some(due);
            if self.halfway_to == Some(due) { Part::Last } else { Part::Whole }
        } else if due <= now + self.lead(due, batch.len(), now) {
            self.halfway_to = Some(due);
            Part::First
        } else {
            Part::None
        };
        self.last = Some((now, now));
    }

    /// When the next commit should begin.
    fn next(&self, jobs: usize, now: Instant) -> Instant {
        let Some((began, ended)) = self.last else { return now };
        let due = *self.due.borrow();
        if due <= now {
            return ended + SHORT;
        }
        let latest = began + LONGEST;
        if self.served == Some(due) {
            return latest;
        }
        latest.min(due.checked_sub(self.lead(due, jobs, now)).unwrap_or(now))
    }

    /// How long before a tick the next commit should begin, as so many jobs have come by now.
    fn lead(&self, due: Instant, jobs: usize, now: Instant) -> Duration {
        let gathered_for = self.last.map_or(Duration::ZERO, |(began, _)| now - began);
        let is_flood = jobs as u128 >= gathered_for.as_millis() * FLOOD_PER_MS;
        let is_in_two = self.first_takes.0 > LONG && !is_flood;
        let is_first = is_in_two && self.halfway_to != Some(due);
        self.lead_of_last() + if is_first { self.first_takes.0 } else { Duration::ZERO }
    }

    fn lead_of_last(&self) -> Duration {
        self.last_takes.0 + SPARE
    }

    /// What was gathered is committed and acknowledged.
    pub(super) fn committed(&mut self) {
        let now = Instant::now();
        self.senders.acknowledged(now);
        let Some((began, ended)) = &mut self.last else { return };
        *ended = now;
        let took = now - *began;
        if matches!(self.part, Part::First | Part::Whole) {
            self.first_takes.learn(took);
        }
        if matches!(self.part, Part::Last | Part::Whole) {
            self.last_takes.learn(took);
        }
    }

    /// Whether the next tick should tell of what was gathered.
    pub(super) fn is_for_tick(&self) -> bool {
        matches!(self.part, Part::Whole | Part::Last)
    }

    /// Whether a tick may come before the next commit is due.
    pub(super) fn has_time(&self) -> bool {
        !matches!(self.part, Part::First)
    }
}

/// What a commit is of all that is committed for one tick.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    First,
    Last,
    /// It was not begun for a tick.
    None,
}

/// How long something takes, from how long it took, and rather too long.
#[derive(Clone, Copy, Debug, Default)]
struct Expected(Duration);

impl Expected {
    fn learn(&mut self, took: Duration) {
        let weight = if took > self.0 { 1 } else { 7 };
        self.0 = (self.0 * weight + took) / (weight + 1);
    }
}

/// Takes what is there, and waits for nothing.
fn take(jobs: &mut mpsc::Receiver<Job>, batch: &mut Vec<Job>, most: usize) {
    while batch.len() < most
        && let Ok(job) = jobs.try_recv()
    {
        batch.push(job);
    }
}
