//! What must not be shown, by every way out: as it comes in, and after another policy than before,
//! over either database.

use meshtastic::protobufs::{
    Neighbor, NeighborInfo, PortNum, RouteDiscovery, ServiceEnvelope, Telemetry, Waypoint,
    mesh_packet, telemetry::Variant,
};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::Client,
    cot::Tak,
    harness::{EventSource, Gateway, Geocast, Radio, Screen, database_url, radio::Publish},
    postgres_server::Database,
};

/// A rule for each node; the same that [`said`] has something for.
const SETTINGS: &[&str] = &[
    "--public",
    "on",
    "--public-messages",
    "on",
    "--admin-token",
    "only-for-administrators",
    "--ok-to-mqtt-absent",
    "map-only",
    "--finest-precision",
    "16",
    "--opt-out-prefix",
    "Shy",
    "--block-node",
    "!00000005",
    "--only-channel",
    "LongFast",
    "--only-port",
    "1,3,4,8,70,71,73",
    "--home-zone",
    "47.8,8.8,1500",
    "--cot-listen",
    "127.0.0.1:0",
    "--region",
    "46.0,7.0 46.0,9.0 49.0,9.0 49.0,7.0",
];

/// Before: everything is kept.
const OPEN: &[&str] = &["--public", "on", "--public-messages", "on", "--ok-to-mqtt-no", "keep"];

/// Nodes of which nothing may be seen.
const HIDDEN: [u32; 5] = [1, 4, 5, 6, 9];

/// The same with what its sender says of MQTT.
fn agreeing((topic, payload): Publish, bitfield: Option<u32>) -> Publish {
    let mut envelope = ServiceEnvelope::decode(&*payload).unwrap();
    let packet = envelope.packet.as_mut().unwrap();
    let Some(mesh_packet::PayloadVariant::Decoded(data)) = &mut packet.payload_variant else {
        unreachable!()
    };
    data.bitfield = bitfield;
    (topic, envelope.encode_to_vec())
}

/// The same on another channel.
fn on_channel(name: &str, (topic, payload): Publish) -> Publish {
    let mut envelope = ServiceEnvelope::decode(&*payload).unwrap();
    name.clone_into(&mut envelope.channel_id);
    (topic.replace("LongFast", name), envelope.encode_to_vec())
}

/// What everybody says: each node has a place and a name, and the case that its number stands for.
fn said() -> Vec<Publish> {
    let agreed = |publish| agreeing(publish, Some(1));
    let places = [
        (1, 47.111_111_1, 8.1),
        (2, 47.222_222_2, 8.2),
        (3, 47.333_333_3, 8.3),
        (4, 47.444_444_4, 8.4),
        (5, 47.555_555_5, 8.5),
        (6, 47.666_666_6, 8.6),
        (7, 47.777_777_7, 8.7),
        (8, 47.800_111_1, 8.8),
        (9, 10.123_456_7, 10.1),
    ];
    let mut said = Vec::new();
    for (number, latitude, longitude) in places {
        let name = if number == 4 { "Shy-4".to_owned() } else { format!("Name-{number}") };
        let own = [
            Radio(number).named(&name, "N"),
            Radio(number).at(latitude, longitude),
            Radio(number).text(&format!("words-of-{number}")),
        ];
        said.extend(own.map(|publish| match number {
            1 => agreeing(publish, Some(0)),
            2 => agreeing(publish, None),
            6 => on_channel("Private", agreed(publish)),
            _ => agreed(publish),
        }));
    }
    let readings = Telemetry {
        time: 0,
        variant: Some(Variant::DeviceMetrics(meshtastic::protobufs::DeviceMetrics {
            battery_level: Some(77),
            voltage: Some(3.210_57),
            ..Default::default()
        })),
    };
    said.push(agreed(Radio(7).says(PortNum::TelemetryApp, &readings.encode_to_vec())));
    let camp = Waypoint {
        id: 7,
        latitude_i: Some(478_002_222),
        longitude_i: Some(88_000_000),
        name: "camp".to_owned(),
        ..Waypoint::default()
    };
    said.push(agreed(Radio(8).says(PortNum::WaypointApp, &camp.encode_to_vec())));
    let neighbour = |node_id| Neighbor { node_id, snr: 4.0, ..Neighbor::default() };
    let heard = NeighborInfo {
        node_id: 3,
        last_sent_by_id: 3,
        node_broadcast_interval_secs: 60,
        neighbors: vec![neighbour(4), neighbour(5), neighbour(8)],
    };
    said.push(agreed(Radio(3).says(PortNum::NeighborinfoApp, &heard.encode_to_vec())));
    // Over nodes that are not shown, and between two that are.
    let route = RouteDiscovery {
        route: vec![4, 5, 7, 8],
        snr_towards: vec![4, 8, 12, 16, 20],
        ..RouteDiscovery::default()
    };
    said.push(agreed(Radio(3).says(PortNum::TracerouteApp, &route.encode_to_vec())));
    // By way of a node that is not shown.
    said.push(agreed(Radio(3).says_through(5, 7_700_001, PortNum::TextMessageApp, b"by five")));
    said
}

