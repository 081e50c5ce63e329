//! What happens to a server and its clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    client::{Client, Order, Shown},
    line::Weather,
    network::Network,
    server::Server,
};
use crate::{
    domain::{Clock, Commit, Timestamp, World},
    http::law::{
        HOUR, LIFETIMES, REST,
        oracle::Oracle,
        steps::{Heard, Step},
    },
};

/// Long enough for everything to settle once the network is good; nobody waits, time is paused.
const CALM: Duration = Duration::from_mins(2);

/// A story under way.
pub(super) struct Story {
    pub(super) network: Network,
    pub(super) server: Server,
    oracle: Oracle,
    clients: Vec<mpsc::Sender<Order>>,
    tasks: JoinSet<()>,
    clock: Clock,
    millis: Arc<AtomicI64>,
    epochs: u32,
}

impl Story {
    pub(super) fn begin(seed: u64, number_of_clients: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let millis = Arc::new(AtomicI64::new(1_000_000_000_000));
        let hands = Arc::clone(&millis);
        let clock = Clock::new(move || Timestamp::from_millis(hands.load(Ordering::Relaxed)));
        let network = Network::new(rng.fork(), number_of_clients);
        let server = Server::start(&network, World::new(LIFETIMES), "epoch-0".to_owned(), &clock);
        let (mut clients, mut tasks) = (Vec::new(), JoinSet::new());
        for number in 0..number_of_clients {
            let (order, orders) = mpsc::channel(64);
            clients.push(order);
            tasks.spawn(Client::new(number, network.clone(), rng.fork()).live(orders));
        }
        let oracle = Oracle::default();
        Self { network, server, oracle, clients, tasks, clock, millis, epochs: 0 }
    }

    pub(super) async fn take(mut self, step: Step) -> Self {
        self.network.note(format_args!("{step:?}"));
        match step {
            Step::Hear(heard) => self.hear(&[heard]).await,
            Step::Rest => sleep(REST).await,
            Step::Wait(hours) => {
                sleep(REST).await;
                let passed = i64::try_from((HOUR * hours).as_millis()).unwrap();
                self.millis.fetch_add(passed, Ordering::Relaxed);
                sleep(REST).await;
                self.oracle.pass_time(self.clock.now());
            }
            Step::Subscribe(client, filter) => self.order(client, Order::Subscribe(filter)).await,
            Step::Move(client, filter) => self.order(client, Order::Move(filter)).await,
            Step::Snapshot(client) => self.order(client, Order::AskAgain).await,
            Step::Unsubscribe(client) => self.order(client, Order::Unsubscribe).await,
            Step::Stall(client) => self.order(client, Order::Stall).await,
            Step::Drain(client) => self.order(client, Order::Drain).await,
            Step::Break(client, frames) => self.network.cut_after(client, frames * 99),
            Step::Return(client) => self.order(client, Order::Return).await,
            Step::Restart { in_order } => self = self.restart(in_order).await,
        }
        self
    }

    /// Packets are committed together.
    pub(super) async fn hear(&mut self, heard: &[Heard]) {
        let now = self.clock.now();
        let patches: Vec<_> = heard.iter().map(|heard| heard.patch(now)).collect();
        for patch in &patches {
            self.oracle.hear(patch, now);
        }
        self.server.inner.commit.send((Instant::now(), Commit::Made(patches))).await.unwrap();
    }

    pub(super) async fn order(&self, client: usize, order: Order) {
        self.clients[client].send(order).await.unwrap();
    }

    async fn restart(mut self, in_order: bool) -> Self {
        let left = if in_order {
            Some(self.server.stop().await)
        } else {
            self.server.die().await;
            None
        };
        self.oracle.pass_time(self.clock.now());
        self.epochs += 1;
        let new_epoch = || format!("epoch-{}", self.epochs);
        let epoch = left.as_ref().map_or_else(new_epoch, |left| left.epoch.clone());
        let nodes = self.oracle.stored();
        let world = World::restore(LIFETIMES, nodes, Vec::new(), left, self.clock.now());
        self.server = Server::start(&self.network, world, epoch, &self.clock);
        self
    }

    /// Everything is good for a while; then every client holds what is true.
    pub(super) async fn calm(&mut self) {
        self.network.note(format_args!("calm"));
        self.network.calm(&Weather::FAIR);
        // Those who stalled may find that they were given up.
        for _ in 0..2 {
            for client in 0..self.clients.len() {
                self.order(client, Order::Drain).await;
                self.order(client, Order::Return).await;
            }
            sleep(CALM).await;
        }
        self.oracle.pass_time(self.clock.now());
        for client in 0..self.clients.len() {
            let Shown { filter, is_settled, mirror, .. } = self.show(client).await;
            let Some(filter) = filter else { continue };
            let who = format!("client {client} with {filter:?}");
            assert!(is_settled, "{who} is not back");
            assert_eq!(mirror.held, self.oracle.shows(&filter), "{who}");
            assert_eq!(mirror.cells, self.oracle.counts(&filter), "{who}");
        }
    }

    /// What a client holds.
    pub(super) async fn show(&self, client: usize) -> Shown {
        let (reply, shown) = oneshot::channel();
        self.order(client, Order::Show(reply)).await;
        shown.await.unwrap_or_else(|_| panic!("client {client} is dead"))
    }

    /// Everybody goes home.
    pub(super) async fn end(mut self) {
        drop(self.clients);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.server.stop().await;
    }
}
