//! The warden: sees to it that who is kept out is gone, wherever that was said.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    domain::{
        Clock, NodeId, Report, SharedLogbook,
        policy::{Left, Standing, Why},
    },
    ingest::{Gatekeeper, Intake},
    storage::{Erasure, Job, Removal, Store, StoreError},
};

/// How often it is looked for what others said: another server, or a command on the database.
const LOOK: Duration = Duration::from_secs(1);

/// Rows of each table that are removed in one step.
const ROWS: u32 = 1000;

/// Keeps nodes out as the database says, erases what is left of them, and lets go of positions
/// that were held because there were too many.
pub(crate) struct Warden {
    /// Where it is said who is kept out.
    pub(crate) store: Arc<dyn Store>,
    /// Who applies it to what comes in.
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    /// Who makes jobs of it.
    pub(crate) intake: Intake,
    /// Where they go.
    pub(crate) jobs: mpsc::Sender<Job>,
    /// Administrators' wishes. Whoever wishes waits while it is full.
    pub(crate) removals: mpsc::Receiver<Removal>,
    /// What was refused, for whoever asks why.
    pub(crate) logbook: SharedLogbook,
    /// The time.
    pub(crate) clock: Clock,
    /// Says that the server is stopping.
    pub(crate) stop: CancellationToken,
}

/// What the database said when it was last looked at.
#[derive(Default)]
struct Seen {
    changes: Option<i64>,
    kept_out: HashMap<NodeId, Left>,
    /// Whether something failed, which is said once.
    failing: bool,
}

impl Warden {
    /// Works until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut seen = Seen::default();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(removal) = self.removals.recv() => self.remove(removal).await,
                _ = looks.tick() => {
                    let looked = match self.look(&mut seen).await {
                        Ok(()) => self.note().await,
                        failed => failed,
                    };
                    judge(looked, &mut seen);
                }
                () = self.stop.cancelled() => break,
            }
            self.let_go(self.gatekeeper.release(self.clock.now())).await;
        }
        self.let_go(self.gatekeeper.release_all()).await;
        judge(self.note().await, &mut seen);
    }

    /// Puts on disk what was refused since the last time. What fails is only remembered in memory.
    async fn note(&self) -> Result<(), StoreError> {
        let fresh = self.logbook.take_fresh();
        if fresh.is_empty() { Ok(()) } else { self.store.note_refusals(&fresh).await }
    }

    /// Hands over positions that were held.
    async fn let_go(&self, reports: Vec<Report>) {
        for report in reports {
            if self.jobs.send(self.intake.released(report)).await.is_err() {
                return;
            }
        }
    }

    /// Removes a node because an administrator says so.
    async fn remove(&self, Removal { node, done }: Removal) {
        let left = Left { why: Why::Forgotten, since: self.clock.now() };
        self.change(Standing::Out(node.clone(), left)).await;
        let erased = self.erase(&node).await;
        // Whoever asked may be gone, which is no matter of ours.
        let _ = done.send(erased);
    }

    /// Keeps a node out or lets it in, here and on disk, and waits until that is done.
    async fn change(&self, standing: Standing) {
        let news = said(&standing);
        self.logbook.forget(standing.node());
        self.gatekeeper.apply(&standing);
        let (done, settled) = oneshot::channel();
        let job = self.intake.change(standing, move || {
            let _ = done.send(());
        });
        if self.jobs.send(job).await.is_ok() {
            // The writer ends without it only when the server stops.
            let _ = settled.await;
        }
        info!("{news}");
    }

    /// Takes over what others said since the last look, and erases what is left to erase.
    async fn look(&self, seen: &mut Seen) -> Result<(), StoreError> {
        let changes = self.store.kept_out_changes().await?;
        if seen.changes == Some(changes) {
            return Ok(());
        }
        seen.changes = None;
        let rows = self.store.kept_out().await?;
        let held = self.gatekeeper.kept_out();
        let now: HashMap<_, _> = rows.iter().map(|row| (row.node.clone(), row.left)).collect();
        let mut unsure = false;
        for (node, left) in &now {
            // What this server said itself and took back is on its way to the disk: only what
            // stays is another's word. Nobody but an administrator takes back the other.
            let is_settled = left.why == Why::Forgotten || seen.kept_out.get(node) == Some(left);
            if held.get(node).is_none() && is_settled {
                self.change(Standing::Out(node.clone(), *left)).await;
            } else if held.get(node).is_none() {
                unsure = true;
            }
        }
        for (node, left) in &seen.kept_out {
            if !now.contains_key(node) && held.get(node) == Some(*left) {
                self.change(Standing::In(node.clone())).await;
            }
        }
        for row in rows.iter().filter(|row| !row.erased) {
            self.erase(&row.node).await?;
        }
        seen.kept_out = now;
        seen.changes = (!unsure).then_some(changes);
        Ok(())
    }

    async fn erase(&self, node: &NodeId) -> Result<(), StoreError> {
        erase(&*self.store, node, &self.stop).await
    }
}

/// Says what came of a look: a failure once, until it is over.
fn judge(looked: Result<(), StoreError>, seen: &mut Seen) {
    match looked {
        Ok(()) => seen.failing = false,
        Err(error) if !seen.failing => {
            seen.failing = true;
            warn!(%error, "could not see to who is kept out, trying again: {error}");
        }
        Err(_) => {}
    }
}

/// Removes everything that is stored of a node, step by step; stops between two of them.
pub(crate) async fn erase(
    store: &dyn Store,
    node: &NodeId,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let mut from = Erasure::default();
    while let Some(next) = store.erase(node, from, ROWS).await? {
        if stop.is_cancelled() {
            return Err(StoreError::Unavailable("the server is stopping".to_owned()));
        }
        from = next;
    }
    Ok(())
}

fn said(standing: &Standing) -> String {
    match standing {
        Standing::Out(node, left) => format!("{node} is kept out: {}", left.why.name()),
        Standing::In(node) => format!("{node} is let in again"),
    }
}
