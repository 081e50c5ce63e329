//! What each kind of packet says.

use geocast::{
    domain::{
        LinkObservation, LinkSource, Message, Metric, Network, NodeId, Place, Position, Readings,
        Section, Stamp, Timestamp, Waypoint,
    },
    ingest::Refusal,
};

use super::{ARRIVED, GATEWAY, HEARD, SENDER, decode, decode_on, fixtures as made};

const DATED: Timestamp = Timestamp::from_seconds(1_795_175_990);

fn node(number: u32) -> NodeId {
    NodeId::Radio(number)
}

fn readings(fixture: &str) -> Readings {
    decode(fixture).unwrap().patch.telemetry.unwrap()
}

#[test]
fn a_packet_is_known_by_its_sender_and_number_and_its_copy_by_the_gateway() {
    let report = decode(made::POSITION).unwrap();
    assert_eq!(report.packet.key.network, Network::Meshtastic);
    assert_eq!(report.packet.key.sender, SENDER);
    assert_eq!(report.packet.key.id, 0x1234_5678);
    assert_eq!(report.packet.port, 3);
    assert_eq!(report.packet.channel.as_deref(), Some("LongFast"));
    assert_eq!(report.packet.to, None);
    assert_eq!(report.reception.gateway, GATEWAY);
    assert_eq!(report.reception.arrived, ARRIVED);
    assert_eq!(report.reception.snr_db, Some(6.25));
    assert_eq!(report.reception.rssi_dbm, Some(-88));
    assert_eq!((report.reception.hop_start, report.reception.hop_limit), (Some(3), Some(2)));
    assert_eq!(report.patch.node, SENDER);
    assert_eq!(report.patch.heard, HEARD);
    assert_eq!(report.patch.info.channel.as_deref(), Some("LongFast"));
}

#[test]
fn a_position_keeps_its_cell_and_its_own_time() {
    let report = decode(made::POSITION).unwrap();
    let expected = Position {
        place: Place::from_e7(479_526_912, 671_416_320).unwrap(),
        altitude_m: Some(42),
        ground_speed_kmh: Some(90.0),
        ground_track_deg: Some(264.61),
        sats_in_view: Some(9),
        precision_bits: Some(16),
        stamp: Stamp::dated(DATED, HEARD),
    };
    assert_eq!(report.patch.position, Some(expected));
}

#[test]
fn a_packet_that_the_gateway_decrypted_says_the_same() {
    assert_eq!(decode(made::DECODED_POSITION), decode(made::POSITION));
}

#[test]
fn node_info_names_the_node_and_its_hardware() {
    let info = decode(made::NODE_INFO).unwrap().patch.info;
    assert_eq!(info.long_name.as_deref(), Some("Hügel 🛰 <b>"));
    assert_eq!(info.short_name.as_deref(), Some("Hü"));
    assert_eq!(info.hw_model.as_deref(), Some("HELTEC_V3"));
    assert_eq!(info.role.as_deref(), Some("ROUTER"));
    assert_eq!(info.firmware, None);
}

#[test]
fn device_metrics_read_as_they_were_meant() {
    let expected = Readings {
        stamp: Stamp::dated(DATED, HEARD),
        section: Section::Device,
        values: vec![
            (Metric::BatteryLevel, 71.0),
            (Metric::Voltage, 3.912),
            (Metric::ChannelUtilization, 12.5),
            (Metric::AirUtilTx, 0.7),
            (Metric::UptimeSeconds, 86_400.0),
        ],
    };
    assert_eq!(readings(made::DEVICE), expected);
}

#[test]
fn every_field_of_every_section_is_read() {
    let stated = |fixture, section, fields: u32, first: f64| {
        let readings = readings(fixture);
        assert_eq!(readings.section, section);
        assert_eq!(readings.values.len(), fields as usize, "{section:?}");
        let mut whole: Vec<_> = readings.values.iter().map(|(_, value)| value.floor()).collect();
        whole.sort_by(f64::total_cmp);
        let expected: Vec<_> = (0..fields).map(|field| first + f64::from(field)).collect();
        assert_eq!(whole, expected, "{section:?}");
        readings
    };
    let environment = stated(made::ENVIRONMENT, Section::Environment, 22, 1.0);
    assert!(environment.values.contains(&(Metric::Temperature, 1.1)));
    assert!(environment.values.contains(&(Metric::SensorVoltage, 5.1)));
    assert!(environment.values.contains(&(Metric::SoilTemperature, 22.1)));
    let power = stated(made::POWER, Section::Power, 16, 1.0);
    assert!(power.values.contains(&(Metric::Ch8Current, 16.1)));
    let air = stated(made::AIR_QUALITY, Section::AirQuality, 25, 1.0);
    assert!(air.values.contains(&(Metric::Pm40Standard, 19.0)));
    assert!(air.values.contains(&(Metric::NoxIndex, 24.1)));
    let stats = stated(made::LOCAL_STATS, Section::LocalStats, 15, 1.0);
    assert!(stats.values.contains(&(Metric::UptimeSeconds, 1.0)));
    assert!(stats.values.contains(&(Metric::NoiseFloor, 15.0)));
    let health = stated(made::HEALTH, Section::Health, 3, 60.0);
    assert!(health.values.contains(&(Metric::BodyTemperature, 62.1)));
    let host = stated(made::HOST, Section::Host, 8, 1.0);
    assert!(host.values.contains(&(Metric::HostUptimeSeconds, 1.0)));
}

#[test]
fn readings_that_are_not_finite_are_dropped() {
    assert_eq!(readings(made::NOT_A_NUMBER).values, [(Metric::BatteryLevel, 50.0)]);
}

