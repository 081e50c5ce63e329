//! A made-up mesh of any size: where its nodes are, what they say, and who looks where.
//!
//! Nodes stand in towns and around them, towns in countries, large ones and small ones as in the
//! world. People look where nodes are. The nodes speak in turns, and the lowest digits of a place
//! say how often its node has spoken before: so whoever sees a position knows when it was due.

use geo::Point;
use meshtastic::protobufs::{
    DeviceMetrics, HardwareModel, PortNum, Position, Telemetry, User, config::device_config::Role,
    telemetry::Variant,
};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    config::Views,
    demo::{
        packets::{EVERYBODY, Frame, Heard, Said, frame},
        random::{Random, stir},
    },
};

const COUNTRIES: usize = 40;
const TOWNS: usize = 1000;
/// Degrees around the middle of a country in which its towns and lonely nodes are: the deviation.
const COUNTRY_DEGREES: f64 = 2.5;
/// The same of the nodes of a town.
const TOWN_DEGREES: f64 = 0.08;
/// How many nodes are in towns.
const TOWN_SHARE: f64 = 0.8;
/// How many nodes move; the others stay, and their receivers wander by a few metres.
const MOVING_SHARE: f64 = 0.4;
/// Gateways, each a topic.
const GATEWAYS: u64 = 200;
/// Units of a place in a degree.
const E7: f64 = 1e7;

/// A rectangle in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct View {
    pub(super) north: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) west: f64,
}

impl View {
    /// Whether a place in units of 1e-7 degrees is in it. It never crosses the antimeridian.
    pub(super) fn holds(&self, (latitude, longitude): (i32, i32)) -> bool {
        let (latitude, longitude) = (f64::from(latitude) / E7, f64::from(longitude) / E7);
        (self.south..=self.north).contains(&latitude)
            && (self.west..=self.east).contains(&longitude)
    }
}

/// The nodes, without what they say.
#[derive(Clone, Debug)]
pub(super) struct Mesh {
    seed: u64,
    homes: Vec<Point<f64>>,
}

