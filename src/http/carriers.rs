//! The tasks that write what ticks bring to the sockets of clients.

use std::{num::NonZero, thread::available_parallelism};

use tokio::task::JoinSet;
use tracing::error;

use crate::broadcast::LiveMap;

/// As many as there are cores to use.
pub(super) struct Carriers(JoinSet<()>);

impl Carriers {
    /// Those of this map.
    pub(super) fn of(live: &LiveMap) -> Self {
        // A simulation is the same on every machine.
        let most = if cfg!(test) { 2 } else { available_parallelism().map_or(1, NonZero::get) };
        let mut carriers = JoinSet::new();
        for _carrier in 0..most {
            let live = live.clone();
            carriers.spawn(async move { live.carry().await });
        }
        Self(carriers)
    }

    /// Tells of those that fail, for ever. The others carry on, and without any the clients' own tasks.
    pub(super) async fn watch(&mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended {
                error!("a carrier failed: {error}");
            }
        }
        std::future::pending::<()>().await;
    }

    /// Ends them.
    pub(super) async fn stop(mut self) {
        self.0.shutdown().await;
    }
}