/// Everything that every way out says, as text, but for what repeats the id of a hidden node that it
/// is asked for. What says it is not UTF-8 is read as if it were.
async fn everything(geocast: &mut Geocast, hidden: &[u32]) -> String {
    let mut all = String::new();
    let mut paths: Vec<String> = [
        "/api/nodes",
        "/api/nodes?format=geojson",
        "/api/positions?bbox=-180,-90,180,90",
        "/api/positions?bbox=-180,-90,180,90&format=geojson",
        "/api/messages",
        "/api/links",
        "/api/gateways",
        "/api/totals",
        "/api/stats",
        "/metrics",
        "/ogc/collections/nodes/items",
        "/ogc/collections/positions/items",
        "/tiles/nodes/0/0/0",
        "/tiles/nodes/12/2141/1434",
        "/kml/nodes",
    ]
    .map(str::to_owned)
    .into();
    for number in 1..10 {
        let id = Radio(number).id();
        // What is asked for by its id is repeated in an answer.
        for (path, form) in [("positions", ""), ("positions", "&format=csv"), ("telemetry", "")] {
            paths.push(format!("/api/nodes/{id}/{path}?limit=100{form}"));
        }
        paths.push(format!("/api/messages?node={id}"));
        paths.push(format!("/api/links?node={id}"));
        if !hidden.contains(&number) {
            paths.push(format!("/api/nodes/{id}/positions?format=gpx"));
            paths.push(format!("/api/nodes/{id}/positions?format=geojson"));
            paths.push(format!("/api/explain/{id}"));
        }
    }
    for path in &paths {
        let answer = geocast.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let body = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
        all.extend([path, ": ", &body, "\n"]);
    }
    let mut screen = geocast.look("").await;
    screen.subscribe(json!({})).await;
    all += &screen.until("snapshot").await.to_string();
    let mut events = EventSource::connect(geocast.address, "/api/events").await;
    all += &events.until("snapshot").await.to_string();
    all
}