impl Mesh {
    /// So many nodes; the same seed makes the same, and a larger mesh begins like a smaller one.
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let mut random = Random::of(seed, 1);
        let countries: Vec<_> = (0..COUNTRIES)
            .map(|_| Point::new(random.between(-150.0, 150.0), random.between(-35.0, 60.0)))
            .collect();
        let around = |random: &mut Random, middle: &Point<f64>, degrees: f64| {
            let wide = degrees / middle.y().to_radians().cos();
            let (east, north) = (random.gauss() * wide, random.gauss() * degrees);
            Point::new(middle.x() + east, middle.y() + north)
        };
        let towns: Vec<_> = (0..TOWNS)
            .map(|_| {
                let country = &countries[by_size(&mut random, COUNTRIES)];
                around(&mut random, country, COUNTRY_DEGREES)
            })
            .collect();
        let homes = (0..nodes).map(|_| {
            if random.chance(TOWN_SHARE) {
                let town = &towns[by_size(&mut random, TOWNS)];
                around(&mut random, town, TOWN_DEGREES)
            } else {
                let country = &countries[by_size(&mut random, COUNTRIES)];
                around(&mut random, country, COUNTRY_DEGREES)
            }
        });
        Self { seed, homes: homes.collect() }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.homes.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.homes.is_empty()
    }

    /// Where the client of this number looks.
    pub(super) fn view(&self, views: Views, client: usize) -> View {
        let mut random = Random::of(self.seed, 2_000_000_000 + client as u64);
        let (tall, wide) = match views {
            Views::World => return View { north: 90.0, south: -90.0, east: 180.0, west: -180.0 },
            Views::Country => (6.0, 8.0),
            Views::City => (0.3, 0.5),
        };
        let size = random.between(0.7, 1.4);
        let (tall, wide) = (tall * size / 2.0, wide * size / 2.0);
        let looked_at =
            if self.is_empty() { Point::new(0.0, 0.0) } else { *random.pick(&self.homes) };
        let latitude = looked_at.y() + random.between(-0.5, 0.5) * tall;
        let longitude = looked_at.x() + random.between(-0.5, 0.5) * wide;
        View {
            north: (latitude + tall).min(90.0),
            south: (latitude - tall).max(-90.0),
            east: (longitude + wide).min(180.0),
            west: (longitude - wide).max(-180.0),
        }
    }

    /// The radio number of a node. Those of neighbours have nothing in common.
    pub(super) fn number(node: usize) -> u32 {
        FIRST_NUMBER + (node as u32).wrapping_mul(STRIDE) % NUMBERS
    }

    /// The node with this radio number.
    pub(super) fn node(&self, number: u32) -> Option<usize> {
        let node = number.checked_sub(FIRST_NUMBER)?.wrapping_mul(STRIDE_BACK) % NUMBERS;
        (number < FIRST_NUMBER + NUMBERS && (node as usize) < self.len()).then_some(node as usize)
    }

    /// Where a node is after it has spoken so often, in units of 1e-7 degrees.
    pub(super) fn place(&self, node: usize, spoken: u64) -> (i32, i32) {
        self.fix(node, spoken).place
    }

    fn fix(&self, node: usize, spoken: u64) -> Fix {
        let mut random = Random::of(self.seed ^ 3, node as u64);
        let home = self.homes[node];
        let moves = random.chance(MOVING_SHARE);
        let wide = 1.0 / home.y().to_radians().cos();
        let (east, north, speed_kmh, track_deg) = if moves {
            // Round and round, some 30 to 150 metres between two positions.
            let radius = random.between(0.005, 0.02);
            let step = random.between(0.000_3, 0.001_4) / radius;
            let angle = random.between(0.0, 360.0_f64).to_radians() + step * spoken as f64;
            let track = (360.0 - angle.to_degrees()).rem_euclid(360.0);
            let speed = random.between(5.0, 90.0) as u32;
            (radius * angle.cos(), radius * angle.sin(), Some(speed), Some(track))
        } else {
            let mut jitter = Random::of(self.seed ^ stir(spoken), node as u64);
            (jitter.gauss() * 0.000_03, jitter.gauss() * 0.000_03, None, None)
        };
        // The lowest 8 bits, less than 3 metres, count.
        let units =
            |degrees: f64, count: u64| ((degrees * E7) as i32 & !0xff) | (count & 0xff) as i32;
        let latitude = units(home.y() + north, spoken);
        let longitude = units(home.x() + east * wide, spoken >> 8);
        let altitude_m = random.between(0.0, 900.0) as i32;
        let sats = 5 + random.below(9) as u32;
        Fix { place: (latitude, longitude), altitude_m, speed_kmh, track_deg, sats }
    }

    /// What a node publishes at `rx_time`, in seconds since 1970, when it has spoken so often.
    pub(super) fn position(&self, node: usize, spoken: u64, rx_time: u32) -> Frame {
        let fix = self.fix(node, spoken);
        let position = Position {
            latitude_i: Some(fix.place.0),
            longitude_i: Some(fix.place.1),
            altitude: Some(fix.altitude_m),
            time: rx_time,
            ground_speed: fix.speed_kmh,
            // Hundredths of a degree, in units of 1e-5 degrees.
            ground_track: fix.track_deg.map(|degrees| (degrees * 100.0) as u32 * 1000),
            sats_in_view: fix.sats,
            precision_bits: 32,
            ..Position::default()
        };
        let payload = position.encode_to_vec();
        self.said(node, (PortNum::PositionApp, payload), 2 + spoken, rx_time)
    }

    /// What a node says of itself: its names and its device.
    pub(super) fn introduction(&self, node: usize, rx_time: u32) -> [Frame; 2] {
        let mut random = Random::of(self.seed ^ 5, node as u64);
        let number = Self::number(node);
        let user = User {
            id: format!("!{number:08x}"),
            long_name: format!("Node {node} {}", random.pick(&["Hill", "Home", "Roof", "Van"])),
            short_name: format!("{:04x}", number & 0xffff),
            hw_model: (*random.pick(&[
                HardwareModel::HeltecV3,
                HardwareModel::Tbeam,
                HardwareModel::Rak4631,
            ]))
            .into(),
            role: (*random.pick(&[Role::Client, Role::Client, Role::Router])).into(),
            ..User::default()
        };
        let metrics = DeviceMetrics {
            battery_level: Some(20 + random.below(82) as u32),
            voltage: Some(3.3 + random.below(90) as f32 / 100.0),
            channel_utilization: Some(random.below(3000) as f32 / 100.0),
            air_util_tx: Some(random.below(500) as f32 / 100.0),
            uptime_seconds: Some(random.below(2_000_000) as u32),
        };
        let telemetry = Telemetry { time: rx_time, variant: Some(Variant::DeviceMetrics(metrics)) };
        [
            self.said(node, (PortNum::NodeinfoApp, user.encode_to_vec()), 0, rx_time),
            self.said(node, (PortNum::TelemetryApp, telemetry.encode_to_vec()), 1, rx_time),
        ]
    }

    /// A packet with this number among those of the node, encrypted.
    fn said(&self, node: usize, said: (PortNum, Vec<u8>), count: u64, rx_time: u32) -> Frame {
        let mut random = Random::of(self.seed ^ 7 ^ stir(count), node as u64);
        let (port, payload) = said;
        // Numbers that a later run with the same nodes does not repeat at once.
        let first = stir(u64::from(rx_time / 3600) ^ stir(node as u64)) as u32;
        let id = first.wrapping_add(count as u32).max(1);
        let from = Self::number(node);
        let (to, hop_start) = (EVERYBODY, 3);
        let packet = Said { from, to, id, hop_start, port, payload, request_id: 0 }.on_air();
        let heard = Heard {
            gateway: (0x2000_0000 + stir(node as u64) % GATEWAYS) as u32,
            rx_time,
            snr_db: random.below(100) as f32 / 4.0 - 15.0,
            rssi_dbm: -40 - random.below(90) as i32,
            hops: random.below(4) as u32,
            relay: 1 + random.below(255) as u32,
        };
        frame(&packet, &heard)
    }
}

