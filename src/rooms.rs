//! The tasks of the house: opened in one place, and awaited there.

use std::{collections::HashMap, future::Future, time::Duration};

use anyhow::{Context, anyhow};
use tokio::{
    task::{Id, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How long everything together may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// The rooms that are open. Everything that is spawned is spawned here, and awaited here.
#[derive(Default)]
pub(crate) struct Rooms {
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
    /// Told to every room when it is time to end.
    pub(crate) stop: CancellationToken,
}

impl Rooms {
    /// Opens a room: `name` is what its failure is reported under.
    pub(crate) fn open(
        &mut self,
        name: &'static str,
        room: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(room);
        self.names.insert(handle.id(), name);
    }

    /// Runs until `stop`, or until a room ends by itself, which none should; then stops them all.
    pub(crate) async fn run_until(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = stop => None,
            failed = self.next_end() => Some(failed),
        };
        info!("stopping");
        self.stop.cancel();
        let mut result = match failed {
            Some((name, Ok(()))) => Err(anyhow!("{name} ended by itself")),
            Some((_, result)) => result,
            None => Ok(()),
        };
        let close = async {
            while !self.tasks.is_empty() {
                let (name, end) = self.next_end().await;
                if let Err(error) = end {
                    error!("{name} did not stop well: {error:#}");
                    result = std::mem::replace(&mut result, Ok(())).and(Err(error));
                }
            }
        };
        if timeout(STOP_WITHIN, close).await.is_err() {
            result = result.and(Err(anyhow!("did not stop within {STOP_WITHIN:?}")));
        }
        result
    }

    async fn next_end(&mut self) -> (&'static str, anyhow::Result<()>) {
        let Some(end) = self.tasks.join_next_with_id().await else {
            return ("nothing", Ok(()));
        };
        let (id, result) = match end {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(anyhow!(error))),
        };
        let name = self.names.get(&id).copied().unwrap_or("a room");
        (name, result.with_context(|| format!("{name} failed")))
    }
}
