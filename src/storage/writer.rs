//! The writer: collects what arrives during a commit and commits it at once.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Committed, Metrics, Store, StoreError};
use crate::domain::{Filed, Patch, Report, Timestamp};

/// Most jobs that one commit takes in. What arrives meanwhile waits for the next one.
const MOST_JOBS: usize = 1000;

/// Pause before a failed commit is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk.
    Filed(Filed),
    /// There was nothing to store: the message was refused before.
    Refused,
}

/// Called once, when the job's batch is on disk and never before: acknowledges the message.
pub type Settle = Box<dyn FnOnce(Outcome) + Send>;

/// One MQTT message on its way to the disk.
pub struct Job {
    /// What it says; none when it was refused and only waits for its turn to be acknowledged, as
    /// acknowledgements go out in the order of arrival.
    pub report: Option<Report>,
    /// How to acknowledge it.
    pub settle: Settle,
    /// When it came.
    pub arrived_at: Instant,
}

/// The one task that writes.
///
/// There is no timer: a job that finds the writer idle is committed at once, and those that come
/// during a commit go into the next one together. So a commit follows within milliseconds, and
/// the more arrives the cheaper each job becomes.
pub struct Writer {
    /// Where it writes.
    pub store: Arc<dyn Store>,
    /// What is to be written. When this queue is full, whoever fills it waits: the broker keeps
    /// what is not yet acknowledged. A capacity of 1000 or more lets commits grow to their full
    /// size; a job weighs about a kilobyte.
    pub jobs: mpsc::Receiver<Job>,
    /// Where the patches of new packets go, in order, once they are committed. When this queue is
    /// full the writer waits, and with it everything before it. When nobody listens any more, what
    /// is committed is only kept on disk.
    pub committed: mpsc::Sender<Committed>,
    /// Why the last commit failed; none when the store is well. A message for the operator.
    pub trouble: watch::Sender<Option<String>>,
    /// When the oldest message that is not committed arrived; none when there is none.
    pub waiting_since: watch::Sender<Option<Timestamp>>,
    /// What it counts.
    pub metrics: Metrics,
    /// Says that the server is stopping. The writer ends when the last sender of jobs is gone;
    /// this token only limits how long a failing store may hold that up.
    pub stop: CancellationToken,
    /// How long a failing store is tried again once the server is stopping.
    pub grace: Duration,
}

impl Writer {
    /// Writes until all senders of jobs are gone and everything is committed. An error says that
    /// the store failed to the end of the grace; what could not be written was not acknowledged.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let mut batch = Vec::with_capacity(MOST_JOBS);
        while self.jobs.recv_many(&mut batch, MOST_JOBS).await > 0 {
            let arrived = |job: &Job| job.report.as_ref().map(|report| report.reception.arrived);
            self.waiting_since.send_replace(batch.iter().find_map(arrived));
            let reports: Vec<&Report> =
                batch.iter().filter_map(|job| job.report.as_ref()).collect();
            let filed = self.commit(&reports).await?;
            self.measure(&batch);
            // The world first: whoever has seen an acknowledgement finds on the map what it is for.
            let patches = self.news(&batch, &filed);
            let news = (Instant::now(), patches);
            if !news.1.is_empty() && self.committed.send(news).await.is_err() {
                info!("nobody listens to what is committed any more");
            }
            settle(&mut batch, filed);
            self.waiting_since.send_replace(None);
        }
        Ok(())
    }

    /// Commits, again and again if need be.
    async fn commit(&self, reports: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let mut pause = FIRST_PAUSE;
        let mut give_up_at = None;
        loop {
            let begun = Instant::now();
            let error = match self.store.commit(reports).await {
                Ok(filed) => {
                    self.metrics.commits.inc();
                    self.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
                    let count = u32::try_from(reports.len()).unwrap_or(u32::MAX);
                    self.metrics.commit_reports.observe(f64::from(count));
                    if self.trouble.send_replace(None).is_some() {
                        info!("the database takes what is stored again");
                    }
                    return Ok(filed);
                }
                Err(error) => error,
            };
            self.metrics.commit_failures.inc();
            let waiting = reports.len();
            warn!(%error, waiting, "could not store {waiting} messages, trying again: {error}");
            self.trouble.send_replace(Some(error.to_string()));
            if self.stop.is_cancelled() {
                let give_up_at = *give_up_at.get_or_insert_with(|| Instant::now() + self.grace);
                if Instant::now() >= give_up_at {
                    return Err(error);
                }
                sleep(pause.min(give_up_at - Instant::now())).await;
            } else {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = self.stop.cancelled() => {}
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How long the messages of a committed batch took to get there.
    fn measure(&self, batch: &[Job]) {
        let now = Instant::now();
        for job in batch.iter().filter(|job| job.report.is_some()) {
            let waited = now.saturating_duration_since(job.arrived_at);
            self.metrics.arrival_to_commit_seconds.observe(waited.as_secs_f64());
        }
    }

    /// What the new packets of a committed batch say, in order.
    fn news(&self, batch: &[Job], filed: &[Filed]) -> Vec<Patch> {
        let reports = batch.iter().filter_map(|job| job.report.as_ref());
        let mut patches = Vec::new();
        for (report, filed) in reports.zip(filed) {
            match filed {
                Filed::Packet => {
                    self.metrics.packets_stored.inc();
                    self.metrics.receptions_stored.inc();
                    patches.push(report.patch.clone());
                }
                Filed::Reception => {
                    self.metrics.receptions_stored.inc();
                }
                Filed::Duplicate => {}
            }
        }
        patches
    }
}

/// Acknowledges every job, in order.
fn settle(batch: &mut Vec<Job>, filed: Vec<Filed>) {
    let mut filed = filed.into_iter();
    for Job { report, settle, .. } in batch.drain(..) {
        let outcome = report.and_then(|_| filed.next()).map_or(Outcome::Refused, Outcome::Filed);
        settle(outcome);
    }
}
