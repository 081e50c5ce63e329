//! What may be kept and shown: every case through a broker, and every way out.

use std::path::Path;

use meshtastic::protobufs::{
    Neighbor, NeighborInfo, PortNum, Position, ServiceEnvelope, Waypoint,
    mesh_packet::PayloadVariant,
};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Database, Gateway, Geocast, Radio, answer, database_url, radio::Publish},
    mosquitto::Mosquitto,
};

/// The same with what its sender says of MQTT.
fn with_bits((topic, payload): Publish, bitfield: Option<u32>) -> Publish {
    let mut envelope = ServiceEnvelope::decode(&*payload).unwrap();
    let packet = envelope.packet.as_mut().unwrap();
    let Some(PayloadVariant::Decoded(data)) = &mut packet.payload_variant else { unreachable!() };
    data.bitfield = bitfield;
    (topic, envelope.encode_to_vec())
}

/// The same on another topic.
fn on(root: &str, (topic, payload): Publish) -> Publish {
    (topic.replace("msh/EU_868", root), payload)
}

fn waypoint(latitude_i: i32, longitude_i: i32) -> Vec<u8> {
    let waypoint = Waypoint {
        id: 7,
        latitude_i: Some(latitude_i),
        longitude_i: Some(longitude_i),
        name: "camp".to_owned(),
        ..Waypoint::default()
    };
    waypoint.encode_to_vec()
}

/// A running geocast, and a gateway that publishes to it.
async fn open(folder: &Path, settings: &[&str]) -> (Geocast, Gateway) {
    let mut geocast = Geocast::with(folder, settings).await;
    let gateway = Gateway::connect(geocast.broker().await);
    (geocast, gateway)
}

/// Everything that every way out says, as text.
async fn everything(geocast: &Geocast) -> String {
    let mut all = String::new();
    for path in [
        "/api/nodes",
        "/api/nodes?format=geojson",
        "/api/positions?bbox=-180,-90,180,90",
        "/api/positions?bbox=-180,-90,180,90&format=geojson",
        "/api/messages",
        "/api/links",
    ] {
        all += &geocast.get(path).await.text().await.unwrap();
    }
    let mut screen = geocast.look("").await;
    screen.subscribe(json!({})).await;
    all += &screen.until("snapshot").await.to_string();
    all
}

async fn positions(geocast: &Geocast, node: Radio) -> Vec<Value> {
    let (status, page) = geocast.ask(&format!("/api/nodes/{}/positions", node.id())).await;
    assert_eq!(status, 200, "{page}");
    page["positions"].as_array().unwrap().clone()
}

async fn refused(geocast: &Geocast, reason: &str) -> u64 {
    geocast.metric(&format!("geocast_packets_refused_total{{reason=\"{reason}\"}}")).await
}