struct Fix {
    place: (i32, i32),
    altitude_m: i32,
    speed_kmh: Option<u32>,
    track_deg: Option<f64>,
    sats: u32,
}

/// Radio numbers run from here, over half of all that there are.
const FIRST_NUMBER: u32 = 0x1000_0000;
const NUMBERS: u32 = 1 << 31;
const STRIDE: u32 = 0x9e37_79b1;
/// `STRIDE * STRIDE_BACK` is 1, counted in 32 bits.
const STRIDE_BACK: u32 = inverse(STRIDE);

/// The number that an odd one has to be multiplied with for 1, by Newton's method.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

/// One of so many, the first more often than the last: the largest town has 2 % of the nodes of all.
fn by_size(random: &mut Random, count: usize) -> usize {
    // The inverse of how many are in the towns up to one of size 1 / (rank + 10).
    let all = (count as f64 / 10.0).ln_1p();
    let rank = 10.0 * (random.unit() * all).exp_m1();
    (rank as usize).min(count - 1)
}

/// When which update is due: the nodes speak in turns, so many a second in all.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Timetable {
    /// When the first is due.
    pub(super) start_ns: u64,
    /// How many a second.
    pub(super) rate: u32,
    /// How many nodes.
    pub(super) nodes: usize,
}

impl Timetable {
    /// When the update of this number is due, counted from 0.
    pub(super) fn due_ns(&self, update: u64) -> u64 {
        let ns = u128::from(update) * 1_000_000_000 / u128::from(self.rate);
        self.start_ns + ns as u64
    }

    /// How many are due by `now_ns`.
    pub(super) fn due_by(&self, now_ns: u64) -> u64 {
        let Some(ns) = now_ns.checked_sub(self.start_ns) else { return 0 };
        (u128::from(ns) * u128::from(self.rate) / 1_000_000_000) as u64 + 1
    }

