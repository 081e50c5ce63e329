//! Waiting for a database that may not be there yet, or not any more.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::{PostgresLimits, Store, StoreError, open_within};

/// Pause before another attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a server does before it has a map: it asks the database until that answers, and says
/// meanwhile what is in the way.
#[derive(Debug)]
pub struct Patience {
    trouble: watch::Sender<Option<String>>,
}

impl Patience {
    /// Tells `trouble` what is in the way; none when nothing is.
    pub fn new(trouble: watch::Sender<Option<String>>) -> Self {
        Self { trouble }
    }

    /// Says what takes so long.
    pub fn is_busy_with(&self, what: &str) {
        self.trouble.send_replace(Some(what.to_owned()));
    }

    /// Opens a database as [`open_within`] does, as soon as it is there.
    pub async fn open(
        &self,
        url: &str,
        forget_after: Duration,
        limits: PostgresLimits,
    ) -> Result<Arc<dyn Store>, StoreError> {
        self.until(|| open_within(url, forget_after, limits)).await
    }

    /// Asks until there is an answer, where asking again can help.
    pub async fn until<T, A>(&self, mut ask: impl FnMut() -> A) -> Result<T, StoreError>
    where
        A: Future<Output = Result<T, StoreError>>,
    {
        let before = self.trouble.borrow().clone();
        let mut pause = FIRST_PAUSE;
        let mut last = None;
        loop {
            let reason = match ask().await {
                Err(StoreError::Unavailable(reason)) => reason,
                outcome => {
                    if last.is_some() && outcome.is_ok() {
                        info!("the database is there");
                        self.trouble.send_replace(before);
                    }
                    return outcome;
                }
            };
            if last.as_ref() != Some(&reason) {
                warn!("waiting for the database: {reason}");
                self.trouble.send_replace(Some(reason.clone()));
                last = Some(reason);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
