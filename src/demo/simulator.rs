//! From "this node speaks about that now" to the MQTT messages of the gateways that hear it.

use std::time::Duration;

use meshtastic::protobufs::{
    Neighbor, NeighborInfo, PortNum, Position, RouteDiscovery, Telemetry, Waypoint,
    telemetry::Variant,
};
use prost::Message;

use super::{
    accounts,
    model::{Node, Population},
    names,
    numbers::{count, low_half, short, whole},
    packets::{EVERYBODY, Frame, Heard, Said, frame},
    random::{Random, stir},
    readings,
    schedule::{Event, Schedule, Subject, past},
};
use crate::domain::Timestamp;

/// How many gateways hear a packet: at least and at most.
const COPIES: (usize, usize) = (2, 4);

/// How many nodes a node may list as its neighbours.
const NEIGHBOURS: usize = 8;

/// How long a mark on the map stays.
const MARKED_SECONDS: u32 = 8 * 3600;

/// A message and the index of the gateway that publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Counted from 0; below the number of gateways.
    pub gateway: usize,
    /// What it publishes.
    pub frame: Frame,
}

/// The whole mesh, without a network or a clock.
#[derive(Clone, Debug)]
pub struct Simulator {
    population: Population,
    schedule: Schedule,
    seed: u64,
    start: Timestamp,
    /// By how much the dates in its packets are later than what it says happens.
    dated_later: Duration,
    /// The last packet number of each node.
    packet_ids: Vec<u32>,
}

impl Simulator {
    /// A mesh of `population` that begins to speak at `start`.
    pub fn new(population: Population, seed: u64, start: Timestamp) -> Self {
        // A mesh that is started again does not repeat its packet numbers.
        let mut random = Random::of(seed, start.as_millis().unsigned_abs());
        let packet_ids = population.nodes.iter().map(|_| low_half(random.draw())).collect();
        let schedule = Schedule::new(&population, seed, start);
        Self { population, schedule, seed, start, dated_later: Duration::ZERO, packet_ids }
    }

    /// The same mesh, saying the same, but dating it so much later.
    #[must_use]
    pub fn dated_later(self, dated_later: Duration) -> Self {
        Self { dated_later, ..self }
    }

    /// Who is in the mesh.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// What was said before the start, oldest first.
    pub fn past(&self) -> Vec<Event> {
        past(&self.population, self.seed, self.start)
    }

    /// What is due at `now`, in order of time.
    pub fn next(&mut self, now: Timestamp) -> Vec<Event> {
        self.schedule.next(now)
    }

    /// The messages that one event makes: one from each gateway that hears it. From before the
    /// start, only the closest gateway's is kept.
    pub fn publish(&mut self, event: &Event) -> Vec<Publication> {
        let map_report = event.subject == Subject::MapReport;
        let id = if map_report { 0 } else { self.packet_id(event.node) };
        let moment = stir(event.at.as_millis().unsigned_abs()) ^ u64::from(id);
        let mut random = Random::of(self.seed ^ moment, u64::from(self.node(event).number));
        let Some((to, port, payload)) = self.content(event, &mut random) else {
            return Vec::new();
        };
        let hop_start = *random.pick(&[3, 3, 3, 5, 7]);
        let answers = event.subject == Subject::Traceroute;
        let request_id = if answers { low_half(random.draw()) } else { 0 };
        let from = self.node(event).number;
        let packet = Said { from, to, id, hop_start, port, payload, request_id }.on_air();
        let copies = match event {
            _ if map_report => 1,
            event if event.at < self.start => 1,
            _ => COPIES.0 + random.below(COPIES.1 - COPIES.0 + 1),
        };
        let place = self.node(event).at(event.at).place;
        let gateways = self.population.closest(place, self.population.gateways, event.at, copies);
        gateways
            .into_iter()
            .map(|(gateway, metres)| {
                let heard = self.heard(event, gateway, metres / 1000.0, hop_start, &mut random);
                Publication { gateway, frame: frame(&packet, &heard) }
            })
            .collect()
    }

    /// How its packets state a time: in seconds since 1970, as radios count them until 2106.
    fn date(&self, time: Timestamp) -> u32 {
        u32::try_from(time.plus(self.dated_later).as_millis() / 1000).unwrap_or_default()
    }

    fn node(&self, event: &Event) -> &Node {
        &self.population.nodes[event.node]
    }

    /// The next number of a packet by this node; 0 is none.
    fn packet_id(&mut self, node: usize) -> u32 {
        let id = &mut self.packet_ids[node];
        *id = id.wrapping_add(1).max(1);
        *id
    }

