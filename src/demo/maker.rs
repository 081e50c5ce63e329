//! Makes the nodes of a population, one after the other.

use std::{collections::HashSet, sync::Arc};

use geo::{Destination, Haversine, Point};
use meshtastic::protobufs::{HardwareModel, config::device_config::Role};

use super::{
    model::{Node, Part, Senses, Supply},
    names,
    numbers::whole,
    random::Random,
    routes::{Language, Region, RouteKind, Town},
    travel::{Course, Journey},
};

/// How far nodes stand around the middle of their quarter, in metres: the deviation per axis.
const SCATTER_METRES: f64 = 700.0;

/// What is needed while the population is made.
pub(super) struct Maker<'a> {
    region: &'a Region,
    courses: Vec<(RouteKind, Arc<Course>)>,
    /// Chance, for what else is decided about them.
    pub(super) random: Random,
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
    /// For `region`; the same seed makes the same nodes.
    pub(super) fn new(region: &'a Region, seed: u64) -> Self {
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

    /// The next node that stands: its town and quarter by turns.
    pub(super) fn fixed(&mut self, part: Part) -> Node {
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

    /// The traveller of this number: the kinds by turns.
    pub(super) fn traveller(&mut self, at: usize) -> Node {
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
            RouteKind::Rail => (20.0, 36.0, 180.0, 3.0, f64::MAX),
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
