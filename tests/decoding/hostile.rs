//! Whatever the bytes are, they are read or refused.

use geocast::ingest::{Decode as _, Decoder, Refusal};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{ARRIVED, bytes, decoder, fixtures as made};

const TOPICS: [&str; 3] =
    ["msh/2/e/LongFast/!0badcafe", "msh/US/2/map/", "msh/2/json/LongFast/!0badcafe"];

const GOOD: [&str; 14] = [
    made::POSITION,
    made::DECODED_POSITION,
    made::NODE_INFO,
    made::DEVICE,
    made::ENVIRONMENT,
    made::AIR_QUALITY,
    made::HOST,
    made::PAX,
    made::TEXT,
    made::WAYPOINT,
    made::NEIGHBOURS,
    made::TRACE_REQUEST,
    made::TRACE_REPLY,
    made::MAP_REPORT,
];

const JSON: &str = r#"{"channel":8,"from":2712847316,"hop_start":3,"hops_away":1,"id":305419896,
"payload":{"altitude":42,"latitude_i":479526912,"longitude_i":671416320,"neighbors":[{"node_id":1,
"snr":2}],"text":"x","voltage":3.9,"name":"y"},"rssi":-88,"sender":"!0badcafe","snr":6.25,
"timestamp":1795176000,"to":4294967295,"type":"position"}"#;

fn openers() -> Decoder {
    decoder(&["LongFast=", "Hill=AQIDBAUGBwgJCgsMDQ4PEA==", "LongFast=AQI="])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(topic in select(&TOPICS[..]), payload in vec(any::<u8>(), 0..300)) {
        let _ = openers().decode(topic, &payload, ARRIVED);
    }

    #[test]
    fn random_topics_never_panic(topic in "(msh/)?(2|/|e|map|json|!|[a-f0-9]{8}|🛰|PKI){0,8}") {
        let _ = openers().decode(&topic, &bytes(made::POSITION), ARRIVED);
    }

    #[test]
    fn a_cut_envelope_is_refused_unless_it_still_holds_its_packet(
        good in select(&GOOD[..]),
        cut in any::<prop::sample::Index>(),
    ) {
        let good = bytes(good);
        let cut = &good[..cut.index(good.len())];
        for topic in TOPICS {
            if let Ok(report) = openers().decode(topic, cut, ARRIVED) {
                prop_assert_eq!(Ok(report), openers().decode(topic, &good, ARRIVED));
            }
        }
    }

    #[test]
    fn flipped_bits_never_panic(
        good in select(&GOOD[..]),
        flips in vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
    ) {
        let mut damaged = bytes(good);
        for (at, bit) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= 1 << bit;
        }
        for topic in TOPICS {
            if let Ok(report) = openers().decode(topic, &damaged, ARRIVED) {
                prop_assert!(report.patch.heard <= ARRIVED.plus(std::time::Duration::from_mins(5)));
            }
        }
    }

    #[test]
    fn damaged_json_never_panics(
        kind in select(&["text", "position", "nodeinfo", "waypoint", "telemetry", "neighborinfo"][..]),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut json = JSON.replace(r#""type":"position""#, &format!(r#""type":"{kind}""#)).into_bytes();
        for (at, byte) in changes {
            let at = at.index(json.len());
            json[at] = byte;
        }
        let _ = openers().decode(TOPICS[2], &json, ARRIVED);
    }

    #[test]
    fn random_numbers_in_json_never_panic(number in any::<f64>(), whole in any::<i64>()) {
        for kind in ["position", "nodeinfo", "waypoint", "telemetry", "neighborinfo", "text"] {
            for number in [number.to_string(), whole.to_string(), "\"x\"".to_owned()] {
                let fields = ["latitude_i", "longitude_i", "altitude", "hardware", "role", "id",
                    "ground_speed", "precision_bits", "time", "voltage", "battery_level", "expire"];
                let fields = fields.map(|name| format!(r#""{name}":{number}"#)).join(",");
                let json = format!(
                    r#"{{"from":7,"to":{number},"id":{number},"snr":{number},"rssi":{number},
                    "timestamp":{number},"hop_start":{number},"hops_away":{number},"type":"{kind}",
                    "payload":{{{fields},"neighbors":[{{"node_id":{number},"snr":{number}}}]}}}}"#
                );
                let _ = openers().decode(TOPICS[2], json.as_bytes(), ARRIVED);
            }
        }
    }
}

#[test]
fn deeply_nested_json_is_refused() {
    let json = format!(r#"{{"from":1,"type":"text","payload":{}"#, "[".repeat(100_000));
    assert_eq!(openers().decode(TOPICS[2], json.as_bytes(), ARRIVED), Err(Refusal::Malformed));
}

#[test]
fn lists_longer_than_a_radio_sends_are_cut() {
    let neighbours: Vec<_> =
        (1..=10_000).map(|id| format!(r#"{{"node_id":{id},"snr":1}}"#)).collect();
    let json = format!(
        r#"{{"from":99999,"type":"neighborinfo","payload":{{"neighbors":[{}]}}}}"#,
        neighbours.join(",")
    );
    let report = openers().decode(TOPICS[2], json.as_bytes(), ARRIVED).unwrap();
    assert_eq!(report.links.len(), 64);
}
