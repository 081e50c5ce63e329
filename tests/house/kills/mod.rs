//! geocast is killed at random moments, again and again, while gateways publish. In the end
//! everything that was published is there, once.
//!
//! `make torture` runs the long version. `SEED` tells the same story again, as far as processes
//! tell the same story twice; `KILLS` and `PACKETS` say how long it is.

mod courier;
mod ledger;
mod load;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fastrand::Rng;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep};

use self::{courier::Courier, load::Load};
use crate::{harness::Geocast, mosquitto::Mosquitto};

/// A life may last as long as it takes to say everything that is due in it, or is shorter.
const LONGEST_LIFE_MS: u64 = 120;
/// One start in so many is not survived.
const STILLBORN: u32 = 4;

/// What the story is made of.
struct Story {
    rng: Rng,
    kills: u32,
    packets: usize,
}

impl Story {
    #[expect(clippy::print_stderr, reason = "whoever sees it fail wants to see it again")]
    fn begin(name: &str) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
        let seed = number("SEED").unwrap_or(1);
        let kills = number("KILLS").unwrap_or(8);
        let packets = number("PACKETS").unwrap_or(600) as usize;
        eprintln!("{name}: SEED={seed} KILLS={kills} PACKETS={packets}");
        Self { rng: Rng::with_seed(seed.into()), kills, packets }
    }

    /// Starts it, perhaps not for the first time.
    async fn start(&mut self, arguments: &[&str]) -> Geocast {
        if self.rng.u32(0..STILLBORN) == 0 {
            let stillborn = Geocast::launch(arguments);
            self.moment(60).await;
            stillborn.kill();
        }
        Geocast::start(arguments).await
    }

    /// Waits for a moment that nobody chose.
    async fn moment(&mut self, longest_ms: u64) {
        sleep(Duration::from_micros(self.rng.u64(0..longest_ms * 1000))).await;
    }
}

/// Couriers under way, and how each ends.
struct Couriers(Vec<Courier>);

impl Couriers {
    fn new(load: &mut Load) -> Self {
        Self(load.take().into_iter().map(Courier::new).collect())
    }

    /// Lets all of them deliver at once, while something else happens. Says whether all arrived.
    async fn deliver(
        &mut self,
        broker: SocketAddr,
        share: f64,
        meanwhile: impl Future<Output = ()>,
    ) -> bool {
        let mut under_way = JoinSet::new();
        for mut courier in self.0.drain(..) {
            under_way.spawn_blocking(move || {
                let end = courier.deliver(broker, share);
                (courier, end.is_ok())
            });
        }
        meanwhile.await;
        let mut arrived = true;
        while let Some(back) = under_way.join_next().await {
            let (courier, well) = back.unwrap();
            arrived &= well;
            self.0.push(courier);
        }
        arrived
    }
}

fn database(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("geocast.db").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_embedded_broker_keeps_what_it_acknowledged() {
    let mut story = Story::begin("embedded broker");
    let folder = TempDir::new().unwrap();
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let arguments =
        ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &database(&folder)];
    for kill in 1..=story.kills {
        let mut geocast = story.start(&arguments).await;
        let broker = geocast.broker().await;
        let share = f64::from(kill) / f64::from(story.kills);
        couriers
            .deliver(broker, share, async {
                story.moment(LONGEST_LIFE_MS).await;
                geocast.kill();
            })
            .await;
    }
    let mut geocast = Geocast::start(&arguments).await;
    let broker = geocast.broker().await;
    assert!(couriers.deliver(broker, 1.0, async {}).await, "{}", geocast.log());
    holds_the_truth(geocast, &arguments, &folder, &load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_nothing_of_what_mosquitto_holds_is_lost_or_doubled() {
    let mut story = Story::begin("mosquitto");
    let folder = TempDir::new().unwrap();
    let mosquitto =
        Mosquitto::with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100");
    let broker = ([127, 0, 0, 1], mosquitto.port()).into();
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let arguments = ["serve", "--mqtt-url", &mosquitto.url(), "--database-url", &database(&folder)];
    let mut geocast = Geocast::start(&arguments).await;
    // From here on mosquitto keeps what geocast misses.
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    for kill in 1..=story.kills {
        let share = f64::from(kill) / f64::from(story.kills);
        let arrived = couriers
            .deliver(broker, share, async {
                story.moment(LONGEST_LIFE_MS).await;
                geocast.kill();
            })
            .await;
        assert!(arrived, "mosquitto is well");
        geocast = story.start(&arguments).await;
    }
    // Behind everything else.
    let marker = load.mark(&mut story.rng);
    assert!(Couriers::new(&mut load).deliver(broker, 1.0, async {}).await);
    geocast.ask_until(&format!("/api/nodes/{marker}"), |status, _| status == 200).await;
    holds_the_truth(geocast, &arguments, &folder, &load).await;
}

/// In the database, on the map, and on the map after one more kill.
async fn holds_the_truth(geocast: Geocast, arguments: &[&str], folder: &TempDir, load: &Load) {
    shows_the_truth(&geocast, load).await;
    geocast.kill();
    ledger::compare(folder.path(), load).await;
    shows_the_truth(&Geocast::start(arguments).await, load).await;
}

async fn shows_the_truth(geocast: &Geocast, load: &Load) {
    let (_, page) = geocast.ask("/api/nodes?limit=1000").await;
    let nodes = page["nodes"].as_array().unwrap().iter();
    let records: BTreeMap<_, _> =
        nodes.map(|node| (node["id"].as_str().unwrap().to_owned(), node.clone())).collect();
    compare(&records, load);
    let mut screen = geocast.look("?types=node,position,telemetry,status").await;
    screen.shows(|screen| screen.nodes.len() == records.len()).await;
    compare(&screen.nodes, load);
}

fn compare(held: &BTreeMap<String, Value>, load: &Load) {
    for (id, record) in &load.records {
        assert_eq!(held.get(id), Some(record), "{id}");
    }
}
