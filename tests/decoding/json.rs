//! JSON as firmware and meshtasticd publish it.

use geocast::{
    domain::{Metric, NodeId, Report, Section, Stamp, Timestamp},
    ingest::{Decode as _, Refusal},
};

use super::{ARRIVED, GATEWAY, HEARD, SENDER, decoder};

fn decode(json: &str) -> Result<Report, Refusal> {
    let topic = "msh/EU_868/2/json/MediumFast/!0badcafe";
    decoder(&[]).decode(topic, json.as_bytes(), ARRIVED)
}

/// A message of this kind, as the firmware's serializer orders and writes it.
fn publish(kind: &str, payload: &str) -> Result<Report, Refusal> {
    decode(&format!(
        r#"{{"channel":31,"from":2712847316,"hop_start":3,"hops_away":1,"id":305419896,
        "payload":{payload},"rssi":-88,"sender":"!0badcafe","snr":6.25,"timestamp":1795176000,
        "to":4294967295,"type":"{kind}"}}"#
    ))
}

#[test]
fn a_position_in_json_is_read_like_any_other() {
    let report = publish(
        "position",
        r#"{"PDOP":189,"altitude":42,"ground_speed":90,"ground_track":26461000,
        "latitude_i":479526912,"longitude_i":671416320,"precision_bits":16,"sats_in_view":9,
        "time":1795175990}"#,
    )
    .unwrap();
    let by_radio = super::decode(super::fixtures::POSITION).unwrap();
    assert_eq!(report.patch.position, by_radio.patch.position);
    assert_eq!(report.packet.key, by_radio.packet.key, "the same packet, whatever its form");
    assert_eq!(report.reception, by_radio.reception);
    assert_eq!(report.patch.info.channel.as_deref(), Some("MediumFast"), "as the topic says");
}