    /// How a gateway hears a packet over so many kilometres. Its own it does not hear: it has it.
    fn heard(
        &self,
        event: &Event,
        gateway: usize,
        kilometres: f64,
        hop_start: u32,
        random: &mut Random,
    ) -> Heard {
        let number = self.population.nodes[gateway].number;
        let rx_time = self.date(event.at);
        let relayed = Heard {
            gateway: number,
            rx_time,
            snr_db: 0.0,
            rssi_dbm: 0,
            hops: 0,
            relay: number & 0xff,
        };
        if gateway == event.node {
            return relayed;
        }
        let hops = count(kilometres / 12.0 + random.between(-0.4, 0.9)).min(hop_start);
        let last_hop_km = kilometres / f64::from(hops + 1);
        let snr_db = (11.0 - 0.7 * last_hop_km + 2.0 * random.gauss()).clamp(-19.5, 12.0);
        let rssi_dbm = (-58.0 - 4.5 * last_hop_km + 5.0 * random.gauss()).clamp(-134.0, -28.0);
        Heard {
            snr_db: short((snr_db * 4.0).round() / 4.0),
            rssi_dbm: whole(rssi_dbm),
            hops,
            relay: if hops == 0 {
                self.node(event).number & 0xff
            } else {
                low_half(random.draw()) & 0xff
            },
            ..relayed
        }
    }

    /// To whom, the port and the encoded content of what a node says; none when it has nothing to
    /// say.
    fn content(&self, event: &Event, random: &mut Random) -> Option<(u32, PortNum, Vec<u8>)> {
        let (node, at) = (self.node(event), event.at);
        let telemetry = |variant| {
            let telemetry = Telemetry { time: self.date(at), variant: Some(variant) };
            (EVERYBODY, PortNum::TelemetryApp, telemetry.encode_to_vec())
        };
        Some(match event.subject {
            Subject::Info => {
                (EVERYBODY, PortNum::NodeinfoApp, accounts::user(node).encode_to_vec())
            }
            Subject::Position => {
                let position =
                    Position { time: self.date(at), ..accounts::position(node, at, random) };
                (EVERYBODY, PortNum::PositionApp, position.encode_to_vec())
            }
            Subject::Device => telemetry(Variant::DeviceMetrics(readings::device(node, at))),
            Subject::LocalStats => telemetry(Variant::LocalStats(readings::local_stats(node, at))),
            Subject::Environment => {
                telemetry(Variant::EnvironmentMetrics(readings::environment(node, at)))
            }
            Subject::Power => telemetry(Variant::PowerMetrics(readings::power(node, at))),
            Subject::AirQuality => {
                telemetry(Variant::AirQualityMetrics(readings::air_quality(node, at)))
            }
            Subject::Health => telemetry(Variant::HealthMetrics(readings::health(node, at))),
            Subject::Crowd => {
                (EVERYBODY, PortNum::PaxcounterApp, readings::crowd(node, at).encode_to_vec())
            }
            Subject::Neighbours => {
                let neighbours = self.neighbours(event, random);
                (EVERYBODY, PortNum::NeighborinfoApp, neighbours.encode_to_vec())
            }
            Subject::Traceroute => {
                let (asker, way) = self.way(event, random)?;
                (asker, PortNum::TracerouteApp, way.encode_to_vec())
            }
            Subject::Text => {
                (EVERYBODY, PortNum::TextMessageApp, names::phrase(random).as_bytes().to_vec())
            }
            Subject::Waypoint => {
                let expire = self.date(at) + MARKED_SECONDS;
                let waypoint = Waypoint { expire, ..accounts::waypoint(node, at, random) };
                (EVERYBODY, PortNum::WaypointApp, waypoint.encode_to_vec())
            }
            Subject::MapReport => (
                EVERYBODY,
                PortNum::MapReportApp,
                accounts::map_report(node, random).encode_to_vec(),
            ),
        })
    }

    fn neighbours(&self, event: &Event, random: &mut Random) -> NeighborInfo {
        let node = self.node(event);
        let count = self.population.nodes.len();
        let place = node.at(event.at).place;
        let closest = self.population.closest(place, count, event.at, NEIGHBOURS * 2);
        let mut neighbors = Vec::new();
        for (other, metres) in closest {
            let heard = metres < 25_000.0 && random.chance(0.6) && neighbors.len() < NEIGHBOURS;
            let other = &self.population.nodes[other];
            if heard && other.number != node.number && other.silent_for.is_none() {
                let snr = 11.0 - 0.7 * metres / 1000.0 + 2.0 * random.gauss();
                let snr = short((snr.clamp(-19.5, 12.0) * 4.0).round() / 4.0);
                neighbors.push(Neighbor { node_id: other.number, snr, ..Neighbor::default() });
            }
        }
        NeighborInfo {
            node_id: node.number,
            last_sent_by_id: node.number,
            node_broadcast_interval_secs: 14_400,
            neighbors,
        }
    }

