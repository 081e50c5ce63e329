//! Lying clocks, missing numbers, places that are none: packets as only some radios send them.

use geocast::{
    domain::{NodeId, Stamp, Timestamp},
    ingest::{Decode as _, Refusal},
};
use meshtastic::protobufs::{
    Data, HardwareModel, MeshPacket, PortNum, Position, ServiceEnvelope, Telemetry, User,
    mesh_packet::PayloadVariant,
};
use proptest::prelude::*;
use prost::Message;

use super::{ARRIVED, GATEWAY, HEARD, decoder};

const NOW: u32 = 1_795_176_002;
const DAY: u32 = 86_400;
const YEAR_2020: u32 = 1_577_836_800;

/// A packet that only says that its sender was heard just now.
fn packet(port: PortNum, payload: Vec<u8>) -> MeshPacket {
    let data = Data { portnum: port.into(), payload, ..Default::default() };
    let payload_variant = Some(PayloadVariant::Decoded(data));
    MeshPacket {
        from: 1,
        to: u32::MAX,
        id: 2,
        rx_time: NOW - 2,
        payload_variant,
        ..Default::default()
    }
}

fn decode(packet: MeshPacket) -> Result<geocast::domain::Report, Refusal> {
    let channel_id = "LongFast".to_owned();
    let gateway_id = "!0000000f".to_owned();
    let envelope = ServiceEnvelope { packet: Some(packet), channel_id, gateway_id };
    let topic = "msh/2/e/LongFast/!0badcafe";
    decoder(&[]).decode(topic, &envelope.encode_to_vec(), ARRIVED)
}

fn somewhere() -> Position {
    Position {
        latitude_i: Some(1),
        longitude_i: Some(-1),
        precision_bits: 32,
        ..Default::default()
    }
}

fn position(position: &Position) -> Result<geocast::domain::Position, Refusal> {
    let report = decode(packet(PortNum::PositionApp, position.encode_to_vec()))?;
    Ok(report.patch.position.unwrap())
}

#[test]
fn the_gateway_of_the_topic_counts() {
    let report = decode(packet(PortNum::PositionApp, somewhere().encode_to_vec())).unwrap();
    assert_eq!(report.reception.gateway, GATEWAY);
}

#[test]
fn a_packet_was_heard_when_its_gateway_says_if_that_can_be() {
    let heard = |rx_time| {
        let packet = packet(PortNum::PositionApp, somewhere().encode_to_vec());
        decode(MeshPacket { rx_time, ..packet }).unwrap().patch.heard
    };
    for rx_time in [NOW - DAY, NOW - 1, NOW] {
        assert_eq!(heard(rx_time), Timestamp::from_seconds(rx_time));
    }
    for rx_time in [0, 1, NOW - DAY - 1, NOW + 3, u32::MAX] {
        assert_eq!(heard(rx_time), ARRIVED);
    }
}

#[test]
fn a_position_has_its_own_time_if_that_can_be() {
    let stamp =
        |time, timestamp| position(&Position { time, timestamp, ..somewhere() }).unwrap().stamp;
    for time in [YEAR_2020, NOW - 400 * DAY, NOW, NOW + 300] {
        assert_eq!(stamp(time, 0), Stamp::dated(Timestamp::from_seconds(time), HEARD));
        assert_eq!(stamp(0, time), Stamp::dated(Timestamp::from_seconds(time), HEARD));
    }
    for time in [0, 1, YEAR_2020 - 1, NOW + 301, u32::MAX] {
        assert_eq!(stamp(time, 0), Stamp::heard(HEARD));
    }
}

#[test]
fn what_is_no_place_is_refused() {
    let bad = |latitude_i, longitude_i| {
        let refused = position(&Position { latitude_i, longitude_i, ..somewhere() });
        assert_eq!(refused, Err(Refusal::BadPosition), "{latitude_i:?} {longitude_i:?}");
    };
    bad(None, None);
    bad(Some(1), None);
    bad(None, Some(1));
    bad(Some(0), Some(0));
    bad(Some(900_000_001), Some(0));
    bad(Some(0), Some(i32::MIN));
    assert!(position(&Position { latitude_i: Some(0), ..somewhere() }).is_ok(), "the equator");
}

#[test]
fn precision_is_between_nothing_and_all() {
    let bits = |precision_bits| {
        position(&Position { precision_bits, ..somewhere() })
            .map(|position| position.precision_bits)
    };
    assert_eq!(bits(0), Err(Refusal::PrecisionZero));
    assert_eq!(bits(1), Ok(Some(1)));
    assert_eq!(bits(32), Ok(Some(32)));
    assert_eq!(bits(u32::MAX), Ok(Some(32)));
}

#[test]
fn nonsense_beside_a_good_place_is_left_out() {
    let kept = position(&Position {
        ground_speed: Some(u32::MAX),
        ground_track: Some(36_000_001),
        altitude_hae: Some(17),
        ..somewhere()
    })
    .unwrap();
    assert_eq!((kept.ground_speed_kmh, kept.ground_track_deg), (None, None));
    assert_eq!((kept.altitude_m, kept.sats_in_view), (Some(17), None));
}

