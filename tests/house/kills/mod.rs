//! geocast is killed at random moments, again and again, while gateways publish; Postgres, too,
//! where it is the database. In the end everything that was published is there, once.
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
use tokio::{
    task::{JoinSet, block_in_place},
    time::{sleep, timeout},
};

use self::{courier::Courier, ledger::Ledger, load::Load};
use crate::{
    harness::{DEADLINE, Geocast},
    mosquitto::Mosquitto,
    postgres_server::{Database, PostgresServer},
};

/// What mosquitto is told: it drops nothing.
const HOLD_ALL: &str = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100";

/// A life may last as long as it takes to say everything that is due in it, or is shorter.
const LONGEST_LIFE_MS: u64 = 120;
/// One start in so many is not survived.
const STILLBORN: u32 = 4;

/// Kills and packets, unless told otherwise; a start on Postgres takes longer.
const USUAL: (u32, u32) = (8, 600);
const USUAL_ON_POSTGRES: (u32, u32) = (3, 300);

/// What the story is made of.
struct Story {
    rng: Rng,
    kills: u32,
    packets: usize,
}

impl Story {
    #[expect(clippy::print_stderr, reason = "whoever sees it fail wants to see it again")]
    fn begin(name: &str, usual: (u32, u32)) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
        let seed = number("SEED").unwrap_or(1);
        let kills = number("KILLS").unwrap_or(usual.0);
        let packets = number("PACKETS").unwrap_or(usual.1) as usize;
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

    /// Lets all of them deliver at once, while something else happens. Says whether all arrived,
    /// and what came of the other.
    async fn deliver<T>(
        &mut self,
        broker: SocketAddr,
        share: f64,
        meanwhile: impl Future<Output = T>,
    ) -> (bool, T) {
        let mut under_way = JoinSet::new();
        for mut courier in self.0.drain(..) {
            under_way.spawn_blocking(move || {
                let end = courier.deliver(broker, share);
                (courier, end.is_ok())
            });
        }
        let other = meanwhile.await;
        let mut arrived = true;
        while let Some(back) = under_way.join_next().await {
            let (courier, well) = back.unwrap();
            arrived &= well;
            self.0.push(courier);
        }
        (arrived, other)
    }
}

