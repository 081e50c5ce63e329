//! A mesh that moves, always in the same way.

use geocast::domain::{
    Area, Bounds, Info, Network, NodeId, Patch, Place, Position, Stamp, Timestamp,
};

/// Nodes on their ways around a town.
pub(crate) struct Mesh {
    random: fastrand::Rng,
    nodes: Vec<Walker>,
    now: Timestamp,
}

struct Walker {
    /// In units of 1e-7 degrees.
    place: (i32, i32),
    heading_deg: f32,
}

/// The middle of the town, in units of 1e-7 degrees.
const TOWN: (i32, i32) = (525_000_000, 134_000_000);
/// How far the town reaches to each side, in the same units.
const REACH: i32 = 2_000_000;

impl Mesh {
    pub(crate) fn new(nodes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(5);
        let walkers = (0..nodes).map(|_| Walker {
            place: (TOWN.0 + random.i32(-REACH..REACH), TOWN.1 + random.i32(-REACH..REACH)),
            heading_deg: random.u16(0..36_000).into(),
        });
        let nodes = walkers.collect();
        Self { random, nodes, now: Timestamp::from_seconds(1_800_000_000) }
    }

    /// What every node says first.
    pub(crate) fn introductions(&mut self) -> Vec<Patch> {
        (0..self.nodes.len()).map(|node| self.patch(node)).collect()
    }

    /// What the next `moving` nodes say a tick later, one after the other in the order of
    /// their numbers.
    pub(crate) fn moves(&mut self, moving: usize) -> Vec<Patch> {
        self.now = self.now.plus(std::time::Duration::from_secs(1));
        let step = (self.nodes.len() / moving).max(1);
        let first = self.random.usize(0..step);
        let nodes = (first..self.nodes.len()).step_by(step).take(moving).collect::<Vec<_>>();
        for node in &nodes {
            let walker = &mut self.nodes[*node];
            walker.place.0 += self.random.i32(-3_000..3_000);
            walker.place.1 += self.random.i32(-3_000..3_000);
            walker.heading_deg = self.random.u16(0..36_000).into();
        }
        nodes.into_iter().map(|node| self.patch(node)).collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    fn patch(&mut self, node: usize) -> Patch {
        let walker = &self.nodes[node];
        let number = u32::try_from(node).unwrap();
        let mut patch = Patch::heard(NodeId::Radio(number), Network::Meshtastic, self.now);
        patch.info = Info { long_name: Some(format!("Node {node}").into()), ..Info::default() };
        patch.position = Some(Position {
            place: Place::from_e7(walker.place.0, walker.place.1).unwrap(),
            altitude_m: Some(34 + i32::try_from(number % 50).unwrap()),
            ground_speed_kmh: Some(f32::from(self.random.u8(0..20))),
            ground_track_deg: Some(walker.heading_deg / 100.0),
            sats_in_view: Some(u32::from(self.random.u8(5..12))),
            precision_bits: Some(32),
            stamp: Stamp::heard(self.now),
        });
        patch
    }
}

/// A viewport in the town, another one for each number; each shows about one part in `parts`.
pub(crate) fn viewport(number: u32, parts: u32) -> Area {
    let mut random = fastrand::Rng::with_seed(number.into());
    let side = f64::from(REACH) / f64::from(parts).sqrt() * 1e-7;
    let mut at = |middle: i32| f64::from(middle + random.i32(-REACH..REACH) / 2) * 1e-7;
    let (latitude, longitude) = (at(TOWN.0), at(TOWN.1));
    let bounds = Bounds::new(latitude + side, latitude - side, longitude + side, longitude - side);
    bounds.unwrap().into()
}

/// A viewport that shows every node, also after some ticks.
pub(crate) fn town() -> Area {
    let edge = |middle: i32, reach: i32| f64::from(middle + reach) * 1e-7;
    let (latitude, longitude) = TOWN;
    let [north, east] = [latitude, longitude].map(|middle| edge(middle, 2 * REACH));
    let [south, west] = [latitude, longitude].map(|middle| edge(middle, -2 * REACH));
    Bounds::new(north, south, east, west).unwrap().into()
}

/// A viewport where nobody is, another one for each number.
pub(crate) fn far_away(number: u32) -> Area {
    let south = -80.0 + f64::from(number) * 1e-3;
    Bounds::new(south + 0.1, south, 10.0, 0.0).unwrap().into()
}

/// A clock that stands at `now`.
pub(crate) fn clock(now: Timestamp) -> geocast::domain::Clock {
    geocast::domain::Clock::new(move || now)
}
