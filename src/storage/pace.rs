//! How long the writer rests between two commits: what comes meanwhile is committed together.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::Job;

/// From one commit to the next, at least and at most, while messages keep coming.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(10);

/// The same at most in a flood, and how many messages come in a millisecond of one at least.
const LONGEST_IN_FLOOD: Duration = Duration::from_millis(80);
const FLOOD_PER_MS: u128 = 20;

/// The pace of commits.
///
/// A commit costs about the same for one message as for some dozens, so while messages trickle in
/// it pays to let a few gather. In a flood it pays to let thousands: they share the pages of the
/// database that they change. It does not pay where whoever sends them waits for acknowledgements
/// before the next one: then nothing more comes in a rest, and the next rest is half as long.
#[derive(Debug)]
pub(super) struct Pace {
    rest: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { rest: LONGEST, last: None }
    }

    /// Lets more jobs gather beside those in `batch`. Not at all if the last commit began long
    /// enough ago: a message after quiet is committed at once.
    pub(super) async fn gather(
        &mut self,
        jobs: &mut mpsc::Receiver<Job>,
        batch: &mut Vec<Job>,
        most: usize,
    ) {
        let now = Instant::now();
        let next = self.last.map_or(now, |last| last + self.rest);
        if next > now && batch.len() < most {
            sleep_until(now + (next - now) / 2).await;
            take(jobs, batch, most);
            let soon = batch.len();
            if soon < most {
                sleep_until(next).await;
                take(jobs, batch, most);
            }
            self.adapt(batch.len(), batch.len() > soon && batch.len() < most);
        }
        self.last = Some(Instant::now());
    }

    /// Makes the next rest longer if more came to the end of this one, and there was room for it;
    /// or else shorter.
    fn adapt(&mut self, came: usize, goes_on: bool) {
        let since = self.last.map_or(Duration::ZERO, |last| last.elapsed());
        let is_flood = came as u128 >= since.as_millis() * FLOOD_PER_MS;
        let longest = if is_flood { LONGEST_IN_FLOOD } else { LONGEST };
        let rest = if goes_on { self.rest * 2 } else { self.rest / 2 };
        self.rest = rest.clamp(SHORTEST, longest);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { report: None, standing: None, settle: Box::new(|_| ()), arrived_at: Instant::now() }
    }

    /// Jobs of which one comes so often, and how many are in each batch.
    async fn batches(every: Duration, count: usize) -> Vec<usize> {
        batches_of(1, every, count).await
    }

    /// Jobs of which some come at once so often.
    async fn batches_of(some: usize, every: Duration, times: usize) -> Vec<usize> {
        let (sender, mut jobs) = mpsc::channel(10_000);
        let send = async {
            for _ in 0..times {
                for _ in 0..some {
                    sender.send(job()).await.expect("they are taken");
                }
                tokio::time::sleep(every).await;
            }
            drop(sender);
        };
        let receive = async {
            let (mut pace, mut sizes) = (Pace::new(), Vec::new());
            let mut batch = Vec::new();
            while jobs.recv_many(&mut batch, 5000).await > 0 {
                pace.gather(&mut jobs, &mut batch, 5000).await;
                sizes.push(batch.len());
                batch.clear();
            }
            sizes
        };
        tokio::join!(send, receive).1
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_trickle_in_are_committed_some_at_a_time() {
        let sizes = batches(Duration::from_millis(2), 500).await;
        assert_eq!(sizes.iter().sum::<usize>(), 500);
        assert_eq!(sizes[0], 1, "the first after quiet waits for nobody");
        assert!(sizes.len() < 120, "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_flood_in_are_committed_many_at_a_time() {
        let sizes = batches_of(40, Duration::from_millis(1), 2000).await;
        assert_eq!(sizes.iter().sum::<usize>(), 80_000);
        assert!(sizes[10..sizes.len() - 1].iter().all(|size| *size >= 2500), "{sizes:?}");
        // Fewer are not: whoever sends them is told within milliseconds.
        let sizes = batches_of(15, Duration::from_millis(1), 2000).await;
        assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn rare_messages_wait_for_nobody() {
        let began = Instant::now();
        let sizes = batches(Duration::from_millis(50), 20).await;
        assert_eq!(sizes, [1; 20]);
        assert_eq!(began.elapsed(), Duration::from_millis(50) * 20);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_acknowledgements_is_soon_not_kept_waiting() {
        let (sender, mut jobs) = mpsc::channel(1000);
        let (mut pace, mut batch) = (Pace::new(), Vec::new());
        let began = Instant::now();
        for _ in 0..200 {
            for _ in 0..20 {
                sender.send(job()).await.expect("they are taken");
            }
            jobs.recv_many(&mut batch, 100).await;
            pace.gather(&mut jobs, &mut batch, 100).await;
            assert_eq!(batch.len(), 20);
            batch.clear();
        }
        assert!(began.elapsed() < Duration::from_millis(10 * 4 + 200 * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_committed_at_once() {
        let (sender, mut jobs) = mpsc::channel(1000);
        let mut pace = Pace::new();
        let began = Instant::now();
        for _ in 0..3 {
            for _ in 0..10 {
                sender.send(job()).await.expect("they are taken");
            }
            let mut batch = Vec::new();
            jobs.recv_many(&mut batch, 10).await;
            pace.gather(&mut jobs, &mut batch, 10).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