async fn is_shown(geocast: &Geocast, node: Radio) -> bool {
    geocast.ask(&format!("/api/nodes/{}", node.id())).await.0 == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_agreed_to_go_to_mqtt_is_not_shown_unless_the_operator_says_so() {
    let folder = TempDir::new().unwrap();
    let settings = ["--public", "on", "--ok-to-mqtt-absent", "map-only"];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    for (number, bits) in [(1, Some(1)), (2, Some(0)), (3, None), (4, Some(3)), (5, Some(2))] {
        gateway.publish(with_bits(Radio(number).at(47.0, 8.0), bits));
    }
    for (number, shown, stored) in
        [(1, true, 1), (2, false, 0), (3, true, 0), (4, true, 1), (5, false, 0)]
    {
        assert_eq!(is_shown(&geocast, Radio(number)).await, shown, "{number}");
        assert_eq!(positions(&geocast, Radio(number)).await.len(), stored, "{number}");
    }
    assert_eq!(refused(&geocast, "ok_to_mqtt").await, 2);
    let mut screen = geocast.look("?bbox=7,46,9,48").await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["nodes"].as_array().unwrap().len(), 3);
    drop(geocast);
    // What is for the map only is there after a restart, and leaves no bytes.
    let geocast = Geocast::with(folder.path(), &settings).await;
    assert!(is_shown(&geocast, Radio(3)).await);
    let mut database = Database::in_folder(folder.path()).await;
    let bytes = "SELECT length(payload) FROM packets WHERE sender = '!00000003'";
    assert_eq!(database.number(bytes).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_map_of_this_machine_shows_leaves_it_when_the_map_becomes_public() {
    let folder = TempDir::new().unwrap();
    let (geocast, mut gateway) = open(folder.path(), &[]).await;
    gateway.publish(with_bits(Radio(1).at(47.0, 8.0), Some(0)));
    gateway.publish(with_bits(Radio(2).at(47.0, 8.0), Some(1)));
    assert!(is_shown(&geocast, Radio(1)).await);
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    for public in [&["--public", "on"][..], &["--trusted-proxy", "127.0.0.1"]] {
        let (geocast, mut gateway) = open(folder.path(), public).await;
        assert!(!is_shown(&geocast, Radio(1)).await);
        assert_eq!(positions(&geocast, Radio(1)).await.len(), 0);
        assert!(is_shown(&geocast, Radio(2)).await);
        gateway.publish(with_bits(Radio(1).at(47.1, 8.1), Some(0)));
        assert!(!is_shown(&geocast, Radio(1)).await);
        let (status, log) = geocast.stop().await;
        assert!(status.success(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_coarsened_before_it_is_stored() {
    let folder = TempDir::new().unwrap();
    let settings = ["--finest-precision", "14", "--coarsest-precision", "11"];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    for (latitude, longitude) in [(47.123_456_7, 8.123_456_7), (47.123_999_9, 8.123_999_9)] {
        gateway.publish(Radio(1).at(latitude, longitude));
    }
    let coarse = Position {
        latitude_i: Some(470_000_000),
        longitude_i: Some(80_000_000),
        precision_bits: 10,
        ..Position::default()
    };
    gateway.publish(Radio(2).says(PortNum::PositionApp, &coarse.encode_to_vec()));
    let history = positions(&geocast, Radio(1)).await;
    let middle = |units: i32| f64::from((units & !0x3_ffff) + 0x2_0000) / 1e7;
    assert_eq!(history.len(), 2);
    for position in &history {
        assert_eq!(position["latitude"], middle(471_234_567));
        assert_eq!(position["longitude"], middle(81_234_567));
        assert_eq!(position["precisionBits"], 14);
    }
    let said = everything(&geocast).await;
    assert!(!said.contains("47.1234") && !said.contains("47.1239"), "{said}");
    let (_, node) = geocast.ask("/api/nodes/!00000002").await;
    assert!(node.get("position").is_none(), "too coarse to show: {node}");
    assert_eq!(positions(&geocast, Radio(2)).await.len(), 0);
    let stripped = |part| format!("geocast_packets_stripped_total{{reason=\"{part}\"}}");
    assert_eq!(geocast.metric(&stripped("position_coarsened")).await, 2);
    assert_eq!(geocast.metric(&stripped("position_too_coarse")).await, 1);
    let mut database = Database::in_folder(folder.path()).await;
    assert_eq!(database.number("SELECT sum(length(payload)) FROM packets").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_opts_out_leaves_the_map_and_its_history_goes_until_its_name_changes() {
    let folder = TempDir::new().unwrap();
    let (geocast, mut gateway) = open(folder.path(), &["--opt-out-prefix", "private-"]).await;
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(47.0, 8.0));
    gateway.publish(Radio(1).text("hello"));
    gateway.publish(Radio(2).at(47.1, 8.1));
    let mut screen = geocast.look("?bbox=7,46,9,48").await;
    screen.shows(|screen| screen.nodes.len() == 2).await;
    gateway.publish(Radio(1).named("Hill \u{1f6ab}", "H"));
    screen.shows(|screen| screen.nodes.keys().eq([&Radio(2).id()])).await;
    assert!(!is_shown(&geocast, Radio(1)).await);
    geocast
        .ask_until("/api/nodes/!00000001/positions", |_, page| {
            page["positions"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    geocast
        .ask_until("/api/messages", |_, page| {
            page["messages"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    gateway.publish(Radio(1).at(47.2, 8.2));
    gateway.publish(Radio(2).named("private-Dale", "D"));
    assert_eq!(refused(&geocast, "opted_out").await, 3);
    let said = everything(&geocast).await;
    assert!(!said.contains("!00000001") && !said.contains("!00000002"), "{said}");
    drop(geocast);

    // It is remembered, and ends with another name.
    let (geocast, mut gateway) = open(folder.path(), &["--opt-out-prefix", "private-"]).await;
    gateway.publish(Radio(1).at(47.3, 8.3));
    assert_eq!(refused(&geocast, "opted_out").await, 1);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(47.4, 8.4));
    assert!(is_shown(&geocast, Radio(1)).await);
    assert_eq!(positions(&geocast, Radio(1)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_nodes_are_kept_out_than_may_be() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-kept-out", "2", "--admin-token", "only-for-administrators"];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    for number in [1, 2, 3, 4] {
        gateway.publish(Radio(number).at(47.0, 8.0));
    }
    for number in [1, 2, 3, 1] {
        gateway.publish(Radio(number).named("\u{1f6ab}", "H"));
    }
    let shown = async |number: u32| is_shown(&geocast, Radio(number)).await;
    assert_eq!([shown(1).await, shown(2).await, shown(3).await], [false, false, true]);
    assert_eq!(refused(&geocast, "opted_out").await, 4);
    assert_eq!(geocast.metric("geocast_kept_out_full_total").await, 1);
    let (_, third) = geocast.ask("/api/nodes/!00000003").await;
    assert!(third.get("longName").is_none(), "what it says of its name is refused: {third}");
    // Administrators may, and who is let in again makes room.
    let bearer = [("authorization", "Bearer only-for-administrators")];
    assert_eq!(geocast.delete("/api/nodes/!00000004", &bearer).await, 204);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(2).named("Dale", "D"));
    gateway.publish(Radio(3).named("\u{1f6ab}", "H"));
    assert_eq!([shown(1).await, shown(2).await, shown(3).await], [true, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_places_say_what_is_shown() {
    let folder = TempDir::new().unwrap();
    let settings = [
        "--block-node",
        "!00000001",
        "--only-channel",
        "LongFast",
        "--only-port",
        "1,3,8",
        "--home-zone",
        "47.0,8.0,1000",
        "--region",
        "46.0,7.0 46.0,9.0 48.0,9.0 48.0,7.0",
    ];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    gateway.publish(Radio(1).at(47.5, 8.5));
    gateway.publish(Radio(2).at(47.001, 8.001));
    gateway.publish(Radio(2).says(PortNum::WaypointApp, &waypoint(470_010_000, 80_010_000)));
    gateway.publish(Radio(3).at(47.5, 8.5));
    gateway.publish(Radio(3).named("Hill", "H"));
    gateway.publish(Radio(4).at(10.0, 10.0));
    gateway.publish(Radio(4).text("from far away"));
    let (topic, payload) = Radio(5).at(47.5, 8.5);
    let mut envelope = ServiceEnvelope::decode(&*payload).unwrap();
    envelope.channel_id = "Other".to_owned();
    gateway.publish((topic, envelope.encode_to_vec()));
    let shown = [false, true, true, false, false];
    for (number, shown) in (1..).zip(shown) {
        assert_eq!(is_shown(&geocast, Radio(number)).await, shown, "{number}");
    }
    for (reason, count) in [
        ("node_not_allowed", 1),
        ("port_not_kept", 1),
        ("channel_not_kept", 1),
        ("outside_region", 2),
    ] {
        assert_eq!(refused(&geocast, reason).await, count, "{reason}");
    }
    let said = everything(&geocast).await;
    for hidden in ["47.001", "camp", "far away", "Hill"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }
    let (_, node) = geocast.ask("/api/nodes/!00000003").await;
    assert_eq!(node["position"]["latitude"], 47.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_positions_is_merged_and_the_newest_is_kept() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-positions-per-node", "2/3s"];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    let places: Vec<_> = (0..20_u32).map(|n| 47.0 + f64::from(n) / 100.0).collect();
    for latitude in &places {
        gateway.publish(Radio(1).at(*latitude, 8.0));
    }
    geocast.metric_reaches("geocast_position_floods_total", 1).await;
    geocast
        .ask_until("/api/nodes/!00000001", |_, node| {
            node["position"]["latitude"] == *places.last().unwrap()
        })
        .await;
    geocast.metric_becomes("geocast_packets_pending", 0).await;
    let stored = u64::try_from(positions(&geocast, Radio(1)).await.len()).unwrap();
    assert!(stored < 20, "{stored} of 20");
    assert_eq!(stored + refused(&geocast, "rate").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_has_rules_of_its_own() {
    let folder = TempDir::new().unwrap();
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", mosquitto.port());
    let file = folder.path().join("geocast.toml");
    let text = format!(
        "finest-precision = 16\n\
         [[source]]\ntopic = \"msh/EU_868/DE\"\nfinest-precision = 12\n\
         [[source]]\nmqtt-url = \"{url}\"\ntopic = \"msh/+/2/#\"\nok-to-mqtt-absent = \"drop\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let database = database_url(folder.path());
    let file = file.to_str().unwrap();
    let arguments = ["serve", "--config", file, "--mqtt-url", &url, "--database-url", &database];
    let geocast = Geocast::start(&arguments).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let mut gateway = Gateway::connect(([127, 0, 0, 1], mosquitto.port()).into());
    gateway.publish(on("msh/EU_868/DE", Radio(1).at(47.0, 8.0)));
    gateway.publish(on("msh/US", Radio(2).at(47.0, 8.0)));
    gateway.publish(on("msh", Radio(3).at(47.0, 8.0)));
    geocast.ask_until("/api/nodes/!00000003", |status, _| status == 200).await;
    for (number, bits) in [(1, 12), (3, 16)] {
        let (_, node) = geocast.ask(&format!("/api/nodes/{}", Radio(number).id())).await;
        assert_eq!(node["position"]["precisionBits"], bits, "{node}");
    }
    assert!(!is_shown(&geocast, Radio(2)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_policy_holds_for_what_was_stored_before() {
    let folder = TempDir::new().unwrap();
    let (geocast, mut gateway) = open(folder.path(), &[]).await;
    gateway.publish(Radio(1).at(47.123_456_7, 8.123_456_7));
    gateway.publish(Radio(2).named("Dale", "D"));
    gateway.publish(Radio(2).at(47.2, 8.2));
    gateway.publish(Radio(3).at(47.3, 8.3));
    gateway.publish(Radio(3).text("secret"));
    assert_eq!(positions(&geocast, Radio(1)).await[0]["latitude"], 47.123_456_7);
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    let settings = [
        "--finest-precision",
        "13",
        "--opt-out-prefix",
        "Dale",
        "--text-messages",
        "drop",
        "--home-zone",
        "47.3,8.3,500",
    ];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let said = everything(&geocast).await;
    for hidden in ["47.1234567", "Dale", "!00000002", "47.3", "secret"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }
    assert!(is_shown(&geocast, Radio(1)).await);
    assert_eq!(positions(&geocast, Radio(1)).await[0]["precisionBits"], 13);
    assert!(is_shown(&geocast, Radio(3)).await);
    assert_eq!(positions(&geocast, Radio(3)).await.len(), 0);
    let mut database = Database::in_folder(folder.path()).await;
    let exact = "SELECT count(*) FROM packets WHERE port = 3 AND length(payload) > 0";
    assert_eq!(database.number(exact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_an_administrator_forgets_is_nowhere_and_stays_out() {
    let folder = TempDir::new().unwrap();
    let token = ["--admin-token", "only-for-administrators"];
    let bearer = ("authorization", "Bearer only-for-administrators");
    let (geocast, mut gateway) = open(folder.path(), &token).await;
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(47.0, 8.0));
    gateway.publish(Radio(1).text("hello"));
    gateway.publish(Radio(2).at(47.1, 8.1));
    // As a gateway of others.
    gateway.publish(Radio(2).says_through(1, 77, PortNum::TextMessageApp, b"by way of the hill"));
    let neighbour = |node_id| NeighborInfo {
        node_id: 2,
        neighbors: vec![Neighbor { node_id, snr: 4.0, ..Neighbor::default() }],
        ..NeighborInfo::default()
    };
    for node in [1, 0x7a7a_7a7a] {
        gateway.publish(Radio(2).says(PortNum::NeighborinfoApp, &neighbour(node).encode_to_vec()));
    }
    let mut screen = geocast.look("?bbox=7,46,9,48").await;
    screen.shows(|screen| screen.nodes.len() == 2).await;
    assert_eq!(geocast.delete("/api/nodes/!00000001", &[]).await, 401);
    assert!(is_shown(&geocast, Radio(1)).await);
    assert_eq!(geocast.delete("/api/nodes/%00", &[bearer]).await, 400);
    assert_eq!(geocast.delete("/api/nodes/!00000001", &[bearer]).await, 204);
    screen.shows(|screen| screen.nodes.keys().eq([&Radio(2).id()])).await;
    gateway.publish(Radio(1).at(47.2, 8.2));
    assert_eq!(refused(&geocast, "forgotten").await, 1);
    let said = everything(&geocast).await;
    assert!(!said.contains("!00000001") && !said.contains("Hill"), "{said}");
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    let mut database = Database::in_folder(folder.path()).await;
    for (table, column) in [
        ("packets", "sender"),
        ("receptions", "gateway"),
        ("positions", "node"),
        ("messages", "sender"),
        ("nodes", "id"),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = '!00000001'");
        assert_eq!(database.number(&sql).await, 0, "{table}");
    }
    let heard = "SELECT count(*) FROM packets WHERE port = 71 AND length(payload)";
    assert_eq!(database.number(&format!("{heard} > 0")).await, 1, "of another neighbour");
    assert_eq!(database.number(&format!("{heard} = 0")).await, 1, "of the one that is forgotten");
    database.close().await;
    let found = answer(&["check", "--database-url", &database_url(folder.path())]);
    assert!(!found.contains("!00000001"), "{found}");

    let (geocast, mut gateway) = open(folder.path(), &token).await;
    gateway.publish(Radio(1).at(47.2, 8.2));
    assert_eq!(refused(&geocast, "forgotten").await, 1);
    assert!(!is_shown(&geocast, Radio(1)).await);
}

/// The reasons that are given for a node, newest first.
fn reasons(explanation: &Value) -> Vec<&str> {
    let refusals = explanation["refusals"].as_array().unwrap();
    refusals.iter().map(|refusal| refusal["reason"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_told_why_it_is_not_on_the_map_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let settings = [
        "--home-zone",
        "47.0,8.0,500",
        "--region",
        "46.0,7.0 46.0,9.0 48.0,9.0 48.0,7.0",
        "--max-positions-per-node",
        "1/1h",
        "--ok-to-mqtt-no",
        "drop",
    ];
    let (geocast, mut gateway) = open(folder.path(), &settings).await;
    let explain = async |number: u32| {
        let (status, told) = geocast.ask(&format!("/api/explain/{}", Radio(number).id())).await;
        assert_eq!(status, 200, "{told}");
        told
    };
    gateway.publish(Radio(1).at(47.5, 8.5));
    gateway.publish(with_bits(Radio(2).at(47.5, 8.5), Some(0)));
    let hidden = Position {
        latitude_i: Some(475_000_000),
        longitude_i: Some(85_000_000),
        ..Position::default()
    };
    gateway.publish(Radio(3).says(PortNum::PositionApp, &hidden.encode_to_vec()));
    gateway.publish(Radio(4).named("Hill \u{1f6ab}", "H"));
    gateway.publish(Radio(5).at(10.0, 10.0));
    gateway.publish(Radio(6).at(47.001, 8.001));
    for latitude in [47.5, 47.6, 47.7] {
        gateway.publish(Radio(7).at(latitude, 8.5));
    }
    let (topic, payload) = Radio(8).text("secret words");
    let mut envelope = ServiceEnvelope::decode(&*payload).unwrap();
    let packet = envelope.packet.as_mut().unwrap();
    packet.channel = 77;
    packet.payload_variant = Some(PayloadVariant::Encrypted(vec![9; 30]));
    gateway.publish((topic.clone(), envelope.encode_to_vec()));

    let shown = explain(1).await;
    assert_eq!(shown["verdict"], "shown");
    assert_eq!(shown["heard"][0]["gateway"], "!6a7e0001");
    assert_eq!(shown["heard"][0]["topic"], topic);
    assert_eq!(shown["heard"][0]["port"], 3);
    for (number, verdict, reason) in [
        (2, "refused", "ok_to_mqtt"),
        (3, "refused", "precision_zero"),
        (4, "kept_out", "opted_out"),
        (5, "kept_out", "outside_region"),
        (6, "shown_without_position", "position_withheld"),
        (7, "shown", "rate"),
        (8, "refused", "no_key"),
    ] {
        let told = explain(number).await;
        assert_eq!(
            (told["verdict"].as_str(), reasons(&told)[0]),
            (Some(verdict), reason),
            "{told}"
        );
        assert!(!told["advice"].as_array().unwrap().is_empty(), "{told}");
        for secret in ["47.001", "8.001", "secret words", "Hill"] {
            assert!(!told.to_string().contains(secret), "{told}");
        }
    }
    assert_eq!(explain(8).await["refusals"][0]["channelHash"], 77);
    let shy = explain(4).await;
    assert!(!shy.to_string().contains("6a7e0001"), "not where it was heard: {shy}");
    let never = explain(9).await;
    assert_eq!((never["verdict"].as_str(), reasons(&never)), (Some("never_heard"), vec![]));
    assert_eq!(geocast.ask("/api/explain/%00").await.0, 400);

    // It survives a restart: also who heard it, by what is stored.
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    let geocast = Geocast::with(folder.path(), &settings).await;
    let (_, told) = geocast.ask("/api/explain/!00000001").await;
    assert_eq!(told["heard"].as_array().unwrap().len(), 1, "{told}");
    let heard = &told["heard"][0];
    let expected = json!([shown["heard"][0]["time"], "!6a7e0001", 3, "LongFast", null]);
    let said = ["time", "gateway", "port", "channel", "topic"].map(|name| heard[name].clone());
    assert_eq!(json!(said), expected);
    assert_eq!(told["lastHeard"], shown["lastHeard"]);
    let (_, told) = geocast.ask("/api/explain/!00000008").await;
    assert_eq!(reasons(&told), ["no_key"]);
    let (_, told) = geocast.ask("/api/explain/!00000004").await;
    assert_eq!((told["verdict"].as_str(), reasons(&told)), (Some("kept_out"), vec!["opted_out"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_forgets_a_node_with_and_without_a_running_server() {
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let (geocast, mut gateway) = open(folder.path(), &[]).await;
    for number in [1, 2] {
        gateway.publish(Radio(number).at(47.0, 8.0));
    }
    let mut screen = geocast.look("?bbox=7,46,9,48").await;
    screen.shows(|screen| screen.nodes.len() == 2).await;
    let said = {
        let url = url.clone();
        let forget = move || answer(&["forget", "!00000001", "--database-url", &url]);
        tokio::task::spawn_blocking(forget).await.unwrap()
    };
    assert!(said.contains("nothing is kept of !00000001"), "{said}");
    screen.shows(|screen| screen.nodes.keys().eq([&Radio(2).id()])).await;
    assert_eq!(positions(&geocast, Radio(1)).await.len(), 0);
    gateway.publish(Radio(1).at(47.0, 8.0));
    assert_eq!(refused(&geocast, "forgotten").await, 1);
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    answer(&["forget", "!00000002", "--database-url", &url]);
    let undone = answer(&["forget", "--undo", "!00000001", "--database-url", &url]);
    assert!(undone.contains("let in again"), "{undone}");
    let (mut geocast, mut gateway) = open(folder.path(), &[]).await;
    for number in [1, 2] {
        gateway.publish(Radio(number).at(47.0, 8.0));
    }
    assert!(is_shown(&geocast, Radio(1)).await);
    assert!(!is_shown(&geocast, Radio(2)).await);
    let undo = move || answer(&["forget", "--undo", "!00000002", "--database-url", &url]);
    tokio::task::spawn_blocking(undo).await.unwrap();
    geocast.logged("!00000002 is let in again").await;
    gateway.publish(Radio(2).text("here"));
    assert!(is_shown(&geocast, Radio(2)).await);
}
