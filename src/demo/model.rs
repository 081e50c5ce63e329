//! Who lives in the simulated mesh. The same seed makes the same people.

use std::{collections::HashSet, sync::Arc, time::Duration};

use geo::{Destination, Distance, Haversine, Point};
use meshtastic::protobufs::{HardwareModel, config::device_config::Role};

use super::{
    names,
    numbers::whole,
    random::Random,
    routes::{Language, Region, RouteKind, Town},
    travel::{Course, Fix, Journey},
};
use crate::domain::Timestamp;

/// How far nodes stand around the middle of their quarter, in metres: the deviation per axis.
const SCATTER_METRES: f64 = 700.0;

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

/// What is needed while the population is made.
struct Maker<'a> {
    region: &'a Region,
    courses: Vec<(RouteKind, Arc<Course>)>,
    random: Random,
    numbers: HashSet<u32>,
    names: HashSet<Box<str>>,
    placed: usize,
    homes: usize,
    travellers: [usize; 7],
}

/// Kinds of travellers, in the order in which they set out.
const KINDS: [RouteKind; 7] = [
    RouteKind::River,
    RouteKind::Road,
    RouteKind::Street,
    RouteKind::Rail,
    RouteKind::Cycleway,
    RouteKind::Path,
    RouteKind::Ferry,
];

/// Which of [`KINDS`] each traveller is, over and over.
const FLEET: [usize; 20] = [0, 1, 2, 0, 1, 3, 0, 4, 1, 5, 0, 1, 2, 0, 1, 6, 0, 3, 1, 4];

impl<'a> Maker<'a> {
    fn new(region: &'a Region, seed: u64) -> Self {
        let courses = region
            .routes
            .iter()
            .map(|route| (route.kind, Arc::new(Course::new(&route.line, route.round))));
        Self {
            region,
            courses: courses.collect(),
            random: Random::of(seed, 1),
            numbers: HashSet::new(),
            names: HashSet::new(),
            placed: 0,
            homes: 0,
            travellers: [0; 7],
        }
    }

