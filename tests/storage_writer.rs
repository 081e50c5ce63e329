//! The writer between a queue of jobs and a store that can be made to fail.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use geocast::{
    domain::{
        Commit, Continuation, Filed, Message, Network, NodeId, Packet, PacketKey, Patch, Position,
        Reception, Remark, Report, Terms, Timestamp,
        policy::{KeptOut, Left, Policy, Standing, Why},
    },
    storage::{
        Committed, Erasure, HeardPacket, Hearing, HistoryQuery, Job, Keep, KeptOutRow, LinkRow,
        Loaded, Metrics, Outcome, Page, PlaceQuery, Reapplied, Sizes, Store, StoreError, Swept,
        TelemetryRow, Total, Visit, Window, Withhold, Writer,
    },
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Committed(usize),
    Failed,
    Rejected(usize),
    SetAside(u64),
    Settled(u64, Outcome),
    KeptOut(NodeId),
}

/// A store that fails as often as it is told, and rejects some packets for good. Even packet ids
/// are packets, odd ones receptions.
#[derive(Default)]
struct FakeStore {
    failures: AtomicUsize,
    poisonous: Vec<u64>,
    quarantine_failures: AtomicUsize,
    log: Arc<Mutex<Vec<Event>>>,
}

impl FakeStore {
    fn failing(times: usize) -> Arc<Self> {
        Arc::new(Self { failures: times.into(), ..Self::default() })
    }

    fn rejecting(poisonous: &[u64]) -> Arc<Self> {
        Arc::new(Self { poisonous: poisonous.to_vec(), ..Self::default() })
    }

    fn events(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone()
    }
}