#[test]
fn telemetry_without_a_reading_only_says_that_the_node_was_heard() {
    let patch = decode(made::NO_READING).unwrap().patch;
    assert_eq!((patch.telemetry, patch.heard), (None, HEARD));
}

#[test]
fn a_pax_counter_counts() {
    let readings = readings(made::PAX);
    assert_eq!(readings.section, Section::Paxcounter);
    assert_eq!(readings.stamp, Stamp::heard(HEARD));
    let expected =
        [(Metric::PaxWifi, 12.0), (Metric::PaxBle, 34.0), (Metric::UptimeSeconds, 3600.0)];
    assert_eq!(readings.values, expected);
}

#[test]
fn a_text_to_everybody_is_a_message() {
    let message = decode(made::TEXT).unwrap().patch.message.unwrap();
    let expected = Message {
        network: Network::Meshtastic,
        packet_id: 0x1234_5678,
        from: SENDER,
        channel: Some("LongFast".into()),
        text: "Grüße 🛰".into(),
        time: HEARD,
        waypoint: None,
    };
    assert_eq!(*message, expected);
}

#[test]
fn a_text_to_one_node_is_neither_shown_nor_kept() {
    let report = decode(made::DIRECT_TEXT).unwrap();
    assert_eq!(report.packet.to, Some(node(7)));
    assert_eq!(report.packet.payload, b"");
    assert_eq!(report.patch.message, None);
}

#[test]
fn a_waypoint_is_a_message_with_a_place() {
    let message = decode(made::WAYPOINT).unwrap().patch.message.unwrap();
    assert_eq!(&*message.text, "Hut");
    let expected = Waypoint {
        id: 5,
        place: Place::from_e7(480_000_000, 670_000_000).unwrap(),
        description: "warm".into(),
        icon: Some(0x1f6d6),
        expires: Some(Timestamp::from_seconds(1_795_200_000)),
    };
    assert_eq!(message.waypoint, Some(expected));
}

#[test]
fn neighbours_are_links_in_the_order_reported() {
    let report = decode(made::NEIGHBOURS).unwrap();
    let links = report.patch.links.unwrap();
    assert_eq!(links.stamp, Stamp::heard(HEARD));
    let listed: Vec<_> = links.neighbours.iter().map(|l| (l.id.clone(), l.snr_db)).collect();
    assert_eq!(listed, [(node(0x10), Some(5.25)), (node(0x11), Some(-11.5))]);
    let seen = |from, snr| LinkObservation {
        from: node(from),
        to: SENDER,
        snr_db: Some(snr),
        source: LinkSource::NeighbourInfo,
    };
    assert_eq!(report.links, [seen(0x10, 5.25), seen(0x11, -11.5)]);
}

#[test]
fn a_node_that_lists_the_neighbours_of_another_is_refused() {
    assert_eq!(decode(made::NEIGHBOURS_OF_ANOTHER), Err(Refusal::Malformed));
}

fn hop(from: NodeId, to: NodeId, snr_db: Option<f32>) -> LinkObservation {
    LinkObservation { from, to, snr_db, source: LinkSource::Traceroute }
}

#[test]
fn a_traced_route_has_no_link_over_a_gap() {
    let report = decode(made::TRACE_REQUEST).unwrap();
    assert_eq!(report.packet.to, Some(node(0x20)));
    assert_eq!(report.links, [hop(SENDER, node(0x10), Some(5.0))]);
    assert_eq!(report.patch.links, None);
    assert_eq!(decode(made::TRACE_START).unwrap().links, []);
}

#[test]
fn the_answer_to_a_trace_holds_the_way_there_and_the_way_back_so_far() {
    let expected = [
        hop(node(0x20), node(0x10), Some(5.0)),
        hop(node(0x10), SENDER, Some(2.5)),
        hop(SENDER, node(0x11), Some(-1.0)),
    ];
    assert_eq!(decode(made::TRACE_REPLY).unwrap().links, expected);
}

#[test]
fn a_map_report_names_and_places_a_node() {
    let report = decode_on("msh/EU_868/2/map/", made::MAP_REPORT).unwrap();
    assert_eq!(report.reception.gateway, GATEWAY, "as the envelope says");
    assert_eq!(report.packet.port, 73);
    assert!(report.packet.key.id > u64::from(u32::MAX), "named by its content");
    let info = report.patch.info;
    assert_eq!(info.long_name.as_deref(), Some("Turm"));
    assert_eq!(info.hw_model.as_deref(), Some("HELTEC_V3"));
    assert_eq!(info.firmware.as_deref(), Some("2.7.11.ee68575"));
    let position = report.patch.position.unwrap();
    assert_eq!(position.place, Place::from_e7(479_526_912, 671_416_320).unwrap());
    assert_eq!(position.precision_bits, Some(13));
    assert_eq!(position.altitude_m, Some(120));
    assert_eq!(position.stamp, Stamp::heard(HEARD));
}

#[test]
fn a_map_report_may_share_no_place() {
    let patch = decode_on("msh/2/map/x", made::MAP_REPORT_WITHOUT_PLACE).unwrap().patch;
    assert_eq!(patch.position, None);
    assert_eq!(patch.info.short_name.as_deref(), Some("T"));
}

#[test]
fn a_topic_of_map_reports_carries_nothing_else() {
    assert_eq!(decode_on("msh/2/map/", made::DECODED_POSITION), Err(Refusal::Malformed));
    assert_eq!(decode_on("msh/2/map/", made::POSITION), Err(Refusal::Malformed));
}

#[test]
fn a_port_that_says_nothing_of_the_map_is_named_as_the_reason() {
    assert_eq!(decode(made::ROUTING), Err(Refusal::UnknownPort));
}
