//! The writer: collects what arrives during a commit and commits it at once.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, trace_span, warn};

use super::{Committed, Erasure, Metrics, Store, StoreError, pace::Pace};
use crate::domain::{
    Commit, Filed, NodeId, PacketKey, Patch, Report, Timestamp,
    policy::{KeptOut, Left, Standing},
};

/// Pause before a failed commit is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Steps of erasing that commits wait for, and the rows of each table in one.
const ERASED_AT_ONCE: usize = 20;
const ERASED_ROWS: u32 = 1000;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk.
    Filed(Filed),
    /// The database refuses it for what it says: it is on disk all the same, set aside.
    Quarantined,
    /// There was nothing to store: the message was refused before.
    Refused,
    /// Its sender is kept out since it was taken: nothing was stored.
    KeptOut,
}

/// Called once, when the job's batch is on disk and never before: acknowledges the message.
pub type Settle = Box<dyn FnOnce(Outcome) + Send>;

/// One MQTT message on its way to the disk.
pub struct Job {
    /// What it says; none when it was refused and only waits for its turn to be acknowledged, as
    /// acknowledgements go out in the order of arrival.
    pub report: Option<Box<Report>>,
    /// Who is kept out from here on, or let in again: before the report is stored.
    pub standing: Option<Standing>,
    /// How to acknowledge it.
    pub settle: Settle,
    /// When it came.
    pub arrived_at: Instant,
    /// Whose message it is, a number for each connection, where the sender may wait for the
    /// acknowledgement before it sends more; none where nobody does.
    pub sender: Option<u64>,
}