/// What must not be told of nodes, by the law of [`SETTINGS`]. Numbers have more digits than those
/// that the server counts of itself.
fn check_text(told: &str) {
    for number in HIDDEN {
        let id = Radio(number).id();
        assert!(!told.contains(&id), "{id} in {told}");
    }
    for secret in [
        "Name-1",
        "Shy",
        "Name-5",
        "Name-6",
        "Name-9",
        "words-of-1",
        "words-of-4",
        "words-of-5",
        "words-of-6",
        "words-of-9",
        "47.1111",
        "47.33333",
        "47.4444",
        "47.5555",
        "47.6666",
        "47.7777",
        "47.800",
        "10.1234",
        "camp",
        "Private",
        "\"batteryLevel\"",
        "3.21057",
    ] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

/// What was said, by the law of [`SETTINGS`].
async fn check(geocast: &mut Geocast) {
    let all = everything(geocast, &HIDDEN).await;
    let without_questions: String = all
        .lines()
        .map(|line| line.split_once(": ").map_or(line, |(_, answer)| answer))
        .collect::<Vec<_>>()
        .join("\n");
    check_text(&without_questions);
    // What may be seen is.
    for shown in ["Name-2", "Name-3", "Name-7", "Name-8", "words-of-3", "words-of-8", "by five"] {
        assert!(without_questions.contains(shown), "no {shown} in {without_questions}");
    }
    let (_, of_two) = geocast.ask("/api/nodes/!00000002/positions").await;
    assert_eq!(of_two["positions"], json!([]), "it is for the map only");
    let (_, messages) = geocast.ask("/api/messages").await;
    assert!(!messages.to_string().contains("words-of-2"), "{messages}");
    let (_, links) = geocast.ask("/api/links").await;
    let hop = |link: &Value| link["from"] == "!00000007" && link["to"] == "!00000008";
    assert!(links["links"].as_array().unwrap().iter().any(hop), "{links}");
    let place = |node: &Value| node["position"]["precisionBits"].clone();
    for (number, bits) in [(2, json!(16)), (3, json!(16)), (7, json!(16)), (8, Value::Null)] {
        let (_, node) = geocast.ask(&format!("/api/nodes/{}", Radio(number).id())).await;
        assert_eq!(place(&node), bits, "{node}");
    }
    for number in HIDDEN {
        let (_, told) = geocast.ask(&format!("/api/explain/{}", Radio(number).id())).await;
        assert!(told["lastHeard"].is_null() || told["verdict"] != "shown", "{told}");
        assert_ne!(told["verdict"], "shown", "{told}");
        if number != 9 && number != 6 {
            assert!(!told.to_string().contains("6a7e0001"), "where it was heard: {told}");
        }
    }
}

/// Those who are told at once, by each way there is.
struct Watchers {
    screen: Screen,
    binary: Client,
    events: EventSource,
    tak: Tak,
}

impl Watchers {
    async fn of(geocast: &mut Geocast) -> Self {
        let mut screen = geocast.look("").await;
        screen.subscribe(json!({})).await;
        screen.until("snapshot").await;
        let mut binary = Client::connect(geocast, "geocast.v1.proto").await;
        binary.subscribe().await;
        binary.until("snapshot").await;
        let mut events = EventSource::connect(geocast.address, "/api/events").await;
        events.until("snapshot").await;
        let tak = Tak::connect(&geocast.logged("TAK clients are told on tcp://").await).await;
        Self { screen, binary, events, tak }
    }

    /// What they are told until they hear this name, each by itself.
    async fn told_until(mut self, name: &str) -> [String; 4] {
        let mut told = [const { String::new() }; 4];
        while !told[0].contains(name) {
            told[0] += &self.screen.next().await.to_string();
        }
        while !told[1].contains(name) {
            told[1] += &String::from_utf8_lossy(&self.binary.frame().await);
        }
        while !told[2].contains(name) {
            told[2] += &self.events.next().await.to_string();
        }
        self.tak.until(name).await;
        told[3] = self.tak.heard;
        told
    }
}

async fn start(database: &str, settings: &[&str]) -> (Geocast, Gateway) {
    let usual = ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", database];
    let mut geocast = Geocast::start(&[&usual, settings].concat()).await;
    let gateway = Gateway::connect(geocast.broker().await);
    (geocast, gateway)
}

async fn withheld(database: &str) {
    // As it comes in.
    let (mut geocast, mut gateway) = start(database, OPEN).await;
    for publish in said() {
        gateway.publish(publish);
    }
    let open = everything(&mut geocast, &HIDDEN).await;
    for number in 1..10 {
        assert!(open.contains(&format!("words-of-{number}")), "{open}");
    }
    let mut watcher = geocast.look("").await;
    watcher.subscribe(json!({})).await;
    let before = watcher.until("snapshot").await;
    assert_eq!(watcher.nodes.len(), 9);
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let (mut geocast, mut gateway) = start(database, SETTINGS).await;
    check(&mut geocast).await;
    // Whoever held all of it is told what is left.
    let mut screen = geocast.look("").await;
    let resume = json!({ "epoch": before["epoch"], "revision": before["revision"] });
    screen.say(json!({ "type": "subscribe", "filter": {}, "resume": resume })).await;
    let after = screen.until("snapshot").await;
    if after["full"] == json!(false) {
        let removed = after["removed"].to_string();
        for number in HIDDEN {
            assert!(removed.contains(&Radio(number).id()), "{after}");
        }
        assert!(after["nodes"].to_string().contains("!00000008"), "{after}");
    }
    // Who watches is told as little as who asks.
    let watchers = Watchers::of(&mut geocast).await;
    for publish in said() {
        gateway.publish(publish);
    }
    gateway.publish(agreeing(Radio(3).at(47.21, 8.31), Some(1)));
    gateway.publish(agreeing(Radio(3).named("Name-3, at the end", "N"), Some(1)));
    for told in watchers.told_until("at the end").await {
        check_text(&told);
    }
    check(&mut geocast).await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    // And with the same policy again.
    let (mut geocast, _) = start(database, SETTINGS).await;
    check(&mut geocast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_shown_is_not_by_any_way_out_over_sqlite() {
    let folder = TempDir::new().unwrap();
    withheld(&database_url(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_shown_is_not_by_any_way_out_over_postgres() {
    let database = Database::create();
    withheld(&database.url).await;
}

/// Of four nodes that heard each other, two are allowed.
#[tokio::test(flavor = "multi_thread")]
async fn where_nodes_are_named_that_may_be_seen_no_other_is_by_any_way_out() {
    let (allowed, others) = ([1, 2], [3, 4]);
    let said = || {
        let mut said = Vec::new();
        for number in 1..5 {
            let place = 47.0 + f64::from(number) / 10.0;
            said.push(Radio(number).named(&format!("Name-{number}"), "N"));
            said.push(Radio(number).at(place, 8.0));
            said.push(Radio(number).text(&format!("words-of-{number}")));
            let neighbors =
                (1..5).map(|node_id| Neighbor { node_id, snr: 4.0, ..Neighbor::default() });
            let info = NeighborInfo {
                node_id: number,
                neighbors: neighbors.collect(),
                ..NeighborInfo::default()
            };
            said.push(Radio(number).says(PortNum::NeighborinfoApp, &info.encode_to_vec()));
            let route = (1..5).filter(|node| *node != number).collect();
            let route = RouteDiscovery { route, ..RouteDiscovery::default() };
            said.push(Radio(number).says(PortNum::TracerouteApp, &route.encode_to_vec()));
        }
        said
    };
    let folder = TempDir::new().unwrap();
    let database = database_url(folder.path());
    let (geocast, mut gateway) = start(&database, OPEN).await;
    for publish in said() {
        gateway.publish(publish);
    }
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let lists = ["--allow-node", "!00000001", "--allow-node", "!00000002"];
    let settings = [OPEN, &lists, &["--cot-listen", "127.0.0.1:0"]].concat();
    let (mut geocast, mut gateway) = start(&database, &settings).await;
    let check = |told: &str| {
        for number in others {
            for secret in
                [Radio(number).id(), format!("Name-{number}"), format!("words-of-{number}")]
            {
                assert!(!told.contains(&secret), "{secret} in {told}");
            }
        }
    };
    let answers = |all: &str| -> String {
        all.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect()
    };
    for live in [false, true] {
        if live {
            let watchers = Watchers::of(&mut geocast).await;
            for publish in said() {
                gateway.publish(publish);
            }
            gateway.publish(Radio(1).at(47.15, 8.1));
            gateway.publish(Radio(1).named("Name-1, at the end", "N"));
            for told in watchers.told_until("at the end").await {
                check(&told);
            }
        }
        let all = answers(&everything(&mut geocast, &others).await);
        check(&all);
        for number in others {
            let (_, told) = geocast.ask(&format!("/api/explain/{}", Radio(number).id())).await;
            assert_ne!(told["verdict"], "shown", "{told}");
            assert!(!told.to_string().contains("6a7e0001"), "where it was heard: {told}");
        }
        for number in allowed {
            for shown in [format!("Name-{number}"), format!("words-of-{number}")] {
                assert!(all.contains(&shown), "no {shown} in {all}");
            }
        }
    }
}
