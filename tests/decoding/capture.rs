//! A capture of a real mesh against what a consumer of it must know at the end.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::PathBuf,
};

use geocast::{
    domain::{Metric, NodeId, PacketKey, Patch, Timestamp},
    ingest::{Decode as _, Refusal},
};
use serde_json::Value;

use super::decoder;

const MAGIC: &[u8] = b"MSHPK001";
/// The capture ends before this: 2026-01-01.
const ARRIVED: Timestamp = Timestamp::from_seconds(1_767_225_600);

struct Capture {
    /// Topic and payload of each publish, in order.
    publishes: Vec<(String, Vec<u8>)>,
    truth: Value,
}

/// The capture and its truth; none where they are not at hand, as in a checkout of this alone.
fn capture() -> Option<Capture> {
    let shared = std::env::var_os("GEOCAST_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    let path = shared.join("data/real-mesh.mpk");
    let Ok(records) = fs::read(&path) else {
        #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
        {
            eprintln!("skipped: there is no capture at {}", path.display());
        }
        return None;
    };
    let truth = fs::read_to_string(path.with_extension("json")).unwrap();
    let mut rest = records.strip_prefix(MAGIC).unwrap();
    let mut publishes = Vec::new();
    while !rest.is_empty() {
        let topic_bytes = u16::from_le_bytes([rest[4], rest[5]]).into();
        let payload_bytes = u32::from_le_bytes([rest[6], rest[7], rest[8], rest[9]]);
        let (topic, after) = rest[10..].split_at(topic_bytes);
        let (payload, after) = after.split_at(payload_bytes.try_into().unwrap());
        publishes.push((String::from_utf8(topic.to_vec()).unwrap(), payload.to_vec()));
        rest = after;
    }
    Some(Capture { publishes, truth: serde_json::from_str(&truth).unwrap() })
}

/// What the packets of one node add up to, in the form of the truth.
#[derive(Default)]
struct Sum {
    user: Option<Value>,
    position: Option<Value>,
    positions: u64,
    telemetry: u64,
    battery: Option<Value>,
    neighbors: Option<Value>,
}

impl Sum {
    fn add(&mut self, patch: &Patch) {
        let info = &patch.info;
        if info.hw_model.is_some() {
            self.user = Some(serde_json::json!([info.long_name, info.short_name, info.hw_model]));
        }
        if let Some(position) = patch.position {
            self.positions += 1;
            let time =
                if position.stamp.own_clock { position.stamp.time.as_millis() / 1000 } else { 0 };
            self.position = Some(serde_json::json!([
                position.place.latitude_e7(),
                position.place.longitude_e7(),
                position.altitude_m.unwrap_or_default(),
                position.precision_bits,
                time
            ]));
        }
        if let Some(readings) = &patch.telemetry {
            self.telemetry += 1;
            let battery =
                readings.values.iter().find(|(metric, _)| *metric == Metric::BatteryLevel);
            if let Some((_, level)) = battery {
                self.battery = Some(serde_json::json!(level));
            }
        }
        if let Some(links) = &patch.links {
            let ids = links.neighbours.iter().map(|link| link.id.to_string());
            self.neighbors = Some(ids.collect());
        }
    }
}

#[test]
fn a_real_mesh_is_read_to_the_last_packet() {
    let Some(Capture { publishes, truth }) = capture() else { return };
    assert_eq!(publishes.len() as u64, truth["published"].as_u64().unwrap());
    let decoder = decoder(&[]);
    let mut read = HashSet::<PacketKey>::new();
    let mut unread = HashSet::new();
    let mut sums = HashMap::<NodeId, Sum>::new();
    for (topic, payload) in &publishes {
        match decoder.decode(topic, payload, ARRIVED) {
            Ok(report) => {
                if read.insert(report.packet.key) {
                    sums.entry(report.patch.node.clone()).or_default().add(&report.patch);
                }
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::NoKey, "{topic}");
                unread.insert(sender_and_number(payload));
            }
        }
    }
    assert_eq!(unread.len() as u64, truth["undecryptable"].as_u64().unwrap());
    assert_eq!((read.len() + unread.len()) as u64, truth["unique"].as_u64().unwrap());

    for (id, known) in truth["nodes"].as_object().unwrap() {
        let sum = sums.remove(&id.parse().unwrap()).unwrap_or_default();
        let known = |field: &str| known.get(field).cloned();
        assert_eq!(sum.user, known("user"), "{id}");
        assert_eq!(sum.position, known("position"), "{id}");
        assert_eq!(sum.positions, known("positions").map_or(0, |n| n.as_u64().unwrap()), "{id}");
        assert_eq!(sum.telemetry, known("telemetry").map_or(0, |n| n.as_u64().unwrap()), "{id}");
        let battery = known("battery").map(|level| level.as_f64().unwrap());
        assert_eq!(sum.battery.map(|level| level.as_f64().unwrap()), battery, "{id}");
        assert_eq!(
            sum.neighbors.as_ref().map(sorted),
            known("neighbors").as_ref().map(sorted),
            "{id}"
        );
    }
    assert!(sums.is_empty(), "nodes that are not there: {:?}", sums.keys());
}

fn sender_and_number(payload: &[u8]) -> (u32, u32) {
    use meshtastic::protobufs::ServiceEnvelope;
    use prost::Message;
    let packet = ServiceEnvelope::decode(payload).unwrap().packet.unwrap();
    (packet.from, packet.id)
}

fn sorted(list: &Value) -> Vec<String> {
    let mut list: Vec<_> = list.as_array().unwrap().iter().map(ToString::to_string).collect();
    list.sort();
    list
}
