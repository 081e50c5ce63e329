//! `geocast bench growth`: what a tick costs while the map grows in one way and in no other, and how
//! that grows along.
//!
//! Some nodes move at one place, and the watchers look at it, each at a rectangle of its own.
//! Everybody else looks elsewhere, where all other nodes rest. The broadcaster runs here, without
//! sockets: a tick is matched, encoded, and taken by those who see it.

use std::time::Duration;

use anyhow::Context;
use tokio::{runtime, sync::mpsc, time::Instant};
use tracing::info;

use super::{Report, Target, mesh::Mesh, report, usage::spent_ms};
use crate::{
    broadcast::{Broadcaster, Committed, Encoding, LiveMap, Metrics, Settings, Viewer},
    config::{Growth, Views},
    demo::random::Random,
    domain::{
        Area, Bounds, Clock, Commit, Filter, Lifetimes, Network, NodeId, Patch, Place, Position,
        Stamp, World,
    },
    http::TickEncoder,
};

/// The middle of where something happens, farther north than any node of the mesh.
const LATITUDE: f64 = 80.0;
const LONGITUDE: f64 = 0.0;
/// How far from it nodes move, in degrees. Every view of it holds its middle.
const AROUND: f64 = 0.5;

/// Nodes of these numbers move; those of the mesh have greater ones.
const FIRST_MOVING: u32 = 1;

/// Ticks that are told of a size, after some that are not.
const TICKS: usize = 40;
const BEFORE: usize = 5;

/// How far they wander between two ticks: the deviation, in degrees.
const WANDER: f64 = 0.000_1;

/// Ticks follow each other as fast as they are taken.
const TICK: Duration = Duration::from_millis(1);

/// Longer than any of this takes.
const DAY: Duration = Duration::from_hours(24);

/// How large a map is.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Clients that look elsewhere.
    bystanders: u32,
    /// Nodes that rest.
    resting: u32,
    /// Clients that look where nodes move.
    watchers: u32,
    /// Nodes that move in each tick.
    moving: u32,
}

/// What a tick of some size costs.
struct Cost {
    ms: f64,
    /// Updates that watchers are told of.
    deliveries: f64,
}

/// Measures.
pub(super) async fn run(config: &Growth, seed: u64, clock: &Clock) -> anyhow::Result<Report> {
    let (config, clock) = (config.clone(), clock.clone());
    // It keeps a core busy for seconds.
    tokio::task::spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(measure(&config, seed, &clock))
    })
    .await?
}

async fn measure(config: &Growth, seed: u64, clock: &Clock) -> anyhow::Result<Report> {
    let mut report = report("growth", seed);
    let most = config.nodes.iter().copied().max().unwrap_or_default();
    let mesh = Mesh::new(most as usize, seed);
    let usual =
        Size { bystanders: 1000, resting: 1000.min(most), watchers: 200, moving: config.updates };
    for (name, value) in [
        ("updates", usual.moving),
        ("clientsElsewhere", usual.bystanders),
        ("nodesAtRest", usual.resting),
        ("clientsWhoSee", usual.watchers),
    ] {
        report.parameter(name, value);
    }
    let of_clients = config.clients.iter().map(|count| Size { bystanders: *count, ..usual });
    let of_nodes = config.nodes.iter().map(|count| Size { resting: *count, ..usual });
    let of_watchers = config.watchers.iter().map(|count| Size { watchers: *count, ..usual });
    let sizes: [(_, Vec<Size>, _); 3] = [
        ("clients that see nothing of it", of_clients.collect(), 0.1),
        ("nodes at rest", of_nodes.collect(), 0.05),
        ("deliveries", of_watchers.collect(), 1.05),
    ];
    for (name, sizes, most) in sizes {
        let mut points = Vec::new();
        for size in sizes {
            let cost = cost(&mesh, size, seed, clock).await?;
            let x = match name {
                "nodes at rest" => f64::from(size.resting),
                "deliveries" => cost.deliveries,
                _ => f64::from(size.bystanders),
            };
            info!("a tick with {x} {name} costs {:.2} ms", cost.ms);
            report.measured(format!("a tick with {x} {name}"), cost.ms, "ms");
            points.push((x, cost.ms));
        }
        if let Some(exponent) = exponent(&points) {
            report.aimed(format!("{name}: exponent"), exponent, "", Target::AtMost(most));
        }
    }
    Ok(report)
}

/// The median cost of a tick.
async fn cost(mesh: &Mesh, size: Size, seed: u64, clock: &Clock) -> anyhow::Result<Cost> {
    let lifetimes = Lifetimes { offline_after: DAY, forget_after: DAY, tombstones: DAY };
    let settings = Settings { tick: TICK, epoch: "growth".to_owned() };
    let (world, encoder) = (World::new(lifetimes), TickEncoder::default());
    let (broadcaster, live) =
        Broadcaster::new(world, encoder, settings, clock.clone(), Metrics::default());
    let (commits, committed) = mpsc::channel(1);
    // The broadcaster ends when nothing can be committed any more.
    let (_, cost) = tokio::join!(broadcaster.run(committed), async {
        let stage = Stage::new(size.moving, seed, clock.clone(), commits);
        told(stage, live, mesh, size).await
    });
    cost
}

