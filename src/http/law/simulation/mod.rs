//! The law on a bad network: the real server and many clients in one process, where time is
//! simulated and everything that is left to chance comes from one seed.
//!
//! A seed that fails fails again: `make simulate SEED=17`. `make simulate SEEDS=10000` tries more of
//! them than `make test`.

mod client;
mod line;
mod network;
mod server;
mod story;

use std::{env, time::Duration};

use fastrand::Rng;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::time::sleep;

use self::{client::Order, line::Weather, network::Network, story::Story};
use super::steps::{Heard, Step, heard, step};
use crate::{broadcast::Metrics, domain::Filter, http::Pulse};

const CLIENTS: usize = 8;
const NODES: u32 = 30;
/// Storms of one story, and what happens in each.
const STORMS: usize = 3;
const STEPS: usize = 60;
/// Most packets that are heard between two steps.
const MOST_HEARD: usize = 6;

const PULSE: Pulse = Pulse { heartbeat: Duration::from_secs(3), timeout: Duration::from_secs(8) };

/// What chance brings, of one seed.
struct Chance {
    rng: Rng,
    runner: TestRunner,
}

impl Chance {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let runner = TestRunner::new_with_rng(Config::default(), rng);
        Self { rng: Rng::with_seed(seed), runner }
    }

    fn step(&mut self) -> Step {
        loop {
            let step = step(CLIENTS).new_tree(&mut self.runner).unwrap().current();
            // Restarts cost everybody the connection: more of them would leave no time for others.
            if !matches!(step, Step::Restart { .. }) || self.rng.u8(..4) == 0 {
                return step;
            }
        }
    }

    fn heard(&mut self, count: usize) -> Vec<Heard> {
        let one = |chance: &mut Self| {
            let mut heard = heard().new_tree(&mut chance.runner).unwrap().current();
            heard.node = chance.rng.u32(..NODES);
            heard
        };
        (0..count).map(|_| one(self)).collect()
    }
}

/// Counts of what a story should be full of.
#[derive(Debug, Default)]
struct Tally {
    fell_behind: u64,
    catch_ups: u64,
    resumed: u64,
}

impl Tally {
    fn add(&mut self, server: &Metrics) {
        self.fell_behind += server.fell_behind.get();
        self.catch_ups += server.catch_ups.get();
        self.resumed += server.resumed.get();
    }
}

/// Tells the story of a seed; answers with its fingerprint.
fn tell(seed: u64, tally: &mut Tally) -> u64 {
    let mut chance = Chance::new(seed);
    simulate(seed, CLIENTS, async |mut story| {
        for _ in 0..STORMS {
            story.network.storm();
            for _ in 0..STEPS {
                let step = chance.step();
                if let Step::Restart { .. } = step {
                    tally.add(&story.server.inner.metrics);
                }
                story = story.take(step).await;
                let count = chance.rng.usize(..MOST_HEARD);
                story.hear(&chance.heard(count)).await;
                sleep(Duration::from_millis(chance.rng.u64(..300))).await;
            }
            story.calm().await;
        }
        tally.add(&story.server.inner.metrics);
        story
    })
}

/// Runs a story to its end in simulated time; answers with its fingerprint.
fn simulate(seed: u64, clients: usize, tell: impl AsyncFnOnce(Story) -> Story) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let story = Story::begin(seed, clients);
        let network = story.network.clone();
        let notes = OnPanic(seed, network.clone());
        tell(story).await.end().await;
        drop(notes);
        network.fingerprint()
    })
}

/// Says which story it was, and how it ended.
struct OnPanic(u64, Network);

impl Drop for OnPanic {
    #[expect(clippy::print_stderr, reason = "whoever reads of the failure wants to see it again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\nThis was SEED={}", self.1.last_notes(60), self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_client_holds_what_is_true_after_storms_on_a_simulated_network() {
    let mut tally = Tally::default();
    if let Some(seed) = number("SEED") {
        tell(seed, &mut tally);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(16);
    for seed in 0..seeds {
        tell(seed, &mut tally);
    }
    let Tally { fell_behind, catch_ups, resumed } = tally;
    let few = [fell_behind, catch_ups, resumed].into_iter().min() < Some(seeds);
    assert!(!few, "the storms were none: {tally:?}");
}

#[test]
fn a_seed_always_tells_the_same_story() {
    let tell = |seed| tell(seed, &mut Tally::default());
    assert_eq!(tell(7), tell(7));
    assert_ne!(tell(7), tell(8));
}

#[test]
fn a_client_that_stalls_is_owed_one_delivery_and_resumes_when_it_was_given_up() {
    simulate(1, 1, async |mut story| {
        story.network.calm(&Weather { room_bytes: 1000, ..Weather::FAIR });
        let mut chance = Chance::new(1);
        story.hear(&chance.heard(50)).await;
        story.order(0, Order::Subscribe(Filter::default())).await;
        sleep(Duration::from_secs(5)).await;
        assert!(!story.show(0).await.mirror.held.is_empty(), "it reads so far");

        story.order(0, Order::Stall).await;
        let deliveries = story.server.inner.metrics.deliveries.clone();
        let before = deliveries.get();
        for _ in 0..70 {
            story.hear(&chance.heard(5)).await;
            sleep(Duration::from_millis(100)).await;
        }
        assert!(deliveries.get() - before < 8, "{} deliveries", deliveries.get() - before);
        for _ in 0..70 {
            story.hear(&chance.heard(5)).await;
            sleep(Duration::from_millis(100)).await;
        }
        story.calm().await;
        let shown = story.show(0).await;
        assert_eq!(shown.codes, [4408]);
        assert!(shown.resumed);
        story
    });
}

#[test]
fn clients_go_on_after_an_orderly_restart_and_start_anew_after_a_death() {
    for in_order in [true, false] {
        simulate(2, 2, async |mut story| {
            let mut chance = Chance::new(2);
            story.network.calm(&Weather::FAIR);
            for client in 0..2 {
                story.order(client, Order::Subscribe(Filter::default())).await;
            }
            story.hear(&chance.heard(50)).await;
            sleep(Duration::from_secs(5)).await;
            story.hear(&chance.heard(50)).await;
            // Some of it is on its way.
            sleep(Duration::from_millis(100)).await;
            story = story.take(Step::Restart { in_order }).await;
            story.hear(&chance.heard(50)).await;
            story.calm().await;
            for client in 0..2 {
                assert_eq!(story.show(client).await.resumed, in_order, "client {client}");
            }
            story
        });
    }
}
