//! Who lives in the simulated mesh. The same seed makes the same people.

use std::time::Duration;

use geo::{Distance, Haversine, Point};
use meshtastic::protobufs::{HardwareModel, config::device_config::Role};

use super::{
    maker::Maker,
    numbers::whole,
    routes::{Region, RouteKind},
    travel::{Fix, Journey},
};
use crate::domain::Timestamp;

/// How a node is powered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// A socket in the wall.
    Mains,
    /// A panel that charges by day.
    Solar,
    /// A battery that somebody charges when it is low.
    Battery,
}

/// What a node does in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Hands what it hears to MQTT, and relays.
    Gateway,
    /// Travels.
    Traveller(RouteKind),
    /// Measures the weather and the air.
    Sensor,
    /// Stands at somebody's home.
    Home,
}

/// What a node measures besides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each sensor is there or it is not")]
pub struct Senses {
    /// Temperature, humidity, pressure.
    pub weather: bool,
    /// Wind, rain and light too.
    pub wind: bool,
    /// Voltage and current of its panel.
    pub power: bool,
    /// Particles and gases.
    pub air: bool,
    /// The pulse of who carries it.
    pub health: bool,
    /// Wireless devices nearby.
    pub crowd: bool,
}

/// One simulated radio.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number, and id: `!a1b2c3d4`.
    pub number: u32,
    /// At most four bytes.
    pub short_name: Box<str>,
    /// At most 39 bytes of any UTF-8.
    pub long_name: Box<str>,
    /// The board.
    pub hardware: HardwareModel,
    /// How it is configured.
    pub role: Role,
    /// What it does.
    pub part: Part,
    /// Where it stands, or where it set out.
    pub home: Point<f64>,
    /// Metres above the sea.
    pub altitude_m: i32,
    /// How exactly it shares its place: 32 is fully.
    pub precision_bits: u32,
    /// Where it travels, if it does.
    pub journey: Option<Journey>,
    /// How it is powered.
    pub supply: Supply,
    /// What it measures.
    pub senses: Senses,
    /// How long ago it spoke last, if it is silent now.
    pub silent_for: Option<Duration>,
}

impl Node {
    /// Where it is at `time`.
    pub fn at(&self, time: Timestamp) -> Fix {
        let stands = Fix { place: self.home, track_deg: 0.0, speed_mps: 0.0 };
        self.journey.as_ref().map_or(stands, |journey| journey.at(time))
    }
}

/// All nodes of the mesh.
#[derive(Clone, Debug)]
pub struct Population {
    /// By index; gateways first, at least one.
    pub nodes: Vec<Node>,
    /// How many gateways there are.
    pub gateways: usize,
}

impl Population {
    /// `count` nodes in `region`, at least one.
    pub fn new(region: &Region, count: usize, seed: u64) -> Self {
        let count = count.max(1);
        let gateways = (count / 10).clamp(1, region.towns.len() * 2);
        let mut maker = Maker::new(region, seed);
        let mut nodes = Vec::with_capacity(count);
        for at in 0..count {
            nodes.push(match at {
                _ if at < gateways => maker.fixed(Part::Gateway),
                _ if at < gateways + count / 5 => maker.traveller(at - gateways),
                _ if at < gateways + count / 5 + count / 12 => maker.fixed(Part::Sensor),
                _ => maker.fixed(Part::Home),
            });
        }
        // The last ones fell silent, and some before them blur their place.
        let silent = count / 25;
        for (at, node) in nodes.iter_mut().rev().enumerate() {
            if node.part == Part::Home && at < silent {
                let minutes = whole(maker.random.between(210.0, 1320.0)).unsigned_abs();
                node.silent_for = Some(Duration::from_mins(minutes.into()));
            } else if node.part == Part::Home && at < silent * 2 {
                node.precision_bits = *maker.random.pick(&[13, 13, 14, 15, 16]);
            }
        }
        Self { nodes, gateways }
    }

