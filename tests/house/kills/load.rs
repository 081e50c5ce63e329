//! What is published while geocast is killed, and what must be known in the end.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use meshtastic::protobufs::{
    DeviceMetrics, Neighbor, NeighborInfo, PortNum, Position, Telemetry, User, telemetry::Variant,
};
use prost::Message;
use serde_json::{Value, json};

use crate::harness::{
    Radio,
    radio::{Publish, now_seconds},
};

const RADIOS: u32 = 24;
const GATEWAYS: u32 = 5;
/// One that speaks last.
const MARKER: u32 = 0xffff;

/// Sender and packet id.
pub(super) type Key = (u32, u32);

/// What a packet leaves in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Name,
    /// In units of 1e-7 degrees.
    Place(i32, i32),
    Battery(u32),
    Text(String),
    Neighbours(Vec<u32>),
}

/// One packet, as it must stand in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) gateways: BTreeSet<u32>,
    /// Seconds since 1970.
    pub(super) heard: u32,
    pub(super) said: Said,
}

/// Packets in rounds. In a round no radio speaks twice, and each round is a second later: however
/// the copies overtake each other, what is newest is the same.
#[derive(Default)]
pub(super) struct Load {
    by_gateway: Vec<Vec<Publish>>,
    pub(super) facts: BTreeMap<Key, Fact>,
    /// Every node as it must be shown.
    pub(super) records: BTreeMap<String, Value>,
}

impl Load {
    /// At least so many packets.
    pub(super) fn new(rng: &mut Rng, packets: usize) -> Self {
        let mut load = Self { by_gateway: vec![Vec::new(); GATEWAYS as usize], ..Self::default() };
        let rounds = packets.div_ceil(RADIOS as usize / 2) + 5;
        // Not later than the server's clock, and not a day ago, where clocks are not believed.
        let rounds_seconds = u32::try_from(rounds).unwrap();
        assert!(rounds_seconds < 20 * 3600, "so long a load would seem to come from a wrong clock");
        let begin = now_seconds() - rounds_seconds - 60;
        for (round, now) in (0..rounds).zip(begin..) {
            for radio in 1..=RADIOS {
                // At first everybody says everything.
                let kind = if round < 5 { round } else { rng.usize(0..5) };
                if round < 5 || rng.bool() {
                    load.speak(rng, radio, kind, now);
                }
            }
        }
        load
    }

    /// What each gateway is to publish, in order.
    pub(super) fn take(&mut self) -> Vec<Vec<Publish>> {
        self.by_gateway.iter_mut().map(std::mem::take).collect()
    }

    /// One more node speaks, and is named.
    pub(super) fn mark(&mut self, rng: &mut Rng) -> String {
        self.speak(rng, MARKER, 0, now_seconds());
        Radio(MARKER).id()
    }

    fn speak(&mut self, rng: &mut Rng, radio: u32, kind: usize, now: u32) {
        let said = match kind {
            0 => Said::Name,
            1 => Said::Place(
                rng.i32(-900_000_000..=900_000_000),
                rng.i32(-1_800_000_000..1_800_000_000),
            ),
            2 => Said::Battery(rng.u32(0..=101)),
            3 => Said::Text(format!("number {}", self.facts.len())),
            _ => Said::Neighbours(
                (1..=RADIOS).filter(|id| *id != radio && rng.u8(0..8) == 0).collect(),
            ),
        };
        let id = loop {
            let id = rng.u32(1..);
            if !self.facts.contains_key(&(radio, id)) {
                break id;
            }
        };
        let (port, payload) = said.payload(radio, id, now);
        let first = rng.u32(0..GATEWAYS);
        let copies = 1 + rng.u32(0..GATEWAYS - 1).min(rng.u32(0..GATEWAYS));
        let gateways: BTreeSet<u32> =
            (first..first + copies).map(|gateway| gateway % GATEWAYS).collect();
        for gateway in &gateways {
            let copy = Radio(radio).packet(gateway_id(*gateway), id, now, port, &payload);
            self.by_gateway[*gateway as usize].push(copy);
        }
        self.show(radio, id, now, &said);
        self.facts.insert((radio, id), Fact { gateways, heard: now, said });
    }

    fn show(&mut self, radio: u32, id: u32, now: u32, said: &Said) {
        let millis = u64::from(now) * 1000;
        let record = self.records.entry(Radio(radio).id()).or_insert_with(|| {
            json!({ "id": Radio(radio).id(), "network": "meshtastic", "channel": "LongFast", "online": true })
        });
        record["lastHeard"] = millis.into();
        match said {
            Said::Name => {
                record["longName"] = long_name(id).into();
                record["shortName"] = "R".into();
                record["hwModel"] = "UNSET".into();
                record["role"] = "CLIENT".into();
            }
            Said::Place(latitude, longitude) => {
                record["position"] = json!({
                    "latitude": f64::from(*latitude) / 1e7,
                    "longitude": f64::from(*longitude) / 1e7,
                    "time": millis,
                    "precisionBits": 32,
                });
            }
            Said::Battery(level) => {
                record["telemetry"] = json!({ "batteryLevel": level, "time": millis });
            }
            Said::Text(_) => {}
            Said::Neighbours(ids) => {
                let link = |id: &u32| json!({ "id": Radio(*id).id(), "snr": 5.25, "time": millis });
                record["links"] = ids.iter().map(link).collect();
            }
        }
        // Through text and back, as what comes over the wire does.
        *record = serde_json::from_str(&record.to_string()).unwrap();
    }
}

impl Said {
    fn payload(&self, radio: u32, id: u32, now: u32) -> (PortNum, Vec<u8>) {
        match self {
            Self::Name => {
                let user = User {
                    long_name: long_name(id),
                    short_name: "R".to_owned(),
                    ..User::default()
                };
                (PortNum::NodeinfoApp, user.encode_to_vec())
            }
            Self::Place(latitude, longitude) => {
                let position = Position {
                    latitude_i: Some(*latitude),
                    longitude_i: Some(*longitude),
                    precision_bits: 32,
                    time: now,
                    ..Position::default()
                };
                (PortNum::PositionApp, position.encode_to_vec())
            }
            Self::Battery(level) => {
                let metrics =
                    DeviceMetrics { battery_level: Some(*level), ..DeviceMetrics::default() };
                let telemetry =
                    Telemetry { time: now, variant: Some(Variant::DeviceMetrics(metrics)) };
                (PortNum::TelemetryApp, telemetry.encode_to_vec())
            }
            Self::Text(text) => (PortNum::TextMessageApp, text.as_bytes().to_vec()),
            Self::Neighbours(ids) => {
                let heard = |node_id: &u32| Neighbor {
                    node_id: *node_id,
                    snr: 5.25,
                    ..Neighbor::default()
                };
                let list = NeighborInfo {
                    node_id: radio,
                    neighbors: ids.iter().map(heard).collect(),
                    ..NeighborInfo::default()
                };
                (PortNum::NeighborinfoApp, list.encode_to_vec())
            }
        }
    }
}

fn long_name(id: u32) -> String {
    format!("Radio \"{id}\" <b>é</b>")
}

pub(super) fn gateway_id(gateway: u32) -> u32 {
    0x6a7e_0001 + gateway
}
