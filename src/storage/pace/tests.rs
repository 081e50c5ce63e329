use std::sync::Arc;

use futures_util::future::join_all;
use tokio::{sync::Semaphore, time::sleep};

use super::{super::Outcome, *};

/// The least time between two ticks of the world, and how long a commit takes.
const TICK: Duration = Duration::from_millis(100);
const COMMIT: Duration = Duration::from_millis(4);

const ANNA: Option<u64> = Some(1);
const BERT: Option<u64> = Some(2);

/// Who sends a message so often, so many times, but never has more than `window` unacknowledged.
struct Script {
    sender: Option<u64>,
    window: usize,
    every: Duration,
    times: usize,
}

/// Sends without waiting for anybody.
fn steady(every_ms: u64, times: usize) -> Script {
    Script { sender: None, window: 10_000, every: Duration::from_millis(every_ms), times }
}

impl Script {
    async fn play(self, jobs: mpsc::Sender<Job>) {
        let window = Arc::new(Semaphore::new(self.window));
        let began = Instant::now();
        for turn in 0..u32::try_from(self.times).unwrap() {
            sleep_until(began + self.every * turn).await;
            let place = Arc::clone(&window).acquire_owned().await.unwrap();
            let settle = Box::new(move |_| drop(place));
            let arrived_at = Instant::now();
            let job = Job { report: None, standing: None, settle, arrived_at, sender: self.sender };
            jobs.send(job).await.ok().unwrap();
        }
    }
}

/// What came of scripts.
#[derive(Default)]
struct Outcomes {
    /// How many messages are in each commit.
    commits: Vec<usize>,
    /// How long it took each message to be shown.
    delays: Vec<Duration>,
    took: Duration,
}

async fn play(
    scripts: impl IntoIterator<Item = Script>,
    most: usize,
    takes: impl Fn(usize, usize) -> Duration,
) -> Outcomes {
    let began = Instant::now();
    let (jobs_in, mut jobs) = mpsc::channel(10_000);
    let (news_in, mut news) = mpsc::channel(100_000);
    let due_in = watch::Sender::new(began);
    let due = due_in.subscribe();
    let send = async {
        join_all(scripts.into_iter().map(|script| script.play(jobs_in.clone()))).await;
        drop(jobs_in);
    };
    let write = async {
        let mut pace = Pace::new(due);
        let (mut commits, mut batch) = (Vec::new(), Vec::new());
        while jobs.recv_many(&mut batch, most).await > 0 {
            pace.gather(&mut jobs, &mut batch, most).await;
            commits.push(batch.len());
            let jobs = batch.len();
            sleep(takes(commits.len(), jobs)).await;
            for job in batch.drain(..) {
                news_in.try_send(job.arrived_at).unwrap();
                (job.settle)(Outcome::Refused);
            }
            pace.committed();
        }
        drop(news_in);
        commits
    };
    let show = async {
        let mut delays = Vec::new();
        while let Some(first) = news.recv().await {
            let due = *due_in.borrow();
            sleep_until(due).await;
            let now = Instant::now();
            delays.push(now - first);
            while let Ok(other) = news.try_recv() {
                delays.push(now - other);
            }
            due_in.send_replace(now + TICK);
        }
        delays
    };
    let ((), commits, delays) = tokio::join!(send, write, show);
    Outcomes { commits, delays, took: began.elapsed() }
}

#[tokio::test(start_paused = true)]
async fn there_is_one_commit_for_each_tick() {
    for every_ms in [1, 2, 7, 30] {
        let Outcomes { commits, delays, .. } =
            play([steady(every_ms, 2000)], 5000, |_, _| COMMIT).await;
        let ticks = usize::try_from(2000 * every_ms / 100).unwrap();
        assert_eq!(commits.iter().sum::<usize>(), 2000);
        assert!(commits.len().abs_diff(ticks) <= 2, "every {every_ms} ms: {commits:?}");
        let longest = delays.into_iter().max().unwrap();
        assert!(longest <= TICK + COMMIT * 2 + SPARE, "every {every_ms} ms: {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_commits_take_longer_at_times_no_news_waits_for_a_second_tick() {
    for slow_ms in [12, 30, 60] {
        let slow = Duration::from_millis(slow_ms);
        let takes = |turn, _| if turn % 4 == 0 { slow } else { COMMIT };
        let Outcomes { commits, delays, .. } = play([steady(2, 2000)], 5000, takes).await;
        assert!(commits.len() <= 85, "{slow:?}: {commits:?}");
        let longest = delays.into_iter().max().unwrap();
        assert!(longest <= TICK + slow * 2, "{slow:?}: {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_committed_in_a_long_part_and_a_short_one() {
    let takes = |_, jobs| Duration::from_micros(2000 + 40 * u64::try_from(jobs).unwrap());
    let busy = || (0..5).map(|_| steady(1, 2000));
    let Outcomes { commits, delays, .. } = play(busy(), 5000, takes).await;
    assert!(commits.len() <= 45, "{commits:?}");
    let longest = delays.into_iter().skip(2000).max().unwrap();
    assert!(longest <= TICK + LONG + SPARE, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_flood_in_are_committed_thousands_at_a_time() {
    let takes = |_, jobs| Duration::from_micros(10) * u32::try_from(jobs).unwrap();
    let flood = (0..40).map(|_| steady(1, 2000));
    let Outcomes { commits, .. } = play(flood, 5000, takes).await;
    assert!(commits[5..commits.len() - 1].iter().all(|jobs| *jobs >= 3000), "{commits:?}");
}

#[tokio::test(start_paused = true)]
async fn rare_messages_wait_for_nobody() {
    let Outcomes { commits, delays, .. } = play([steady(150, 20)], 5000, |_, _| COMMIT).await;
    assert_eq!(commits, [1; 20]);
    assert_eq!(delays, [COMMIT; 20]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_acknowledgements_is_soon_not_kept_waiting() {
    for window in [1, 20] {
        let hasty = Script { sender: ANNA, window, every: Duration::ZERO, times: 200 * window };
        let Outcomes { commits, took, .. } = play([hasty], 5000, |_, _| COMMIT).await;
        assert!(commits.iter().all(|size| *size == window), "{commits:?}");
        assert!(
            took < TICK * 2 + (COMMIT + Duration::from_millis(2)) * 200,
            "window {window}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_not_kept_waiting_where_others_send_on() {
    let every = Duration::from_millis(2);
    let waits = Script { sender: ANNA, window: 20, every, times: 2000 };
    let sends = Script { sender: BERT, window: 10_000, every, times: 2000 };
    let Outcomes { delays, took, .. } = play([waits, sends], 5000, |_, _| COMMIT).await;
    assert!(took < every * 2000 + TICK * 3, "{took:?}");
    let longest = delays.into_iter().max().unwrap();
    assert!(longest <= TICK * 2, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_committed_at_once() {
    let flood = Script { sender: ANNA, window: 10, every: Duration::ZERO, times: 30 };
    let Outcomes { commits, took, .. } = play([flood], 10, |_, _| COMMIT).await;
    assert_eq!((commits, took), (vec![10; 3], COMMIT + TICK));
}