/// Takes one away.
fn is_one_left(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn fate(id: u64) -> Filed {
    if id.is_multiple_of(2) { Filed::Packet } else { Filed::Reception }
}

#[async_trait]
impl Withhold for FakeStore {
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

    async fn keep_out(&self, node: &NodeId, _: Left) -> Result<(), StoreError> {
        self.log.lock().unwrap().push(Event::KeptOut(node.clone()));
        Ok(())
    }

    async fn let_in(&self, _: &NodeId) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn erase(&self, _: &NodeId, _: Erasure, _: u32) -> Result<Option<Erasure>, StoreError> {
        Ok(None)
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
impl Store for FakeStore {
    async fn commit(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        // Gives others their turn, as a real commit does.
        tokio::task::yield_now().await;
        let fails = is_one_left(&self.failures);
        let mut log = self.log.lock().unwrap();
        if fails {
            log.push(Event::Failed);
            return Err(StoreError::Unavailable("the disk is full".into()));
        }
        if batch.iter().any(|report| self.poisonous.contains(&report.packet.key.id)) {
            log.push(Event::Rejected(batch.len()));
            return Err(StoreError::Rejected("it is poisonous".into()));
        }
        log.push(Event::Committed(batch.len()));
        Ok(batch.iter().map(|report| fate(report.packet.key.id)).collect())
    }

    async fn quarantine(&self, report: &Report, reason: &str) -> Result<bool, StoreError> {
        assert_eq!(reason, "it is poisonous");
        let fails = is_one_left(&self.quarantine_failures);
        let event = if fails { Event::Failed } else { Event::SetAside(report.packet.key.id) };
        self.log.lock().unwrap().push(event);
        if fails { Err(StoreError::Rejected("even that".into())) } else { Ok(true) }
    }

    async fn load(&self, _: Timestamp, _: u32) -> Result<Loaded, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn leave(&self, _: &Continuation) -> Result<(), StoreError> {
        unreachable!("the writer only writes")
    }

    async fn take_left(&self) -> Result<Option<Continuation>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn positions(&self, _: &HistoryQuery) -> Result<Page<Position>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn telemetry(&self, _: &HistoryQuery) -> Result<Page<TelemetryRow>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn messages(&self, _: &HistoryQuery) -> Result<Page<Message>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn links(&self, _: &HistoryQuery) -> Result<Page<LinkRow>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn heard(&self, _: &NodeId, _: u32) -> Result<Vec<HeardPacket>, StoreError> {
        unreachable!()
    }

    async fn hearing(&self, _: Window) -> Result<Hearing, StoreError> {
        unreachable!()
    }

    async fn totals(&self, _: Window, _: i64) -> Result<Vec<Total>, StoreError> {
        unreachable!()
    }

    async fn visits(&self, _: &PlaceQuery) -> Result<Page<Visit>, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn sweep(&self, _: &Keep, _: Timestamp, _: u32) -> Result<Swept, StoreError> {
        unreachable!("the writer only writes")
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        unreachable!("the writer only writes")
    }

    fn access(&self) -> Arc<dyn geocast::storage::AccessStore> {
        unreachable!("nobody signs in")
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}

/// Runs the writer and what is done to it meanwhile. A test that waits for what never comes ends.
async fn together(writer: Writer, script: impl Future<Output = ()>) -> Result<(), StoreError> {
    let both = async { tokio::join!(writer.run(), script) };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap().0
}

/// The writer's surroundings.
struct Desk {
    store: Arc<FakeStore>,
    jobs: mpsc::Sender<Job>,
    committed: mpsc::Receiver<Committed>,
    trouble: watch::Receiver<Option<String>>,
    metrics: Metrics,
    stop: CancellationToken,
}

fn desk(store: Arc<FakeStore>) -> (Desk, Writer) {
    let (jobs, job_queue) = mpsc::channel(5_000);
    let (committed_in, committed) = mpsc::channel(100);
    let (trouble_in, trouble) = watch::channel(None);
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let writer = Writer {
        store: Arc::<FakeStore>::clone(&store),
        jobs: job_queue,
        most_jobs: 1000,
        committed: committed_in,
        due: watch::Sender::new(Instant::now()).subscribe(),
        trouble: trouble_in,
        waiting_since: watch::Sender::new(None),
        kept_out: KeptOut::default(),
        metrics: metrics.clone(),
        stop: stop.clone(),
        grace: Duration::from_millis(300),
    };
    (Desk { store, jobs, committed, trouble, metrics, stop }, writer)
}

impl Desk {
    fn settle(&self, id: u64) -> Box<dyn FnOnce(Outcome) + Send> {
        let log = Arc::clone(&self.store.log);
        Box::new(move |outcome| log.lock().unwrap().push(Event::Settled(id, outcome)))
    }

    fn brings(&self, id: u64) {
        let job = Job {
            report: Some(Box::new(report(id))),
            standing: None,
            settle: self.settle(id),
            arrived_at: Instant::now(),
            sender: None,
        };
        self.jobs.try_send(job).ok().unwrap();
    }

    fn brings_refused(&self, id: u64) {
        let job = Job {
            report: None,
            standing: None,
            settle: self.settle(id),
            arrived_at: Instant::now(),
            sender: None,
        };
        self.jobs.try_send(job).ok().unwrap();
    }

    /// Everything handed on, once the writer has ended.
    fn handed_on(&mut self) -> Vec<Patch> {
        let told = std::iter::from_fn(|| self.committed.try_recv().ok());
        told.flat_map(|(_, commit)| said(commit)).collect()
    }

    fn scrape(&self) -> String {
        let mut registry = Registry::with_prefix("geocast");
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }
}

/// What a commit says, once it is made.
fn said(commit: Commit) -> Vec<Patch> {
    match commit {
        Commit::Begun => Vec::new(),
        Commit::Made(patches) => patches,
    }
}

fn report(id: u64) -> Report {
    let node = NodeId::Radio(7);
    let arrived = Timestamp::from_millis(id.cast_signed());
    Report {
        packet: Packet {
            key: PacketKey { network: Network::Meshtastic, sender: node.clone(), id },
            port: 1,
            channel: None,
            to: None,
            payload: Vec::new(),
        },
        reception: Reception {
            gateway: NodeId::Radio(8),
            arrived,
            redelivered_since: None,
            snr_db: None,
            rssi_dbm: None,
            hop_start: None,
            hop_limit: None,
        },
        patch: Patch::heard(node, Network::Meshtastic, arrived),
        links: Vec::new(),
        terms: Terms::default(),
    }
}

#[tokio::test]
async fn jobs_are_settled_in_order_and_only_after_their_commit() {
    let (mut desk, writer) = desk(FakeStore::failing(0));
    for id in 0..2_500 {
        if id % 3 == 2 { desk.brings_refused(id) } else { desk.brings(id) }
    }
    let (jobs, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut desk.jobs, jobs));
    writer.run().await.unwrap();

    let (mut committed, mut settled) = (0, Vec::new());
    for event in desk.store.events() {
        match event {
            Event::Committed(reports) => committed += reports,
            Event::Settled(id, outcome) => {
                settled.push(id);
                let expected =
                    if id % 3 == 2 { Outcome::Refused } else { Outcome::Filed(fate(id)) };
                assert_eq!(outcome, expected, "{id}");
                let reports = settled.iter().filter(|id| **id % 3 != 2).count();
                assert!(reports <= committed, "{id} was acknowledged before it was stored");
            }
            other => panic!("{other:?} was not to be"),
        }
    }
    assert_eq!(settled, (0..2_500).collect::<Vec<_>>());
    let expected: Vec<_> = (0..2_500)
        .filter(|id| id % 3 != 2 && fate(*id) == Filed::Packet)
        .map(|id| report(id).patch)
        .collect();
    assert_eq!(desk.handed_on(), expected);
    let text = desk.scrape();
    assert!(text.contains(&format!("geocast_packets_stored_total {}\n", expected.len())), "{text}");
    assert!(text.contains("geocast_receptions_stored_total 1667\n"), "{text}");
    assert!(text.contains("geocast_commit_seconds_count 3\n"), "{text}");
}

#[tokio::test]
async fn what_comes_during_a_commit_goes_into_the_next_one_together() {
    let (desk, writer) = desk(FakeStore::failing(0));
    let store = Arc::clone(&desk.store);
    let bring = async move {
        desk.brings(0);
        // The writer has taken the first job and is inside its commit.
        while desk.jobs.capacity() != desk.jobs.max_capacity() {
            tokio::task::yield_now().await;
        }
        for id in 1..=5 {
            desk.brings(id);
        }
    };
    together(writer, bring).await.unwrap();
    let commits: Vec<_> =
        store.events().into_iter().filter(|event| matches!(event, Event::Committed(_))).collect();
    assert_eq!(commits, [Event::Committed(1), Event::Committed(5)]);
}

#[tokio::test]
async fn the_world_is_told_of_a_commit_before_it_is_made() {
    let (mut desk, writer) = desk(FakeStore::failing(0));
    desk.brings(2);
    let (jobs, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut desk.jobs, jobs));
    writer.run().await.unwrap();
    let told = std::iter::from_fn(|| desk.committed.try_recv().ok()).map(|(_, commit)| commit);
    let made = Commit::Made(vec![report(2).patch]);
    assert_eq!(told.collect::<Vec<_>>(), [Commit::Begun, made]);
}

#[tokio::test]
async fn messages_that_were_all_refused_need_no_commit() {
    let (desk, writer) = desk(FakeStore::failing(1));
    desk.brings_refused(1);
    let store = Arc::clone(&desk.store);
    drop(desk);
    writer.run().await.unwrap();
    assert_eq!(store.events(), [Event::Settled(1, Outcome::Refused)]);
}

#[tokio::test]
async fn a_failing_store_is_tried_again_and_nothing_is_acknowledged_meanwhile() {
    let (mut desk, writer) = desk(FakeStore::failing(3));
    desk.brings(2);
    desk.brings(4);
    let store = Arc::clone(&desk.store);
    let watch = async move {
        desk.trouble.wait_for(Option::is_some).await.unwrap();
        let trouble = desk.trouble.borrow_and_update().clone();
        assert_eq!(trouble.as_deref(), Some("database unavailable: the disk is full"));
        assert!(desk.store.events().iter().all(|event| *event == Event::Failed));
        // Later messages wait behind the batch that fails.
        desk.brings(6);
        desk.trouble.wait_for(Option::is_none).await.unwrap();
        let mut patches = Vec::new();
        while patches.len() < 3 {
            patches.extend(said(desk.committed.recv().await.unwrap().1));
        }
        assert_eq!(patches, [2, 4, 6].map(|id| report(id).patch));
        let text = desk.scrape();
        assert!(text.contains("geocast_commit_failures_total 3\n"), "{text}");
    };
    together(writer, watch).await.unwrap();
    let settled = |id| Event::Settled(id, Outcome::Filed(Filed::Packet));
    let expected = [
        Event::Failed,
        Event::Failed,
        Event::Failed,
        Event::Committed(2),
        settled(2),
        settled(4),
        Event::Committed(1),
        settled(6),
    ];
    assert_eq!(store.events(), expected);
}

#[tokio::test]
async fn a_store_that_fails_to_the_end_gives_up_when_stopping_and_acknowledges_nothing() {
    let (mut desk, writer) = desk(FakeStore::failing(usize::MAX));
    desk.brings(2);
    let store = Arc::clone(&desk.store);
    let stop = async {
        desk.trouble.wait_for(Option::is_some).await.unwrap();
        desk.stop.cancel();
    };
    let ended = together(writer, stop).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    let events = store.events();
    assert!(events.len() > 2 && events.iter().all(|event| *event == Event::Failed), "{events:?}");
}

#[tokio::test]
async fn what_is_stored_is_acknowledged_even_when_nobody_listens() {
    let (mut desk, writer) = desk(FakeStore::failing(0));
    desk.committed.close();
    desk.brings(2);
    let store = Arc::clone(&desk.store);
    drop(desk);
    writer.run().await.unwrap();
    let settled = Event::Settled(2, Outcome::Filed(Filed::Packet));
    assert_eq!(store.events(), [Event::Committed(1), settled]);
}

#[tokio::test]
async fn what_the_database_refuses_is_found_and_set_aside_and_the_rest_is_stored_in_order() {
    let poisonous = [3, 4, 99];
    let (mut desk, writer) = desk(FakeStore::rejecting(&poisonous));
    for id in 0..100 {
        desk.brings(id);
    }
    let (jobs, _) = mpsc::channel(1);
    drop(std::mem::replace(&mut desk.jobs, jobs));
    writer.run().await.unwrap();

    // The first half comes before the second, whichever of them is at fault.
    let (mut on_disk, mut settled) = (0, Vec::new());
    for event in desk.store.events() {
        match event {
            Event::Committed(reports) => on_disk += u64::try_from(reports).unwrap(),
            Event::SetAside(id) => {
                assert_eq!(id, on_disk, "it is set aside in its turn");
                on_disk += 1;
            }
            Event::Settled(id, outcome) => {
                assert!(on_disk == 100, "{id} was acknowledged before all of it was on disk");
                let expected = if poisonous.contains(&id) {
                    Outcome::Quarantined
                } else {
                    Outcome::Filed(fate(id))
                };
                assert_eq!(outcome, expected, "{id}");
                settled.push(id);
            }
            Event::Rejected(_) | Event::KeptOut(_) => {}
            Event::Failed => panic!("nothing was to fail"),
        }
    }
    assert_eq!(settled, (0..100).collect::<Vec<_>>());
    let sound = (0..100).filter(|id| !poisonous.contains(id) && fate(*id) == Filed::Packet);
    assert_eq!(desk.handed_on(), sound.map(|id| report(id).patch).collect::<Vec<_>>());
    assert_eq!(*desk.trouble.borrow(), None, "the database is well");
    let text = desk.scrape();
    assert!(text.contains("geocast_commit_failures_total 0\n"), "{text}");
}

#[tokio::test]
async fn what_cannot_even_be_set_aside_waits_for_the_database() {
    let store = FakeStore::rejecting(&[2]);
    store.quarantine_failures.store(2, Ordering::SeqCst);
    let (mut desk, writer) = desk(Arc::clone(&store));
    desk.brings(2);
    let watch = async move {
        desk.trouble.wait_for(Option::is_some).await.unwrap();
        assert!(desk.trouble.borrow().as_deref().is_some_and(|said| said.contains("even that")));
        drop(desk);
    };
    together(writer, watch).await.unwrap();
    let expected = [
        Event::Rejected(1),
        Event::Failed,
        Event::Failed,
        Event::SetAside(2),
        Event::Settled(2, Outcome::Quarantined),
    ];
    assert_eq!(store.events(), expected);
}

#[tokio::test]
async fn who_is_kept_out_leaves_between_two_commits_and_nothing_of_it_is_stored_after_that() {
    let (desk, writer) = desk(FakeStore::failing(0));
    let Desk { store, jobs, mut committed, .. } = desk;
    let log = Arc::clone(&store.log);
    let settle = |id| -> Box<dyn FnOnce(Outcome) + Send> {
        let log = Arc::clone(&log);
        Box::new(move |outcome| log.lock().unwrap().push(Event::Settled(id, outcome)))
    };
    let node = report(2).patch.node;
    let left = Left { why: Why::Forgotten, since: Timestamp::from_millis(0) };
    let standings =
        [None, Some(Standing::Out(node.clone(), left)), None, Some(Standing::In(node.clone()))];
    for (id, standing) in [2, 4, 6, 8].into_iter().zip(standings) {
        let says_nothing = matches!(standing, Some(Standing::Out(..)));
        let report = (!says_nothing).then(|| Box::new(report(id)));
        let job =
            Job { report, standing, settle: settle(id), arrived_at: Instant::now(), sender: None };
        jobs.try_send(job).ok().unwrap();
    }
    drop(jobs);
    let script = async {
        let mut leaves = Vec::new();
        while let Some((_, commit)) = committed.recv().await {
            leaves.extend(said(commit).into_iter().map(|patch| patch.leaves));
        }
        assert_eq!(leaves, [false, true, false]);
    };
    together(writer, script).await.unwrap();
    let stored = Outcome::Filed(Filed::Packet);
    let expected = [
        Event::Committed(1),
        Event::Settled(2, stored),
        Event::KeptOut(node),
        Event::Settled(4, Outcome::Refused),
        Event::Settled(6, Outcome::KeptOut),
        Event::Committed(1),
        Event::Settled(8, stored),
    ];
    assert_eq!(store.events(), expected);
}