/// The one task that writes.
///
/// A job after quiet is committed at once. While jobs keep coming the writer rests between commits, to
/// let some gather until the next tick is due, or until a sender waits. So what is committed is shown
/// at once, and the more arrives the cheaper each job becomes.
pub struct Writer {
    /// Where it writes.
    pub store: Arc<dyn Store>,
    /// What is to be written. When this queue is full, whoever fills it waits: the broker keeps
    /// what is not yet acknowledged. A job weighs about a kilobyte.
    pub jobs: mpsc::Receiver<Job>,
    /// Most jobs that one commit takes in. What arrives meanwhile waits for the next one.
    pub most_jobs: usize,
    /// Who is told of commits: that one begins, and the patches of new packets, in order, once it is
    /// made. When this queue is full the writer waits, and with it everything before it. When nobody
    /// listens any more, what is committed is only kept on disk.
    pub committed: mpsc::Sender<Committed>,
    /// When the next tick is due; past, if it comes with the next news.
    pub due: watch::Receiver<Instant>,
    /// Why the last commit failed; none when the store is well. A message for the operator.
    pub trouble: watch::Sender<Option<String>>,
    /// When the oldest message that is not committed arrived; none when there is none.
    pub waiting_since: watch::Sender<Option<Timestamp>>,
    /// Who is kept out: what was taken of them before that was known is not stored.
    pub kept_out: KeptOut,
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
        let mut batch = Vec::with_capacity(self.most_jobs);
        let mut pace = Pace::new(self.due.clone());
        while self.jobs.recv_many(&mut batch, self.most_jobs).await > 0 {
            pace.gather(&mut self.jobs, &mut batch, self.most_jobs).await;
            if pace.is_for_tick() {
                self.tell(Commit::Begun).await;
            }
            let arrived = |job: &Job| job.report.as_ref().map(|report| report.reception.arrived);
            self.waiting_since.send_replace(batch.iter().find_map(arrived));
            while !batch.is_empty() {
                // Who is kept out changes between two commits, never within one.
                let later = batch.iter().skip(1).position(|job| job.standing.is_some());
                let rest = batch.split_off(later.map_or(batch.len(), |at| at + 1));
                self.write(std::mem::replace(&mut batch, rest)).await?;
            }
            self.waiting_since.send_replace(None);
            pace.committed();
            if pace.has_time()
                && let Err(error) = self.store.tidy().await
            {
                warn!(%error, "could not tidy the database, trying again later: {error}");
            }
        }
        Ok(())
    }

    /// Puts jobs on disk, tells of them and acknowledges them. Only the first may say who is kept
    /// out.
    async fn write(&mut self, mut jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut left = None;
        if let Some(standing) = jobs.first_mut().and_then(|job| job.standing.take()) {
            left = self.change(standing).await?;
        }
        let kept_out = &self.kept_out;
        for job in &mut jobs {
            let is_kept_out = |report: &mut Box<Report>| {
                let nodes = [&report.patch.node, &report.packet.key.sender];
                nodes.iter().any(|node| kept_out.get(node).is_some())
            };
            if job.report.take_if(|report| is_kept_out(report)).is_some() {
                let settle = std::mem::replace(&mut job.settle, Box::new(|_| ()));
                job.settle = Box::new(|_nothing_stored| settle(Outcome::KeptOut));
            }
        }
        let reports: Vec<&Report> = jobs.iter().filter_map(|job| job.report.as_deref()).collect();
        let outcomes = self.store(&reports).await?;
        self.measure(&jobs);
        // The world first: whoever has seen an acknowledgement finds on the map what it is for.
        let (settlements, patches) = self.part(&mut jobs, outcomes);
        self.tell(Commit::Made(left.into_iter().chain(patches).collect())).await;
        for (settle, outcome) in settlements {
            settle(outcome);
        }
        Ok(())
    }

    async fn tell(&self, news: Commit) {
        if self.committed.send((Instant::now(), news)).await.is_err() {
            info!("nobody listens to what is committed any more");
        }
    }

    /// Keeps a node out, or lets it in again, on disk as well; what that says to the world.
    async fn change(&mut self, standing: Standing) -> Result<Option<Patch>, StoreError> {
        let mut patience = Patience::default();
        loop {
            let outcome = match &standing {
                Standing::Out(node, left) => self.keep_out(node, *left).await,
                Standing::In(node) => self.store.let_in(node).await.map(drop),
            };
            match outcome {
                Ok(()) => break,
                Err(error) => self.wait(&mut patience, error, 1).await?,
            }
        }
        self.is_well();
        self.kept_out.apply(&standing);
        Ok(match standing {
            Standing::Out(node, left) => Some(Patch::leaves(node, left.since)),
            Standing::In(_) => None,
        })
    }

    /// Keeps a node out. What is stored of it goes at once, unless it is very much: then the rest
    /// goes later, as does what others say of it.
    async fn keep_out(&self, node: &NodeId, left: Left) -> Result<(), StoreError> {
        self.store.keep_out(node, left).await?;
        if left.why.erases() {
            for _ in 0..ERASED_AT_ONCE {
                let next = self.store.erase(node, Erasure::Own, ERASED_ROWS).await?;
                if next != Some(Erasure::Own) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Puts every report on disk. Where the database refuses a batch for what it says, the halves
    /// are tried in order, down to the reports that are to blame: those are set aside.
    async fn store(&self, reports: &[&Report]) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(reports.len());
        // Next on top.
        let mut parts = vec![reports];
        while let Some(part) = parts.pop() {
            match (self.commit(part).await, part) {
                (Ok(filed), _) => outcomes.extend(filed.into_iter().map(Outcome::Filed)),
                (Err(StoreError::Rejected(reason)), [guilty]) => {
                    self.set_aside(guilty, &reason).await?;
                    outcomes.push(Outcome::Quarantined);
                }
                (Err(StoreError::Rejected(_)), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    /// Commits, again and again if need be. An error that can be the fault of a report comes back
    /// at once.
    async fn commit(&self, reports: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let mut patience = Patience::default();
        loop {
            let begun = Instant::now();
            let count = reports.len();
            let span = trace_span!(target: "geocast::otel", "commit", geocast.reports = count);
            match self.store.commit(reports).instrument(span).await {
                Ok(filed) => {
                    self.metrics.commits.inc();
                    self.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
                    let count = u32::try_from(reports.len()).unwrap_or(u32::MAX);
                    self.metrics.commit_reports.observe(f64::from(count));
                    self.is_well();
                    return Ok(filed);
                }
                Err(rejected @ StoreError::Rejected(_)) => {
                    self.is_well();
                    return Err(rejected);
                }
                Err(error) => self.wait(&mut patience, error, reports.len()).await?,
            }
        }
    }

    /// Sets a report aside, again and again if need be.
    async fn set_aside(&self, report: &Report, reason: &str) -> Result<(), StoreError> {
        let mut patience = Patience::default();
        let is_new = loop {
            match self.store.quarantine(report, reason).await {
                Ok(is_new) => break is_new,
                Err(error) => self.wait(&mut patience, error, 1).await?,
            }
        };
        self.is_well();
        if is_new {
            let PacketKey { sender, id, .. } = &report.packet.key;
            let port = report.packet.port;
            warn!(reason, "set packet {id} of {sender} on port {port} aside: {reason}");
        }
        Ok(())
    }

    fn is_well(&self) {
        if self.trouble.send_replace(None).is_some() {
            info!("the database takes what is stored again");
        }
    }

    /// Says what is wrong and waits for the next attempt; gives the error back when there is none.
    async fn wait(
        &self,
        patience: &mut Patience,
        error: StoreError,
        waiting: usize,
    ) -> Result<(), StoreError> {
        self.metrics.commit_failures.inc();
        warn!(%error, waiting, "could not store {waiting} messages, trying again: {error}");
        self.trouble.send_replace(Some(error.to_string()));
        let Patience { pause, give_up_at } = patience;
        if self.stop.is_cancelled() {
            let give_up_at = *give_up_at.get_or_insert_with(|| Instant::now() + self.grace);
            if Instant::now() >= give_up_at {
                return Err(error);
            }
            sleep((*pause).min(give_up_at - Instant::now())).await;
        } else {
            tokio::select! {
                () = sleep(*pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// How long the messages of a committed batch took to get there.
    fn measure(&self, batch: &[Job]) {
        let now = Instant::now();
        for job in batch.iter().filter(|job| job.report.is_some()) {
            let waited = now.saturating_duration_since(job.arrived_at);
            self.metrics.arrival_to_commit_seconds.observe(waited.as_secs_f64());
        }
    }

    /// What is owed for each job of a committed batch, and what its new packets say, in order.
    fn part(
        &self,
        batch: &mut Vec<Job>,
        outcomes: Vec<Outcome>,
    ) -> (Vec<(Settle, Outcome)>, Vec<Patch>) {
        let mut outcomes = outcomes.into_iter();
        let mut settlements = Vec::with_capacity(batch.len());
        let mut patches = Vec::new();
        for Job { report, settle, .. } in batch.drain(..) {
            let outcome = report.as_ref().and_then(|_| outcomes.next()).unwrap_or(Outcome::Refused);
            match (report, outcome) {
                (Some(report), Outcome::Filed(Filed::Packet)) => {
                    self.metrics.packets_stored.inc();
                    self.metrics.receptions_stored.inc();
                    patches.push(report.patch);
                }
                (_, Outcome::Filed(Filed::Reception)) => {
                    self.metrics.receptions_stored.inc();
                }
                _ => {}
            }
            settlements.push((settle, outcome));
        }
        (settlements, patches)
    }
}

/// How often something has failed so far.
struct Patience {
    pause: Duration,
    /// None before the server was asked to stop.
    give_up_at: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, give_up_at: None }
    }
}
