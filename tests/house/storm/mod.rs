//! A thousand clients at once, a third of them with bad lines, while hundreds of nodes move.
//!
//! Each client knows the rules of the protocol and nothing else. What it should hold at the end is
//! computed from what was published, without the server.

mod client;
mod truth;
mod view;

use std::{net::SocketAddr, sync::Arc};

use fastrand::Rng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, block_in_place},
};

use self::{
    client::{Character, Client},
    truth::{Packet, RADIOS, Settled, Truth},
};
use crate::harness::{Gateway, Geocast};

const CLIENTS: u64 = 1000;
/// One in so many stalls, and one in so many loses its connection.
const ONE_IN: u64 = 6;
const STALLED: u64 = CLIENTS.div_ceil(ONE_IN);
const GATEWAYS: u32 = 8;
/// The storm, in rounds in which every gateway publishes something.
const BEATS: u32 = 30;
const PACKETS_A_BEAT: usize = 48;
/// From here on the memory of the server is watched.
const ALL_STALLED: u32 = 8;
/// What it may grow by from there on: far less than what the stalled clients are not sent.
const GROWTH_KIB: u64 = 12 << 10;

/// How far the story is.
#[derive(Clone)]
enum Now {
    /// Packets are on their way.
    Beat,
    /// Nothing moves any more; who reads is compared with the truth.
    Calm(Arc<Settled>),
    /// Those who stalled read again.
    Healed(Arc<Settled>),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_hold_what_is_true_after_a_storm() {
    allow_files(4 * CLIENTS);
    let mut rng = Rng::with_seed(1);
    let folder = TempDir::new().unwrap();
    // The stalled must not be hung up on, however long the storm takes here.
    let patient = ["--client-timeout", "1h"];
    let mut geocast = Geocast::with(folder.path(), &patient).await;
    let mut gateways = Gateways::connect(geocast.broker().await);
    let (mut truth, first) = Truth::begin(&mut rng);
    gateways.publish(&first);

    let (tell, now) = watch::channel(Now::Beat);
    let mut clients = clients(geocast.address, &now).await;
    let mut memory_kib = None;
    for beat in 0..BEATS {
        if beat == ALL_STALLED {
            memory_kib = geocast.resident_kib();
        }
        tell.send_replace(Now::Beat);
        truth.pass_time();
        let packets: Vec<_> =
            (0..PACKETS_A_BEAT).map(|_| truth.packet(rng.u32(RADIOS), &mut rng)).collect();
        gateways.publish(&packets);
    }
    gateways.publish(&[truth.mark()]);
    let truth = Arc::new(truth.settled());

    tell.send_replace(Now::Calm(Arc::clone(&truth)));
    while clients.len() as u64 > STALLED {
        clients.join_next().await.unwrap().unwrap();
    }
    if let (Some(before), Some(after)) = (memory_kib, geocast.resident_kib()) {
        assert!(
            after < before + GROWTH_KIB,
            "from {before} to {after} KiB: somebody is queued for"
        );
    }
    tell.send_replace(Now::Healed(truth));
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

/// Connects all clients and waits until they are subscribed.
async fn clients(server: SocketAddr, now: &watch::Receiver<Now>) -> JoinSet<()> {
    let (here, mut arrivals) = mpsc::channel(1);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let character = match number % ONE_IN {
            0 => Character::Stalled,
            1 => Character::Restless,
            2 if number % 5 == 0 => Character::Listener,
            _ => Character::Reader,
        };
        let client = Client::new(server, character, number);
        clients.spawn(client.live(now.clone(), here.clone()));
    }
    for _ in 0..CLIENTS {
        tokio::select! {
            Some(()) = arrivals.recv() => {}
            Some(ended) = clients.join_next() => ended.unwrap(),
        }
    }
    clients
}

/// Gateways of which each hands over what some of the radios say.
struct Gateways(Vec<Gateway>);

impl Gateways {
    fn connect(broker: SocketAddr) -> Self {
        Self((0..GATEWAYS).map(|_| Gateway::connect(broker)).collect())
    }

    /// Publishes, what one radio says in its order, and waits until all of it is on disk.
    fn publish(&mut self, packets: &[Packet]) {
        let publish = |(number, gateway): (u32, &mut Gateway)| {
            let own = packets.iter().filter(|(radio, _)| radio % GATEWAYS == number);
            gateway.publish_all(own.map(|(_, (topic, payload))| (&**topic, &**payload)));
        };
        block_in_place(|| {
            std::thread::scope(|scope| {
                for one in (0..).zip(&mut self.0) {
                    scope.spawn(move || publish(one));
                }
            });
        });
    }
}

/// Lets this process and those that it starts open so many files, as far as the system allows.
fn allow_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    }
}