    /// The nodes closest to `place` among the first `among`, with their distance in metres.
    pub fn closest(
        &self,
        place: Point<f64>,
        among: usize,
        time: Timestamp,
        count: usize,
    ) -> Vec<(usize, f64)> {
        let mut found: Vec<(usize, f64)> = self.nodes[..among]
            .iter()
            .map(|node| Haversine.distance(node.at(time).place, place))
            .enumerate()
            .collect();
        found.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        found.truncate(count);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use geo::{Closest, HaversineClosestPoint};

    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_176_000);

    fn population(count: usize, seed: u64) -> Population {
        Population::new(&Region::rhine().unwrap(), count, seed)
    }

    #[test]
    fn the_same_seed_makes_the_same_people_and_another_seed_others() {
        let told = |seed| format!("{:?}", population(300, seed).nodes);
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
    }

    #[test]
    fn numbers_and_names_are_unique_and_fit_into_a_radio() {
        let Population { nodes, .. } = population(300, 1);
        assert_eq!(nodes.iter().map(|node| node.number).collect::<HashSet<_>>().len(), 300);
        assert_eq!(nodes.iter().map(|node| &node.long_name).collect::<HashSet<_>>().len(), 300);
        for node in &nodes {
            assert!((1..=39).contains(&node.long_name.len()), "{}", node.long_name);
            assert!((1..=4).contains(&node.short_name.len()), "{}", node.short_name);
        }
        assert!(nodes.iter().any(|node| node.long_name.starts_with("<b>")));
    }

    #[test]
    fn three_hundred_nodes_are_a_mixed_crowd() {
        let Population { nodes, gateways } = population(300, 1);
        let having = |test: &dyn Fn(&Node) -> bool| nodes.iter().filter(|node| test(node)).count();
        assert_eq!(having(&|node| node.part == Part::Gateway), gateways);
        assert_eq!(having(&|node| node.journey.is_some()), 60);
        assert_eq!(having(&|node| node.senses.weather), 25 + 3);
        assert_eq!(having(&|node| node.silent_for.is_some()), 12);
        assert_eq!(having(&|node| node.precision_bits < 32), 12);
    }

    #[test]
    fn any_number_of_nodes_has_a_gateway() {
        for count in [0, 1, 2, 7, 50, 2000] {
            let population = population(count, 1);
            assert_eq!(population.nodes.len(), count.max(1));
            assert!(population.gateways >= 1);
        }
    }

    #[test]
    fn everybody_stays_between_the_alps_and_the_north_sea() {
        for node in population(300, 5).nodes {
            for minutes in 0..200 {
                let place = node.at(NOON.plus(Duration::from_mins(minutes))).place;
                let inside = (3.9..9.6).contains(&place.x()) && (47.4..52.3).contains(&place.y());
                assert!(inside, "{} at {place:?}", node.long_name);
            }
        }
    }

    #[test]
    fn travellers_keep_to_their_way_at_a_speed_of_their_kind() {
        let region = Region::rhine().unwrap();
        for node in population(300, 9).nodes {
            let Part::Traveller(kind) = node.part else { continue };
            let fastest = match kind {
                RouteKind::River | RouteKind::Ferry | RouteKind::Cycleway => 9.0,
                RouteKind::Road => 40.0,
                RouteKind::Rail => 55.0,
                RouteKind::Street => 12.0,
                RouteKind::Path => 2.1,
            };
            for minutes in (0..600).step_by(7) {
                let fix = node.at(NOON.plus(Duration::from_mins(minutes)));
                let ways = region.routes.iter().filter(|route| route.kind == kind);
                let off_m = ways
                    .map(|route| match route.line.haversine_closest_point(&fix.place) {
                        Closest::Intersection(at) | Closest::SinglePoint(at) => {
                            Haversine.distance(at, fix.place)
                        }
                        Closest::Indeterminate => f64::MAX,
                    })
                    .fold(f64::MAX, f64::min);
                assert!(off_m < 60.0, "{} is {off_m} m off its way", node.long_name);
                assert!(fix.speed_mps <= fastest, "{} at {} m/s", node.long_name, fix.speed_mps);
            }
        }
    }
}
