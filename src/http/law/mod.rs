//! The law: a client that applies what it is sent holds exactly the nodes that match its filter,
//! field by field, whatever happens to it.
//!
//! Random stories are told to a real broadcaster and to clients that know nothing but the rules
//! of the protocol. At every rest of a story each client's picture is compared with that of a
//! naive oracle.

mod client;
mod oracle;
mod simulation;
mod steps;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

use self::{
    client::Client,
    oracle::Oracle,
    steps::{Step, step},
};
use super::{frames::TickEncoder, session::NodeForm};
use crate::{
    broadcast::{Broadcaster, Committed, Encoding, LiveMap, Metrics, Settings},
    domain::{
        Clock, Commit, Continuation, Filter, Lifetimes, Network, NodeId, Patch, Timestamp, World,
    },
};

const HOUR: Duration = Duration::from_hours(1);
const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(2),
    forget_after: Duration::from_hours(5),
    tombstones: Duration::from_hours(3),
};
/// Long enough for a tick and for the broadcaster to keep house; nobody waits, time is paused.
const REST: Duration = Duration::from_secs(2);

/// A server, which can be stopped and started again.
struct Server {
    live: LiveMap,
    commit: mpsc::Sender<Committed>,
    task: JoinHandle<Continuation>,
    metrics: Metrics,
}

impl Server {
    fn start(world: World, epoch: String, clock: &Clock) -> Self {
        let metrics = Metrics::default();
        let settings = Settings { tick: Duration::from_millis(100), epoch };
        let (broadcaster, live) = Broadcaster::new(
            world,
            TickEncoder::default(),
            settings,
            clock.clone(),
            metrics.clone(),
        );
        let (commit, committed) = mpsc::channel(1);
        #[expect(clippy::disallowed_methods, reason = "the story stops it and waits")]
        let task = tokio::spawn(broadcaster.run(committed));
        Self { live, commit, task, metrics }
    }

    async fn stop(self) -> Continuation {
        drop(self.commit);
        self.task.await.unwrap()
    }
}

async fn tell(story: Vec<Step>, encoding: Encoding) {
    let millis = Arc::new(AtomicI64::new(1_000_000_000_000));
    let hands = Arc::clone(&millis);
    let clock = Clock::new(move || Timestamp::from_millis(hands.load(Ordering::Relaxed)));
    let mut epochs = (1..).map(|number| format!("the-law-{number}"));
    let mut server = Server::start(World::new(LIFETIMES), epochs.next().unwrap(), &clock);
    let mut oracle = Oracle::default();
    let forms = [NodeForm::Records, NodeForm::Columns, NodeForm::Columns];
    let mut clients = forms.map(|form| Client::new(encoding, form));
    for step in story.into_iter().chain([Step::Rest]) {
        match step {
            Step::Hear(heard) => {
                let patch = heard.patch(clock.now());
                oracle.hear(&patch, clock.now());
                server.commit.send((Instant::now(), Commit::Made(vec![patch]))).await.unwrap();
            }
            Step::Rest => rest(&mut clients, &mut oracle, clock.now()).await,
            Step::Wait(hours) => {
                sleep(REST).await;
                let passed = i64::try_from((HOUR * hours).as_millis()).unwrap();
                millis.fetch_add(passed, Ordering::Relaxed);
                sleep(REST).await;
                oracle.pass_time(clock.now());
            }
            Step::Subscribe(client, filter) => {
                clients[client].subscribe(&server.live, filter, None).await;
            }
            Step::Move(client, filter) => clients[client].move_to(&server.live, filter).await,
            Step::Snapshot(client) => clients[client].ask_again().await,
            Step::Unsubscribe(client) => clients[client].unsubscribe().await,
            Step::Stall(client) => clients[client].stalled = true,
            Step::Drain(client) => clients[client].stalled = false,
            Step::Break(client, frames) => clients[client].lose(frames).await,
            Step::Return(client) => clients[client].come_back(&server.live).await,
            Step::Restart { in_order } => {
                for client in &mut clients {
                    client.lose(0).await;
                }
                let left = server.stop().await;
                oracle.pass_time(clock.now());
                let left = in_order.then_some(left);
                let epoch = left.as_ref().map(|left| left.epoch.clone());
                let epoch = epoch.unwrap_or_else(|| epochs.next().unwrap());
                let nodes = oracle.stored();
                let world = World::restore(LIFETIMES, nodes, Vec::new(), left, clock.now());
                server = Server::start(world, epoch, &clock);
            }
        }
    }
}

async fn rest(clients: &mut [Client], oracle: &mut Oracle, now: Timestamp) {
    sleep(REST).await;
    oracle.pass_time(now);
    for client in clients.iter_mut().filter(|client| !client.stalled && client.viewer.is_some()) {
        client.read(usize::MAX).await;
        client.mirror.unanswered = 0;
        if let Some(filter) = &client.filter {
            assert_eq!(client.mirror.held, oracle.shows(filter), "a client with {filter:?}");
            assert_eq!(client.mirror.cells, oracle.counts(filter), "a client with {filter:?}");
        }
    }
}

fn tell_to_the_end(story: Vec<Step>, encoding: Encoding) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(tell(story, encoding));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn every_client_holds_exactly_what_matches_its_filter(
        story in prop::collection::vec(step(3), 1..60)
    ) {
        tell_to_the_end(story, Encoding::Json);
    }

    #[test]
    fn every_client_of_the_binary_encoding_does_too(
        story in prop::collection::vec(step(3), 1..60)
    ) {
        tell_to_the_end(story, Encoding::Proto);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tick_waits_for_a_commit_that_has_begun_but_not_for_long() {
    let clock = Clock::new(|| Timestamp::from_millis(1_000_000_000_000));
    let Server { live, commit, task, metrics } =
        Server::start(World::new(LIFETIMES), "waiting".to_owned(), &clock);
    let tell = async |said: Commit| commit.send((Instant::now(), said)).await.unwrap();
    let made = |node| {
        Commit::Made(vec![Patch::heard(NodeId::Radio(node), Network::Meshtastic, clock.now())])
    };
    let viewer = live.join(Encoding::Json).await.unwrap();
    viewer.subscribe(Filter::default(), None).await.unwrap();
    let told = async || {
        viewer.next().await.unwrap();
        viewer.delivered().await.unwrap();
        (Instant::now(), metrics.changes.get())
    };
    told().await;
    tell(made(1)).await;
    let (first, _) = told().await;
    tell(made(2)).await;
    sleep(Duration::from_millis(95)).await;
    tell(Commit::Begun).await;
    sleep(Duration::from_millis(20)).await;
    tell(made(3)).await;
    let (second, changes) = told().await;
    assert_eq!((second - first, changes), (Duration::from_millis(115), 3));
    tell(made(4)).await;
    tell(Commit::Begun).await;
    let (third, changes) = told().await;
    assert_eq!((third - second, changes), (Duration::from_millis(125), 4));
    drop(commit);
    task.await.unwrap();
}
