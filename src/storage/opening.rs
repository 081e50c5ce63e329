//! Opening a database that may not be there yet.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::{PostgresLimits, Store, StoreError, open_within};

/// Pause before another attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens a database as [`open_within`] does, and waits for it where waiting can help. `trouble`
/// says meanwhile what is in the way.
pub async fn open_when_there(
    url: &str,
    forget_after: Duration,
    limits: PostgresLimits,
    trouble: watch::Sender<Option<String>>,
) -> Result<Arc<dyn Store>, StoreError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match open_within(url, forget_after, limits).await {
            Err(StoreError::Unavailable(reason)) => reason,
            outcome => {
                if outcome.is_ok() && trouble.borrow().is_some() {
                    info!("the database is there");
                }
                return outcome;
            }
        };
        let is_news = trouble.send_replace(Some(reason.clone())).as_ref() != Some(&reason);
        if is_news {
            warn!("waiting for the database: {reason}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
