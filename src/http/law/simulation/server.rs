//! The real server on the simulated network.

use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{PULSE, network::Network};
use crate::{
    domain::{
        Clock, Continuation, Filed, Message, NodeId, Position, Remark, Report, SharedLogbook,
        Timestamp, World,
        policy::{Left, Policy},
    },
    http::{self, AccessSettings, Limits, PageSettings, Parts, law},
    storage::{
        Erasure, HeardPacket, Hearing, HistoryQuery, Keep, KeptOutRow, LinkRow, Loaded, Page,
        PlaceQuery, Reapplied, Sizes, Store, StoreError, Swept, TelemetryRow, Total, Visit, Window,
        Withhold,
    },
};

/// Broadcaster and HTTP server.
pub(super) struct Server {
    pub(super) inner: law::Server,
    http: JoinHandle<()>,
    stop: CancellationToken,
    network: Network,
}

impl Server {
    pub(super) fn start(network: &Network, world: World, epoch: String, clock: &Clock) -> Self {
        let inner = law::Server::start(world, epoch, clock);
        let parts = Parts {
            live: inner.live.clone(),
            store: Arc::new(NoStore),
            clock: clock.clone(),
            vitals: Vec::new(),
            registry: Registry::default(),
            metrics: http::Metrics::default(),
            page: PageSettings::default(),
            pulse: PULSE,
            limits: Limits::default(),
            access: AccessSettings { public: true, ..AccessSettings::default() },
            removals: mpsc::channel(1).0,
            tls: None,
            logbook: SharedLogbook::default(),
        };
        let stop = CancellationToken::new();
        let serving = http::serve(network.listen(), parts, stop.clone().cancelled_owned());
        #[expect(clippy::disallowed_methods, reason = "the story stops it and waits")]
        let http = tokio::spawn(serving);
        Self { inner, http, stop, network: network.clone() }
    }

    /// Stops in order.
    pub(super) async fn stop(self) -> Continuation {
        self.stop.cancel();
        let left = self.inner.stop().await;
        self.http.await.unwrap();
        left
    }

    /// Dies at once.
    pub(super) async fn die(self) {
        self.network.cut_all();
        self.inner.task.abort();
        self.http.abort();
        assert!(self.http.await.unwrap_err().is_cancelled(), "it ended by itself");
    }
}

/// A database that nobody asks.
struct NoStore;

#[async_trait]
impl Withhold for NoStore {
    async fn kept_out(&self) -> Result<Vec<KeptOutRow>, StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn left(&self, _: &NodeId) -> Result<Option<Left>, StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn note_refusals(&self, _: &[(NodeId, Remark)]) -> Result<(), StoreError> {
        unreachable!("nothing is refused")
    }

    async fn refusals(&self) -> Result<Vec<(NodeId, Remark)>, StoreError> {
        unreachable!("nothing is refused")
    }

    async fn kept_out_changes(&self) -> Result<i64, StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn keep_out(&self, _: &NodeId, _: Left) -> Result<(), StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn let_in(&self, _: &NodeId) -> Result<bool, StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn erase(&self, _: &NodeId, _: Erasure, _: u32) -> Result<Option<Erasure>, StoreError> {
        unreachable!("nobody is kept out")
    }

    async fn policy_applied(&self) -> Result<Option<u64>, StoreError> {
        unreachable!("nothing is stored")
    }

    async fn set_policy_applied(&self, _: u64) -> Result<(), StoreError> {
        unreachable!("nothing is stored")
    }

    async fn reapply(
        &self,
        _: &Policy,
        _: Reapplied,
        _: u32,
    ) -> Result<Option<Reapplied>, StoreError> {
        unreachable!("nothing is stored")
    }
}

#[async_trait]
impl Store for NoStore {
    async fn commit(&self, _: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        unreachable!("the story commits")
    }

    async fn quarantine(&self, _: &Report, _: &str) -> Result<bool, StoreError> {
        unreachable!("the story commits")
    }

    async fn load(&self, _: Timestamp, _: u32) -> Result<Loaded, StoreError> {
        unreachable!("the story loads")
    }

    async fn leave(&self, _: &Continuation) -> Result<(), StoreError> {
        unreachable!("the story keeps it")
    }

    async fn take_left(&self) -> Result<Option<Continuation>, StoreError> {
        unreachable!("the story keeps it")
    }

    async fn positions(&self, _: &HistoryQuery) -> Result<Page<Position>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn telemetry(&self, _: &HistoryQuery) -> Result<Page<TelemetryRow>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn messages(&self, _: &HistoryQuery) -> Result<Page<Message>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn links(&self, _: &HistoryQuery) -> Result<Page<LinkRow>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn heard(&self, _: &NodeId, _: u32) -> Result<Vec<HeardPacket>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn hearing(&self, _: Window) -> Result<Hearing, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn totals(&self, _: Window, _: i64) -> Result<Vec<Total>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn visits(&self, _: &PlaceQuery) -> Result<Page<Visit>, StoreError> {
        unreachable!("nobody asks about then")
    }

    async fn sweep(&self, _: &Keep, _: Timestamp, _: u32) -> Result<Swept, StoreError> {
        unreachable!("nothing is kept")
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        unreachable!("nothing is kept")
    }

    fn access(&self) -> Arc<dyn crate::storage::AccessStore> {
        unreachable!("nobody signs in")
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