#[test]
fn a_position_that_says_nothing_of_its_precision_is_taken_as_it_is() {
    let position = publish("position", r#"{"latitude_i":1,"longitude_i":2}"#).unwrap();
    let position = position.patch.position.unwrap();
    assert_eq!(position.precision_bits, None);
    assert_eq!(position.stamp, Stamp::heard(HEARD));
    let zero = r#"{"latitude_i":1,"longitude_i":2,"precision_bits":0}"#;
    assert_eq!(publish("position", zero), Err(Refusal::PrecisionZero));
    let null_island = r#"{"latitude_i":0,"longitude_i":0}"#;
    assert_eq!(publish("position", null_island), Err(Refusal::BadPosition));
}

#[test]
fn node_info_states_hardware_and_role_as_numbers() {
    let report = publish(
        "nodeinfo",
        r#"{"hardware":43,"id":"!a1b2c3d4","longname":"H\u00fcgel \/","role":2,"shortname":"🛰"}"#,
    );
    let info = report.unwrap().patch.info;
    assert_eq!(info.long_name.as_deref(), Some("Hügel /"));
    assert_eq!(info.short_name.as_deref(), Some("🛰"));
    assert_eq!(info.hw_model.as_deref(), Some("HELTEC_V3"));
    assert_eq!(info.role.as_deref(), Some("ROUTER"));
}

#[test]
fn flat_fields_show_the_section_that_they_came_from() {
    let readings = |payload| publish("telemetry", payload).unwrap().patch.telemetry.unwrap();
    let device = readings(
        r#"{"air_util_tx":0.699999988079071,"battery_level":71,"channel_utilization":12.5,
        "uptime_seconds":86400,"voltage":3.91199994087219}"#,
    );
    assert_eq!(device.section, Section::Device);
    let expected = [
        (Metric::BatteryLevel, 71.0),
        (Metric::Voltage, 3.912),
        (Metric::ChannelUtilization, 12.5),
        (Metric::AirUtilTx, 0.7),
        (Metric::UptimeSeconds, 86_400.0),
    ];
    assert_eq!(device.values, expected);
    assert_eq!(device.stamp, Stamp::heard(HEARD));

    let environment = readings(r#"{"current":2,"temperature":-3.5,"voltage":3.5,"wind_gust":7}"#);
    assert_eq!(environment.section, Section::Environment);
    assert!(environment.values.contains(&(Metric::SensorVoltage, 3.5)));
    assert!(environment.values.contains(&(Metric::Temperature, -3.5)));
    let power = readings(r#"{"current_ch3":6.5,"voltage_ch1":1.5}"#);
    assert_eq!(power.section, Section::Power);
    assert_eq!(power.values, [(Metric::Ch1Voltage, 1.5), (Metric::Ch3Current, 6.5)]);
    let air = readings(r#"{"pm10":1,"pm100_e":6,"pm25":2}"#);
    assert_eq!(air.section, Section::AirQuality);
    let expected = [
        (Metric::Pm10Standard, 1.0),
        (Metric::Pm25Standard, 2.0),
        (Metric::Pm100Environmental, 6.0),
    ];
    assert_eq!(air.values, expected);
}

#[test]
fn telemetry_of_a_section_that_is_not_published_says_that_the_node_was_heard() {
    assert_eq!(publish("telemetry", "{}").unwrap().patch.telemetry, None);
}

#[test]
fn a_text_is_read_also_if_it_is_json_itself() {
    let text = |payload| publish("text", payload).unwrap().patch.message.unwrap().text.clone();
    assert_eq!(&*text(r#"{"text":"Gr\u00fc\u00dfe"}"#), "Grüße");
    assert_eq!(&*text("42"), "42");
    assert_eq!(&*text(r#"{"a":[1,true]}"#), r#"{"a":[1,true]}"#);
}

#[test]
fn a_text_to_one_node_is_not_kept() {
    let report = decode(r#"{"from":1,"to":2,"id":3,"type":"text","payload":{"text":"secret"}}"#);
    let report = report.unwrap();
    assert_eq!((report.packet.payload, report.patch.message), (Vec::new(), None));
    assert_eq!(report.patch.heard, ARRIVED);
}

#[test]
fn neighbours_waypoints_and_people_are_read() {
    let report = publish(
        "neighborinfo",
        r#"{"last_sent_by_id":2712847316,"neighbors":[{"node_id":16,"snr":5},{"node_id":17,"snr":-11}],
        "neighbors_count":2,"node_broadcast_interval_secs":14400,"node_id":2712847316}"#,
    )
    .unwrap();
    assert_eq!(report.links.len(), 2);
    assert_eq!(report.links[1].from, NodeId::Radio(17));
    assert_eq!(report.links[1].to, SENDER);
    assert_eq!(report.links[1].snr_db, Some(-11.0));

    let hut = r#"{"description":"warm","expire":1795200000,"id":5,"latitude_i":480000000,
        "locked_to":0,"longitude_i":670000000,"name":"Hut"}"#;
    for kind in ["waypoint", "position"] {
        let patch = publish(kind, hut).unwrap().patch;
        assert_eq!(patch.position, None);
        let waypoint = patch.message.unwrap().waypoint.clone().unwrap();
        assert_eq!(waypoint.expires, Some(Timestamp::from_seconds(1_795_200_000)));
    }

    let people = publish("paxcounter", r#"{"ble_count":34,"uptime":3600,"wifi_count":12}"#);
    let people = people.unwrap().patch.telemetry.unwrap();
    assert_eq!(people.section, Section::Paxcounter);
}

#[test]
fn a_route_by_names_only_says_that_its_sender_was_heard() {
    let report = publish("traceroute", r#"{"route":["A","Unknown","B"],"snr_back":[]}"#).unwrap();
    assert_eq!((report.packet.port, report.links.len()), (70, 0));
    assert_eq!(report.reception.gateway, GATEWAY);
}

#[test]
fn numbers_may_be_written_as_floats() {
    let report = decode(
        r#"{"from":2.712847316e9,"to":4294967295.0,"id":7.0,"type":"position","timestamp":1795176000.0,
        "payload":{"latitude_i":4.79526912e8,"longitude_i":671416320.0}}"#,
    )
    .unwrap();
    assert_eq!(report.patch.node, SENDER);
    assert_eq!(report.packet.key.id, 7);
    assert_eq!(report.patch.heard, HEARD);
    assert_eq!(report.patch.position.unwrap().place.longitude_e7(), 671_416_320);
}

#[test]
fn json_that_is_no_packet_is_refused() {
    for malformed in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"from":1}"#,
        r#"{"from":"!a1b2c3d4","type":"text","payload":{"text":"x"}}"#,
        r#"{"from":-1,"type":"text","payload":{"text":"x"}}"#,
        r#"{"from":1.5,"type":"text","payload":{"text":"x"}}"#,
        r#"{"from":4294967296,"type":"text","payload":{"text":"x"}}"#,
        r#"{"from":0,"type":"text","payload":{"text":"x"}}"#,
        r#"{"from":1,"type":"text","payload":{"text":1}}"#,
        r#"{"from":1,"type":"nodeinfo"}"#,
        r#"{"from":1,"type":"nodeinfo","payload":"x"}"#,
        r#"{"from":1,"type":"neighborinfo","payload":{"neighbors":[1]}}"#,
    ] {
        assert_eq!(decode(malformed), Err(Refusal::Malformed), "{malformed}");
    }
    for kind in ["", "detection", "gpios_changed", "sendtext"] {
        assert_eq!(publish(kind, "{}"), Err(Refusal::UnknownPort), "{kind}");
    }
}