    /// Whose update it is, and how often that node has spoken with it.
    pub(super) fn update(&self, update: u64) -> (usize, u64) {
        let nodes = self.nodes as u64;
        ((update % nodes) as usize, update / nodes + 1)
    }

    /// How often a node has spoken when so many updates are out.
    pub(super) fn spoken(&self, node: usize, updates: u64) -> u64 {
        let nodes = self.nodes as u64;
        updates / nodes + u64::from(updates % nodes > node as u64)
    }

    /// Which update has put a node to this place by `now_ns`; none if that was before the first.
    pub(super) fn update_at(&self, node: usize, place: (i32, i32), now_ns: u64) -> Option<u64> {
        let digits = (place.0 & 0xff) as u64 | ((place.1 & 0xff) as u64) << 8;
        let newest = self.spoken(node, self.due_by(now_ns));
        let spoken = newest.checked_sub(newest.wrapping_sub(digits) & 0xffff)?;
        Some(spoken.checked_sub(1)? * self.nodes as u64 + node as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_makes_the_same_mesh_views_and_packets() {
        let [one, same, other] = [(500, 7), (900, 7), (500, 8)].map(|(n, seed)| Mesh::new(n, seed));
        for node in [0, 7, 499] {
            assert_eq!(one.place(node, 3), same.place(node, 3));
            assert_ne!(one.place(node, 3), other.place(node, 3));
            let at = 1_795_248_060;
            assert_eq!(one.position(node, 3, at), same.position(node, 3, at));
            assert_ne!(one.position(node, 3, at), one.position(node, 4, at));
            assert_eq!(one.introduction(node, at), same.introduction(node, at));
        }
        let again = Mesh::new(500, 7);
        for client in 0..50 {
            let view = one.view(Views::City, client);
            assert_eq!(view, again.view(Views::City, client));
            assert!(view.south < view.north && view.west < view.east, "{view:?}");
        }
    }

    #[test]
    fn people_look_where_nodes_are() {
        let mesh = Mesh::new(10_000, 1);
        let places: Vec<_> = (0..mesh.len()).map(|node| mesh.place(node, 0)).collect();
        let seen = |views, client| {
            let view = mesh.view(views, client);
            places.iter().filter(|place| view.holds(**place)).count()
        };
        let mean = |views| (0..100).map(|client| seen(views, client)).sum::<usize>() / 100;
        let (city, country, world) = (mean(Views::City), mean(Views::Country), mean(Views::World));
        assert!((5..200).contains(&city), "{city}");
        assert!((100..2000).contains(&country), "{country}");
        assert_eq!(world, 10_000);
    }

    #[test]
    fn a_radio_number_names_its_node() {
        let mesh = Mesh::new(20_000, 1);
        let numbers: HashSet<_> = (0..mesh.len()).map(Mesh::number).collect();
        assert_eq!(numbers.len(), mesh.len());
        for node in 0..mesh.len() {
            assert_eq!(mesh.node(Mesh::number(node)), Some(node));
        }
        assert_eq!(mesh.node(0), None);
        assert_eq!(mesh.node(u32::MAX), None);
    }

    #[test]
    fn a_place_tells_which_update_it_is_of() {
        let mesh = Mesh::new(10, 3);
        let timetable = Timetable { start_ns: 5_000_000_000, rate: 1000, nodes: 10 };
        for update in [0, 1, 9, 10, 11, 655_359, 655_360, 1_000_000] {
            let (node, spoken) = timetable.update(update);
            let place = mesh.place(node, spoken);
            for late_ns in [0, 1_000_000, 50_000_000, 10_000_000_000] {
                let now_ns = timetable.due_ns(update) + late_ns;
                assert_eq!(timetable.update_at(node, place, now_ns), Some(update));
            }
            assert_eq!(timetable.spoken(node, update + 1), spoken);
            assert_eq!(timetable.spoken(node, update), spoken - 1);
        }
        // Where they stood before the first.
        assert_eq!(timetable.update_at(4, mesh.place(4, 0), 9_000_000_000), None);
    }
}