#[test]
fn nobody_and_everybody_send_nothing() {
    for from in [0, u32::MAX] {
        let packet = packet(PortNum::PositionApp, somewhere().encode_to_vec());
        assert_eq!(decode(MeshPacket { from, ..packet }), Err(Refusal::Malformed));
    }
}

#[test]
fn what_came_over_no_radio_has_no_signal() {
    let reception = |rx_snr, rx_rssi, hop_start, hop_limit| {
        let packet = packet(PortNum::PositionApp, somewhere().encode_to_vec());
        let packet = MeshPacket { rx_snr, rx_rssi, hop_start, hop_limit, ..packet };
        let heard = decode(packet).unwrap().reception;
        (heard.snr_db, heard.rssi_dbm, heard.hop_start, heard.hop_limit)
    };
    assert_eq!(reception(0.0, 0, 0, 0), (None, None, None, None));
    assert_eq!(reception(0.0, -90, 3, 0), (Some(0.0), Some(-90), Some(3), Some(0)));
    assert_eq!(reception(-7.5, 0, 0, 2), (Some(-7.5), None, None, Some(2)));
    assert_eq!(reception(f32::NAN, -90, 300, 300), (None, Some(-90), None, None));
}

#[test]
fn a_packet_without_a_number_is_named_by_what_it_holds() {
    let named = |from, latitude_i| {
        let position = Position { latitude_i: Some(latitude_i), ..somewhere() };
        let packet = packet(PortNum::PositionApp, position.encode_to_vec());
        decode(MeshPacket { id: 0, from, ..packet }).unwrap().packet.key
    };
    assert_eq!(named(1, 5), named(1, 5));
    assert_ne!(named(1, 5).id, named(1, 6).id);
    assert_ne!(named(1, 5).id, named(2, 5).id);
    assert_eq!(named(1, 5).id >> 63, 1, "no 32-bit number");
}

#[test]
fn empty_contents_are_malformed() {
    use PortNum::{NodeinfoApp, PositionApp, TelemetryApp, TextMessageApp};
    for port in [TextMessageApp, PositionApp, NodeinfoApp, TelemetryApp] {
        assert_eq!(decode(packet(port, Vec::new())), Err(Refusal::Malformed), "{port:?}");
    }
    let topic = "msh/2/e/LongFast/!0badcafe";
    assert_eq!(decoder(&[]).decode(topic, b"", ARRIVED), Err(Refusal::Malformed));
    assert_eq!(decode(MeshPacket { from: 1, ..Default::default() }), Err(Refusal::Malformed));
}

#[test]
fn text_that_is_no_utf_8_is_malformed() {
    let decoded = decode(packet(PortNum::TextMessageApp, vec![b'a', 0xff]));
    assert_eq!(decoded, Err(Refusal::Malformed));
}

#[test]
fn telemetry_of_a_kind_still_unknown_says_that_the_node_was_heard() {
    let telemetry = Telemetry { time: NOW, variant: None };
    let report = decode(packet(PortNum::TelemetryApp, telemetry.encode_to_vec())).unwrap();
    assert_eq!(report.patch.telemetry, None);
    assert_eq!(report.patch.heard, HEARD);
}

#[test]
fn hardware_newer_than_this_program_has_a_name() {
    let hardware = |hw_model| {
        let user = User { hw_model, long_name: "x".to_owned(), ..Default::default() };
        decode(packet(PortNum::NodeinfoApp, user.encode_to_vec())).unwrap().patch.info.hw_model
    };
    assert_eq!(hardware(HardwareModel::Unset.into()).as_deref(), Some("UNSET"));
    assert_eq!(hardware(250).as_deref(), Some("UNKNOWN_250"));
    assert_eq!(hardware(-1), None);
}

#[test]
fn an_id_that_no_firmware_sends_is_malformed() {
    let user = |id: &str| {
        let user = User { id: id.to_owned(), long_name: "x".to_owned(), ..Default::default() };
        decode(packet(PortNum::NodeinfoApp, user.encode_to_vec())).map(|report| report.patch.node)
    };
    assert_eq!(user(""), Ok(NodeId::Radio(1)));
    assert_eq!(user("!000000ff"), Ok(NodeId::Radio(1)), "the packet's sender counts");
    assert_eq!(user("Alice"), Err(Refusal::Malformed));
}

proptest! {
    #[test]
    fn every_float_reads_as_the_shortest_number_that_means_it(bits in any::<u32>()) {
        use meshtastic::protobufs::{DeviceMetrics, telemetry::Variant};
        let voltage = f32::from_bits(bits);
        let metrics = DeviceMetrics { voltage: Some(voltage), ..Default::default() };
        let variant = Some(Variant::DeviceMetrics(metrics));
        let telemetry = Telemetry { time: 0, variant };
        let report = decode(packet(PortNum::TelemetryApp, telemetry.encode_to_vec())).unwrap();
        let read = report.patch.telemetry.map(|readings| readings.values[0].1);
        prop_assert_eq!(read.map(|read| read.to_string()), voltage.is_finite().then(|| voltage.to_string()));
    }
}