async fn told(mut stage: Stage, live: LiveMap, mesh: &Mesh, size: Size) -> anyhow::Result<Cost> {
    stage.rest(mesh, size.resting as usize).await?;
    let places = stage.go().await?;
    let mut bystanders = Vec::new();
    for client in 0..size.bystanders as usize {
        let view = mesh.view(Views::City, client);
        let area = Bounds::new(view.north, view.south, view.east, view.west)?;
        bystanders.push(looking(&live, area).await?);
    }
    let mut watchers = Vec::new();
    let mut deliveries = 0;
    for _ in 0..size.watchers {
        let area = stage.view()?;
        deliveries += places.iter().filter(|place| area.contains(**place)).count();
        watchers.push(looking(&live, area).await?);
    }
    let mut ticks = Vec::new();
    for _ in 0..BEFORE + TICKS {
        let before = spent_ms();
        stage.go().await?;
        for watcher in &watchers {
            watcher.next().await.context("the broadcaster has stopped")?;
            watcher.delivered().await?;
        }
        ticks.push(spent_ms() - before);
    }
    let told = &mut ticks[BEFORE..];
    told.sort_unstable_by(f64::total_cmp);
    Ok(Cost { ms: told[TICKS / 2], deliveries: deliveries as f64 })
}

/// What happens, commit by commit.
struct Stage {
    random: Random,
    clock: Clock,
    commits: mpsc::Sender<Committed>,
    /// Where the nodes that move always are, in degrees.
    homes: Vec<(f64, f64)>,
}

impl Stage {
    fn new(moving: u32, seed: u64, clock: Clock, commits: mpsc::Sender<Committed>) -> Self {
        let mut random = Random::of(seed, 4);
        let mut home = || random.between(-AROUND, AROUND);
        let homes = (0..moving).map(|_| (LATITUDE + home(), LONGITUDE + home())).collect();
        Self { random, clock, commits, homes }
    }

    /// Puts the nodes of the mesh where they will stay.
    async fn rest(&self, mesh: &Mesh, nodes: usize) -> anyhow::Result<()> {
        let patches = (0..nodes).map(|node| {
            let (latitude, longitude) = mesh.place(node, 0);
            let place = Place::from_e7(latitude, longitude)?;
            Ok(self.patch(Mesh::number(node), place))
        });
        self.commit(patches.collect::<anyhow::Result<_>>()?).await
    }

    /// Every node that moves is somewhere else, near where it always is; says where.
    async fn go(&mut self) -> anyhow::Result<Vec<Place>> {
        let homes = self.homes.clone();
        let places = homes.into_iter().map(|(latitude, longitude)| {
            let (north, east) = (self.random.gauss() * WANDER, self.random.gauss() * WANDER);
            Ok(Place::from_degrees(latitude + north, longitude + east)?)
        });
        let places: Vec<_> = places.collect::<anyhow::Result<_>>()?;
        let patches = (FIRST_MOVING..).zip(&places).map(|(node, place)| self.patch(node, *place));
        self.commit(patches.collect()).await?;
        Ok(places)
    }

    /// Where somebody looks who sees some of it, and the middle for certain.
    fn view(&mut self) -> anyhow::Result<Bounds> {
        let mut edge = || self.random.between(0.2, 1.0) * AROUND;
        let (north, south) = (LATITUDE + edge(), LATITUDE - edge());
        let (east, west) = (LONGITUDE + edge(), LONGITUDE - edge());
        Ok(Bounds::new(north, south, east, west)?)
    }

    fn patch(&self, node: u32, place: Place) -> Patch {
        let heard = self.clock.now();
        let position = Position {
            place,
            altitude_m: Some(100),
            ground_speed_kmh: None,
            ground_track_deg: None,
            sats_in_view: None,
            precision_bits: Some(32),
            stamp: Stamp::heard(heard),
        };
        let patch = Patch::heard(NodeId::Radio(node), Network::Meshtastic, heard);
        Patch { position: Some(position), ..patch }
    }

    async fn commit(&self, patches: Vec<Patch>) -> anyhow::Result<()> {
        let commit = (Instant::now(), Commit::Made(patches));
        self.commits.send(commit).await.context("the broadcaster has stopped")
    }
}

/// A client that looks there, and has its picture.
async fn looking(live: &LiveMap, bounds: Bounds) -> anyhow::Result<Viewer> {
    let viewer = live.join(Encoding::Proto).await?;
    let bounds = Some(Area::from(bounds));
    viewer.subscribe(Filter { bounds, ..Filter::default() }, None).await?;
    viewer.next().await.context("the broadcaster has stopped")?;
    viewer.delivered().await?;
    Ok(viewer)
}

/// The exponent of the power of x that fits the points best; none if there are not two.
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let spread: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    let common: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    (spread > 0.0).then_some(common / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_the_power_that_the_points_lie_on() {
        for power in [0.0, 0.5, 1.0, 2.0] {
            let points = [1.0_f64, 3.0, 10.0].map(|x| (x, 7.0 * x.powf(power)));
            assert!((exponent(&points).unwrap() - power).abs() < 1e-9);
        }
        assert_eq!(exponent(&[(2.0, 1.0)]), None);
        assert_eq!(exponent(&[]), None);
    }
}