fn database(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("geocast.db").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_embedded_broker_keeps_what_it_acknowledged() {
    let mut story = Story::begin("embedded broker", USUAL);
    let folder = TempDir::new().unwrap();
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let database = database(&folder);
    let arguments = ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &database];
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
    let (arrived, ()) = couriers.deliver(broker, 1.0, async {}).await;
    assert!(arrived, "{}", geocast.log());
    holds_the_truth(geocast, &arguments, &database, &load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_nothing_of_what_mosquitto_holds_is_lost_or_doubled() {
    let mut story = Story::begin("mosquitto", USUAL);
    let folder = TempDir::new().unwrap();
    let mosquitto = Mosquitto::with(HOLD_ALL);
    let broker = mosquitto.address();
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let database = database(&folder);
    let arguments = ["serve", "--mqtt-url", &mosquitto.url(), "--database-url", &database];
    let mut geocast = Geocast::start(&arguments).await;
    // From here on mosquitto keeps what geocast misses.
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    for kill in 1..=story.kills {
        let share = f64::from(kill) / f64::from(story.kills);
        let (arrived, ()) = couriers
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
    let (arrived, ()) = Couriers::new(&mut load).deliver(broker, 1.0, async {}).await;
    assert!(arrived, "mosquitto is well");
    geocast.ask_until(&format!("/api/nodes/{marker}"), |status, _| status == 200).await;
    holds_the_truth(geocast, &arguments, &database, &load).await;
}

/// Who dies.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Geocast,
    Postgres,
    /// And geocast is there first.
    Both,
}

#[tokio::test(flavor = "multi_thread")]
async fn geocast_and_postgres_killed_in_turn_lose_and_double_nothing() {
    let mut story = Story::begin("Postgres", USUAL_ON_POSTGRES);
    let mosquitto = Mosquitto::with(HOLD_ALL);
    let mut server = PostgresServer::start(&[]);
    let database = server.url("postgres");
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let arguments = ["serve", "--mqtt-url", &mosquitto.url(), "--database-url", &database];
    let mut geocast = Geocast::start(&arguments).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let victims = [Victim::Geocast, Victim::Postgres, Victim::Both].into_iter().cycle();
    for (kill, victim) in (1..=story.kills).zip(victims) {
        let share = f64::from(kill) / f64::from(story.kills);
        let killed = async {
            story.moment(LONGEST_LIFE_MS).await;
            if !matches!(victim, Victim::Geocast) {
                block_in_place(|| server.kill());
            }
            if matches!(victim, Victim::Postgres) {
                return Some(geocast);
            }
            geocast.kill();
            None
        };
        let (arrived, left) = couriers.deliver(mosquitto.address(), share, killed).await;
        assert!(arrived, "mosquitto is well");
        geocast = match victim {
            Victim::Geocast => story.start(&arguments).await,
            Victim::Postgres | Victim::Both => {
                let mut geocast = left.unwrap_or_else(|| Geocast::launch(&arguments));
                block_in_place(|| server.restart());
                geocast.listens().await;
                geocast
            }
        };
    }
    let marker = load.mark(&mut story.rng);
    let (arrived, ()) = Couriers::new(&mut load).deliver(mosquitto.address(), 1.0, async {}).await;
    assert!(arrived, "mosquitto is well");
    geocast.ask_until(&format!("/api/nodes/{marker}"), |status, _| status == 200).await;
    holds_the_truth(geocast, &arguments, &database, &load).await;
}

/// They hear copies of the same packets, and write what one radio says, at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_a_subscription_and_a_database_store_everything_once() {
    let mut story = Story::begin("two servers", USUAL_ON_POSTGRES);
    let mosquitto = Mosquitto::with(HOLD_ALL);
    let database = Database::create();
    let url = mosquitto.url();
    let arguments = |id| {
        let shared = ["--mqtt-topic", "$share/maps/msh/#", "--mqtt-client-id", id];
        [&["serve", "--mqtt-url", &url, "--database-url", &database.url], &shared[..]].concat()
    };
    let arguments = [arguments("one"), arguments("other")];
    let mut load = Load::new(&mut story.rng, story.packets);
    let mut couriers = Couriers::new(&mut load);
    let mut servers = Vec::new();
    for arguments in &arguments {
        let server = Geocast::start(arguments).await;
        server.ask_until("/api/health", |status, _| status == 200).await;
        servers.push(server);
    }
    for kill in 1..=story.kills {
        let victim = story.rng.usize(0..servers.len());
        let killed = servers.remove(victim);
        let share = f64::from(kill) / f64::from(story.kills);
        let ending = async {
            story.moment(LONGEST_LIFE_MS).await;
            assert_never_in_the_way(&killed);
            killed.kill();
        };
        let (arrived, ()) = couriers.deliver(mosquitto.address(), share, ending).await;
        assert!(arrived, "mosquitto is well");
        servers.insert(victim, story.start(&arguments[victim]).await);
    }
    let everything = load.facts.values().map(|fact| fact.gateways.len()).sum();
    let mut hand = Ledger::open(&database.url).await;
    let stored = async {
        while hand.receptions().await < everything {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let is_stored = timeout(DEADLINE, stored).await.is_ok();
    for server in servers {
        assert_never_in_the_way(&server);
        let (status, log) = server.stop().await;
        assert!(status.success(), "{log}");
    }
    ledger::compare(&database.url, &load).await;
    assert!(is_stored, "in time");
    // A map that starts knows what all have heard.
    shows_the_truth(&Geocast::start(&arguments[0]).await, &load).await;
}

/// No commit failed because of another's.
fn assert_never_in_the_way(server: &Geocast) {
    assert!(!server.log().contains("could not store"), "{}", server.log());
}

/// In the database, on the map, and on the map after one more kill.
async fn holds_the_truth(geocast: Geocast, arguments: &[&str], database: &str, load: &Load) {
    shows_the_truth(&geocast, load).await;
    geocast.kill();
    ledger::compare(database, load).await;
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