    /// Who asked for the way to a node, and the answer: over up to three gateways near both.
    fn way(&self, event: &Event, random: &mut Random) -> Option<(u32, RouteDiscovery)> {
        let node = self.node(event);
        let place = node.at(event.at).place;
        let near = self.population.closest(place, self.population.nodes.len(), event.at, 40);
        let (asker, _) = *random.pick(&near);
        let asker = self.population.nodes[asker].number;
        if asker == node.number {
            return None;
        }
        let gateways = self.population.closest(place, self.population.gateways, event.at, 3);
        let hops = random.below(gateways.len() + 1);
        let route: Vec<u32> = gateways
            .iter()
            .take(hops)
            .map(|(gateway, _)| self.population.nodes[*gateway].number)
            .filter(|number| *number != node.number && *number != asker)
            .collect();
        // In quarters of a dB, one more than there are relays.
        let mut heard = || whole(random.between(-60.0, 44.0));
        let snr_towards = (0..=route.len()).map(|_| heard()).collect();
        let snr_back = (0..=route.len()).map(|_| heard()).collect();
        let route_back = route.iter().rev().copied().collect();
        Some((asker, RouteDiscovery { route, snr_towards, route_back, snr_back }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{HashMap, HashSet},
        time::Duration,
    };

    use meshtastic::protobufs::{MeshPacket, ServiceEnvelope};

    use super::*;
    use crate::demo::routes::Region;

    const START: Timestamp = Timestamp::from_seconds(1_795_176_000);

    fn simulator(seed: u64) -> Simulator {
        let population = Population::new(&Region::rhine().unwrap(), 300, seed);
        Simulator::new(population, seed, START)
    }

    /// Everything of the past and of the first minute.
    fn first_minute(seed: u64) -> Vec<(Event, Vec<Publication>)> {
        let mut simulator = simulator(seed);
        let mut events = simulator.past();
        let ticks = (1..=600).map(|tick| START.plus(Duration::from_millis(tick * 100)));
        events.extend(ticks.flat_map(|now| simulator.next(now)).collect::<Vec<_>>());
        events.into_iter().map(|event| (event, simulator.publish(&event))).collect()
    }

    fn packet(publication: &Publication) -> MeshPacket {
        ServiceEnvelope::decode(publication.frame.payload.as_slice()).unwrap().packet.unwrap()
    }

    #[test]
    fn the_same_seed_says_the_same_to_the_byte() {
        assert_eq!(first_minute(4), first_minute(4));
        assert_ne!(first_minute(4), first_minute(5));
    }

    #[test]
    fn no_sender_uses_a_packet_number_twice_and_all_copies_share_theirs() {
        let mut seen = HashSet::new();
        for (event, copies) in first_minute(1) {
            let keys: HashSet<(u32, u32)> =
                copies.iter().map(packet).map(|packet| (packet.from, packet.id)).collect();
            assert!(keys.len() <= 1, "{event:?}");
            for key in keys.into_iter().filter(|(_, id)| *id != 0) {
                assert!(seen.insert(key), "{event:?} repeats {key:?}");
            }
        }
        assert!(seen.len() > 6000, "{}", seen.len());
    }

    #[test]
    fn a_live_packet_comes_through_two_to_four_gateways_and_each_hears_it_differently() {
        for (event, copies) in first_minute(1) {
            let gateways: HashSet<usize> = copies.iter().map(|copy| copy.gateway).collect();
            assert_eq!(gateways.len(), copies.len());
            if event.subject == Subject::MapReport || event.at < START {
                assert!(copies.len() <= 1);
            } else if event.subject != Subject::Traceroute {
                assert!((2..=4).contains(&copies.len()), "{event:?}: {}", copies.len());
            }
            for packet in copies.iter().map(packet) {
                assert!(packet.hop_limit <= packet.hop_start);
                assert!((-20.0..=12.0).contains(&packet.rx_snr) && packet.rx_rssi <= 0);
            }
        }
    }

    #[test]
    fn everything_is_said_and_no_message_is_larger_than_a_radio_sends() {
        let mut said: HashMap<String, usize> = HashMap::new();
        for (event, copies) in first_minute(1) {
            *said.entry(format!("{:?}", event.subject)).or_default() += 1;
            for copy in copies {
                assert!(
                    copy.frame.payload.len() < 320,
                    "{event:?} of {}",
                    copy.frame.payload.len()
                );
            }
        }
        assert_eq!(said.len(), 14, "{said:?}");
    }
}
