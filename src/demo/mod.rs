//! The demo: a simulated mesh along the Rhine that speaks real, encrypted Meshtastic packets to an
//! MQTT broker, so that everything behind it is exercised as by real radios.
//!
//! The parts are pure: the same seed and the same times make the same messages. Only [`run`] knows
//! a network, and reads the time from the clock that it is given.

use std::{net::SocketAddr, time::Duration};

use futures_util::future;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use self::{
    model::Population,
    routes::Region,
    simulator::{Publication, Simulator},
    uplink::{Sender, Uplink},
};
use crate::domain::Clock;

mod accounts;
mod maker;
pub mod model;
mod names;
mod numbers;
pub mod packets;
pub(crate) mod random;
mod readings;
pub mod routes;
pub mod schedule;
pub mod simulator;
#[cfg(test)]
mod tests;
pub mod travel;
mod uplink;

/// How many MQTT connections the gateways share. A broker may answer one connection's messages one
/// after the other, each after a commit: several share the commits.
const UPLINKS: usize = 12;

/// How often the mesh looks who speaks.
const TICK: Duration = Duration::from_millis(50);

/// What to simulate, and where to.
#[derive(Clone, Debug)]
pub struct DemoSettings {
    /// The broker, without encryption and password: on this machine.
    pub broker: SocketAddr,
    /// How many nodes there are; 300 show everything.
    pub nodes: usize,
    /// Which mesh it is: the same seed makes the same one.
    pub seed: u64,
}

/// Simulates a mesh until `stop`: as soon as the broker answers, a burst that introduces everybody
/// and tells of the last hours, and from then on what is said live. A broker that goes away is
/// tried again; what is said meanwhile is lost, as it would be on the air.
pub async fn run(
    settings: DemoSettings,
    clock: Clock,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stop = stop.child_token();
    let population = Population::new(&Region::rhine()?, settings.nodes, settings.seed);
    let count = UPLINKS.min(population.gateways);
    let uplinks: Vec<Uplink> =
        (0..count).map(|number| Uplink::new(settings.broker, number, settings.seed)).collect();
    let senders: Vec<Sender> = uplinks.iter().map(Uplink::sender).collect();
    let (connected, mut is_connected) = watch::channel(false);
    let carried =
        future::join_all(uplinks.into_iter().map(|uplink| uplink.carry(&connected, &stop)));
    let spoken = async {
        let speak = async {
            is_connected.wait_for(|connected| *connected).await?;
            let simulator = Simulator::new(population, settings.seed, clock.now());
            speak(simulator, &senders, &clock).await
        };
        // The stop counts first: it also ends the connections, which speaking would complain of.
        let result = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            result = speak => result,
        };
        // Whatever ended the speaking ends the connections.
        stop.cancel();
        result
    };
    let (result, _) = future::join(spoken, carried).await;
    result
}

/// Tells the past, then speaks for ever.
async fn speak(mut simulator: Simulator, senders: &[Sender], clock: &Clock) -> anyhow::Result<()> {
    let sender = |publication: &Publication| &senders[publication.gateway % senders.len()];
    let past = simulator.past();
    for event in &past {
        for publication in simulator.publish(event) {
            sender(&publication).send(publication).await?;
        }
    }
    let nodes = simulator.population().nodes.len();
    info!(nodes, packets = past.len(), "the simulated mesh has told its past and speaks live");
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut lost = 0_u32;
        for event in simulator.next(clock.now()) {
            for publication in simulator.publish(&event) {
                lost += u32::from(!sender(&publication).try_send(publication));
            }
        }
        if lost > 0 {
            debug!(lost, "the broker is slow or away: messages of the demo were lost");
        }
    }
}