    /// A number that no other node has and that means nobody in particular.
    fn number(&mut self) -> u32 {
        loop {
            let drawn = self.random.draw().to_le_bytes();
            let number = u32::from_le_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]);
            if (0x1000_0000..0xffff_fff0).contains(&number) && self.numbers.insert(number) {
                return number;
            }
        }
    }

    /// `wish`, or `wish 2` and so on when it is taken.
    fn name(&mut self, wish: &str) -> Box<str> {
        let mut name: Box<str> = wish.into();
        for next in 2.. {
            if self.names.insert(name.clone()) {
                break;
            }
            name = format!("{wish} {next}").into();
        }
        name
    }

    fn fixed(&mut self, part: Part) -> Node {
        let towns: &'a [Town] = &self.region.towns;
        let town = &towns[self.placed % towns.len()];
        let quarter = &town.quarters[self.placed / towns.len() % town.quarters.len()];
        self.placed += 1;
        let (east_m, north_m) = (self.random.gauss(), self.random.gauss());
        let home = Haversine.destination(quarter.middle, 90.0, east_m * SCATTER_METRES);
        let home = Haversine.destination(home, 0.0, north_m * SCATTER_METRES);
        let relays = names::relays(town.language);
        let endings = match part {
            Part::Gateway => relays,
            Part::Sensor => names::sensors(town.language),
            Part::Home | Part::Traveller(_) => names::suffixes(town.language),
        };
        let ending = *self.random.pick(endings);
        let chosen = (part == Part::Home).then(|| {
            self.homes += 1;
            self.homes.is_multiple_of(4).then(|| names::CHOSEN.get(self.homes / 4 - 1)).flatten()
        });
        let (long, short) = if let Some((long, short)) = chosen.flatten() {
            (self.name(long), Some(*short))
        } else {
            let order = match town.language {
                Language::French => format!("{} {ending} {}", town.name, quarter.name),
                Language::German | Language::Dutch => format!("{} {ending}", quarter.name),
            };
            (self.name(&order), None)
        };
        let supply = match part {
            Part::Gateway => *self.random.pick(&[Supply::Mains, Supply::Mains, Supply::Solar]),
            Part::Sensor => *self.random.pick(&[Supply::Solar, Supply::Mains]),
            _ => *self.random.pick(&[Supply::Mains, Supply::Solar, Supply::Battery]),
        };
        let altitude_m = town.altitude_m + whole(self.random.between(2.0, 45.0));
        let senses = match part {
            Part::Sensor => Senses {
                weather: true,
                wind: self.random.chance(0.4),
                power: supply == Supply::Solar,
                air: self.random.chance(0.4),
                health: false,
                crowd: self.random.chance(0.15),
            },
            _ => Senses {
                power: supply == Supply::Solar && self.random.chance(0.2),
                ..Senses::default()
            },
        };
        let (hardware, role) = self.equipment(part);
        self.node(
            long,
            short,
            Node { hardware, role, altitude_m, supply, senses, ..blank(part, home) },
        )
    }

    fn traveller(&mut self, at: usize) -> Node {
        let wanted = FLEET[at % FLEET.len()];
        let kind = KINDS[wanted];
        let nth = self.travellers[wanted];
        self.travellers[wanted] += 1;
        let part = Part::Traveller(kind);
        let long = self.name(names::traveller(kind)[nth % names::traveller(kind).len()]);
        let (hardware, role) = self.equipment(part);
        let journey = self.journey(kind, nth);
        let home = journey.as_ref().map(|journey| journey.course.at(journey.stretch_m.0).0);
        let home = home.unwrap_or(self.region.towns[0].quarters[0].middle);
        let supply = match kind {
            RouteKind::Cycleway | RouteKind::Path => Supply::Battery,
            _ => Supply::Mains,
        };
        let senses = Senses {
            health: kind == RouteKind::Path,
            weather: kind == RouteKind::Ferry,
            crowd: kind == RouteKind::Street && nth == 0,
            ..Senses::default()
        };
        let altitude_m = 110;
        self.node(
            long,
            None,
            Node { hardware, role, altitude_m, journey, supply, senses, ..blank(part, home) },
        )
    }

    fn journey(&mut self, kind: RouteKind, nth: usize) -> Option<Journey> {
        let ways: Vec<&Arc<Course>> =
            self.courses.iter().filter(|(of, _)| *of == kind).map(|(_, course)| course).collect();
        let course = Arc::clone(ways.get(nth % ways.len().max(1))?);
        let random = &mut self.random;
        let (slow, fast, rest_seconds, right_m, reach_m) = match kind {
            RouteKind::River => (2.8, 5.5, 600.0, 45.0, 90_000.0),
            RouteKind::Ferry => (4.0, 6.0, 300.0, 20.0, f64::MAX),
            RouteKind::Road => (20.0, 30.0, 240.0, 12.0, 120_000.0),
            RouteKind::Rail => (24.0, 42.0, 180.0, 3.0, f64::MAX),
            RouteKind::Street => (5.0, 8.5, 60.0, 4.0, f64::MAX),
            RouteKind::Cycleway => (4.0, 6.5, 300.0, 2.0, f64::MAX),
            RouteKind::Path => (0.9, 1.5, 600.0, 1.0, f64::MAX),
        };
        let length_m = course.length_m();
        let reach_m = (reach_m * random.between(0.6, 1.2)).min(length_m);
        let from_m = random.between(0.0, (length_m - reach_m).max(f64::MIN_POSITIVE));
        Some(Journey {
            stretch_m: (from_m, (from_m + reach_m).min(length_m)),
            course,
            speed_mps: random.between(slow, fast),
            rest_seconds,
            right_m,
            phase_millis: i64::from(whole(random.between(0.0, 50_000_000.0))),
        })
    }

    fn equipment(&mut self, part: Part) -> (HardwareModel, Role) {
        use HardwareModel as H;
        let (boards, roles): (&[H], &[Role]) = match part {
            Part::Gateway => (
                &[H::HeltecV3, H::StationG2, H::Rak4631, H::Tbeam, H::Portduino, H::HeltecV4],
                &[Role::Router, Role::Client, Role::Client, Role::RouterLate, Role::ClientBase],
            ),
            Part::Traveller(_) => (
                &[
                    H::Tbeam,
                    H::TEcho,
                    H::TrackerT1000E,
                    H::HeltecWirelessTracker,
                    H::LilygoTbeamS3Core,
                ],
                &[Role::Client, Role::Tracker, Role::ClientMute, Role::Client],
            ),
            Part::Sensor => (
                &[H::Rak4631, H::SensecapIndicator, H::Rak11310, H::SeeedXiaoS3],
                &[Role::Sensor, Role::Sensor, Role::Client],
            ),
            Part::Home => (
                &[
                    H::HeltecV3,
                    H::HeltecV3,
                    H::Rak4631,
                    H::TDeck,
                    H::TloraT3S3,
                    H::Tbeam,
                    H::SeeedSolarNode,
                    H::HeltecMeshNodeT114,
                    H::NanoG2Ultra,
                    H::ThinknodeM1,
                    H::HeltecWirelessPaper,
                    H::RpiPico,
                ],
                &[Role::Client, Role::Client, Role::Client, Role::ClientMute, Role::ClientBase],
            ),
        };
        (*self.random.pick(boards), *self.random.pick(roles))
    }

    /// Gives `node` its number and its names.
    fn node(&mut self, long_name: Box<str>, short: Option<&str>, node: Node) -> Node {
        let short_name =
            short.map_or_else(|| names::short_name(&long_name, &mut self.random), Box::from);
        Node { number: self.number(), long_name, short_name, ..node }
    }
}

fn blank(part: Part, home: Point<f64>) -> Node {
    Node {
        number: 0,
        short_name: "".into(),
        long_name: "".into(),
        hardware: HardwareModel::Unset,
        role: Role::Client,
        part,
        home,
        altitude_m: 0,
        precision_bits: 32,
        journey: None,
        supply: Supply::Mains,
        senses: Senses::default(),
        silent_for: None,
    }
}

#[cfg(test)]
mod tests {
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
