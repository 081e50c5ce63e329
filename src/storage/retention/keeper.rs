//! The keeper: removes what is too old or too much, in small steps.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Keep, RetentionMetrics};
use crate::{
    domain::{Clock, Timestamp},
    storage::{Store, StoreError},
};

/// How many rows the first step removes, and any step. In between, the keeper looks for the number
/// that takes between [`SHORT`] and [`LONG`].
const FIRST_ROWS: u32 = 250;
const FEWEST_ROWS: u32 = 50;
const MOST_ROWS: u32 = 2000;
const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_millis(10);

/// Between two sweeps.
const LONGEST_REST: Duration = Duration::from_mins(1);
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// With a ceiling: what comes in between two sweeps is what the database may be larger by.
const REST_UNDER_CEILING: Duration = Duration::from_secs(10);

/// A sweep that fails for this long is a reason to worry: the disk fills.
const WORRY: Duration = Duration::from_hours(1);

/// The one task that removes history.
pub struct Keeper {
    /// Where it removes.
    pub store: Arc<dyn Store>,
    /// What is kept.
    pub keep: Keep,
    /// The time.
    pub clock: Clock,
    /// What is wrong; none while the history is as long as it should be. A message for the operator.
    pub trouble: watch::Sender<Option<String>>,
    /// What it counts.
    pub metrics: RetentionMetrics,
    /// Says that the server is stopping.
    pub stop: CancellationToken,
}

impl Keeper {
    /// Sweeps at once, and from time to time, until it is told to stop. It stops between two steps.
    pub async fn run(self) {
        let mut rows = FIRST_ROWS;
        let mut failing_since = None;
        while !self.stop.is_cancelled() {
            let swept = match self.sweep(&mut rows).await {
                Ok(excess_bytes) => self.measure().await.map(|()| excess_bytes),
                Err(error) => Err(error),
            };
            self.judge(swept, &mut failing_since);
            select! {
                () = sleep(self.rest()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Removes step by step what is to be removed, and says by how much the database is too large
    /// nevertheless.
    ///
    /// A store lets a commit that waits go before the next step. After each step the keeper rests
    /// for as long as it took, so that it takes at most half of what the database can do.
    async fn sweep(&self, rows: &mut u32) -> Result<u64, StoreError> {
        let now = self.clock.now();
        loop {
            let begun = Instant::now();
            let swept = self.store.sweep(&self.keep, now, *rows).await?;
            let took = begun.elapsed();
            for (history, reason, count) in swept.removed {
                self.metrics.removed(history, reason, count);
            }
            if !swept.more {
                self.metrics.swept(now);
                return Ok(swept.excess_bytes);
            }
            if took > LONG {
                *rows = (*rows / 2).max(FEWEST_ROWS);
            } else if took < SHORT {
                *rows = (*rows * 2).min(MOST_ROWS);
            }
            select! {
                () = sleep(took) => {}
                () = self.stop.cancelled() => return Ok(0),
            }
        }
    }

    async fn measure(&self) -> Result<(), StoreError> {
        self.metrics.show(&self.store.sizes().await?);
        Ok(())
    }

    /// Says what came of a sweep, to the log once and to whoever asks for health.
    fn judge(&self, swept: Result<u64, StoreError>, failing_since: &mut Option<Timestamp>) {
        let now = self.clock.now();
        match swept {
            Ok(excess_bytes) => {
                if failing_since.take().is_some() {
                    info!("old history is removed again");
                }
                let trouble = (excess_bytes > 0).then(|| {
                    format!("{excess_bytes} bytes too large, and there is nothing to remove")
                });
                self.tell(trouble);
            }
            Err(error) => {
                self.metrics.failures.inc();
                if failing_since.is_none() {
                    warn!(%error, "could not remove old history, trying again: {error}");
                }
                let since = *failing_since.get_or_insert(now);
                if now.since(since) >= WORRY {
                    self.tell(Some(format!("old history cannot be removed: {error}")));
                }
            }
        }
    }

    fn tell(&self, trouble: Option<String>) {
        let before = self.trouble.send_replace(trouble.clone());
        if let Some(trouble) = trouble
            && before.is_none()
        {
            warn!("the database: {trouble}");
        }
    }

    /// A tenth of the shortest age, within limits.
    fn rest(&self) -> Duration {
        let most = self.keep.database_bytes.map_or(LONGEST_REST, |_bytes| REST_UNDER_CEILING);
        let rest = self.keep.shortest().map_or(most, |age| age / 10);
        rest.clamp(SHORTEST_REST, most)
    }
}
