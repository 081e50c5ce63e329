//! What a gateway publishes: a line with the topic, then the payload.
//!
//! What is read goes on its way: into a world, and out again as the frames of a client.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use geocast::{
    broadcast::{Encoder as _, Encoding, View},
    domain::{
        Lifetimes, Link, LinkObservation, MessageTypes, Place, Report, Sight, SightKind, Timestamp,
        World,
    },
    http::TickEncoder,
    ingest::{ChannelKey, ChannelKeys, Decode as _, Decoder},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const ARRIVED: Timestamp = Timestamp::from_seconds(1_795_176_002);
const LONG: Duration = Duration::from_hours(48);
const LIFETIMES: Lifetimes =
    Lifetimes { offline_after: LONG, forget_after: LONG, tombstones: LONG };

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let keys = ["LongFast=", "Hill=AQIDBAUGBwgJCgsMDQ4PEA==", "LongFast=AQI="];
    Decoder::new(ChannelKeys::new(keys.map(|key| ChannelKey::parse(key).expect("a key"))))
});

fuzz_target!(|message: &[u8]| {
    let Some(end) = message.iter().position(|byte| *byte == b'\n') else { return };
    let (topic, payload) = (&message[..end], &message[end + 1..]);
    let Ok(topic) = str::from_utf8(topic) else { return };
    let Ok(report) = DECODER.decode(topic, payload, ARRIVED) else { return };
    assert_eq!(DECODER.decode(topic, payload, ARRIVED).as_ref(), Ok(&report), "read again");
    check(&report);
    show(&report);
});

/// What everybody behind the decoder relies on.
fn check(report: &Report) {
    let patch = &report.patch;
    assert!(patch.heard <= ARRIVED && patch.heard >= ARRIVED.minus(LONG), "{:?}", patch.heard);
    if let Some(position) = patch.position {
        check_place(position.place);
        assert!(position.ground_speed_kmh.is_none_or(f32::is_finite));
        assert!(position.ground_track_deg.is_none_or(f32::is_finite));
        assert!(position.precision_bits.is_none_or(|bits| matches!(bits, 1..=32)));
    }
    if let Some(readings) = &patch.telemetry {
        assert!(readings.values.iter().all(|(_, value)| value.is_finite()), "{readings:?}");
    }
    let waypoint = patch.message.as_ref().and_then(|message| message.waypoint.as_ref());
    waypoint.into_iter().for_each(|waypoint| check_place(waypoint.place));
    let listed = patch.links.as_ref().map_or(&[][..], |links| &links.neighbours);
    let finite = |snr: Option<f32>| snr.is_none_or(f32::is_finite);
    assert!(listed.iter().all(|Link { snr_db, .. }| finite(*snr_db)), "{listed:?}");
    assert!(report.links.iter().all(|LinkObservation { snr_db, .. }| finite(*snr_db)));
    assert!(finite(report.reception.snr_db));
}

fn check_place(place: Place) {
    assert!(place.latitude().abs() <= 90.0 && place.longitude().abs() <= 180.0, "{place:?}");
}

/// Clients that see everything are told of the node, in frames that can be read.
fn show(report: &Report) {
    let mut world = World::new(LIFETIMES);
    world.apply(&report.patch, ARRIVED);
    let batch = world.seal().expect("a node that was never heard of is news");
    let sights = [Sight { change: 0, kind: SightKind::Enter }];
    let messages: Vec<_> = (0..).zip(&batch.messages).map(|(index, _)| index).collect();
    let frames = |encoding| {
        let view = View {
            encoding,
            types: MessageTypes::ALL,
            sights: &sights,
            messages: &messages,
            cells: &[],
        };
        TickEncoder::default().encode(&batch, &view)
    };
    let read = |bytes| serde_json::from_slice::<Value>(bytes).expect("frames are JSON");
    let texts: Vec<_> = frames(Encoding::Json).iter().map(|frame| read(&frame.rest)).collect();
    let entered = texts.iter().find(|frame| frame["type"] == "node_enter").expect("it entered");
    assert_eq!(entered["nodes"][0]["id"], report.patch.node.to_string());
    assert_eq!(frames(Encoding::Proto).len(), texts.len());
}
