//! REST, health and metrics.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Gateway, Geocast, Radio},
    mosquitto::Mosquitto,
};

async fn with_three_nodes(folder: &TempDir) -> Geocast {
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (number, place) in [(1, (10.0, 10.0)), (2, (20.0, 20.0)), (3, (-17.0, 179.5))] {
        gateway.publish(Radio(number).named(&format!("<b>Node {number}</b>"), "N"));
        gateway.publish(Radio(number).at(place.0, place.1));
    }
    gateway.publish(Radio(2).text("hello"));
    geocast
}

fn ids(page: &Value) -> Vec<&str> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_listed_by_place_time_name_and_page() {
    let folder = TempDir::new().unwrap();
    let geocast = with_three_nodes(&folder).await;
    let all = ["!00000001", "!00000002", "!00000003"];
    let (_, page) = geocast.ask("/api/nodes").await;
    assert_eq!(ids(&page), all);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["nodes"][0]["longName"], "<b>Node 1</b>", "names are data");

    let (_, page) = geocast.ask("/api/nodes?bbox=175,-30,-175,0").await;
    assert_eq!(ids(&page), all[2..]);
    let (_, page) = geocast.ask("/api/nodes?q=node%202").await;
    assert_eq!(ids(&page), all[1..2]);
    let (_, page) = geocast.ask("/api/nodes?since=99999999999999").await;
    assert_eq!(ids(&page), [""; 0]);

    let (_, first) = geocast.ask("/api/nodes?limit=2").await;
    assert_eq!(ids(&first), all[..2]);
    let (_, rest) = geocast
        .ask(&format!("/api/nodes?limit=2&cursor={}", first["next"].as_str().unwrap()))
        .await;
    assert_eq!(ids(&rest), all[2..]);
    assert_eq!(rest["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_as_geojson_with_longitude_first() {
    let folder = TempDir::new().unwrap();
    let geocast = with_three_nodes(&folder).await;
    let answer = geocast.get("/api/nodes?format=geojson").await;
    assert_eq!(answer.headers()["content-type"], "application/geo+json");
    let nodes: Value = answer.json().await.unwrap();
    assert_eq!(nodes["type"], "FeatureCollection");
    assert_eq!(
        nodes["features"][2]["geometry"],
        json!({ "type": "Point", "coordinates": [179.5, -17.0] })
    );
    assert_eq!(nodes["features"][2]["id"], "!00000003");
    let (_, track) = geocast.ask("/api/nodes/!00000001/positions?format=geojson").await;
    assert_eq!(track["features"][0]["geometry"]["coordinates"], json!([10.0, 10.0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_of_all_nodes_are_found_by_place_and_time() {
    let folder = TempDir::new().unwrap();
    let geocast = with_three_nodes(&folder).await;
    let nodes = async |query: &str| {
        let (status, page) = geocast.ask(&format!("/api/positions?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let positions = page["positions"].as_array().unwrap().iter();
        let nodes: Vec<_> =
            positions.map(|position| position["node"].as_str().unwrap().to_owned()).collect();
        (nodes, page["next"].clone())
    };
    let [first, second, third] = ["!00000001", "!00000002", "!00000003"].map(str::to_owned);
    let all = vec![third.clone(), second.clone(), first.clone()];
    assert_eq!(nodes("").await, (all.clone(), Value::Null));
    assert_eq!(nodes("bbox=175,-30,-175,0").await, (vec![third], Value::Null));
    assert_eq!(nodes("bbox=0,0,15,15&to=1").await, (vec![], Value::Null));
    assert_eq!(nodes("bbox=0,0,15,15&from=1").await, (vec![first.clone()], Value::Null));
    let (page, next) = nodes("limit=2").await;
    assert_eq!(page, all[..2]);
    let rest = nodes(&format!("limit=2&cursor={}", next.as_str().unwrap())).await;
    assert_eq!(rest, (vec![first], Value::Null));
    let (_, places) = geocast.ask("/api/positions?bbox=19,19,21,21&format=geojson").await;
    assert_eq!(places["features"][0]["geometry"]["coordinates"], json!([20.0, 20.0]));
    assert_eq!(places["features"][0]["properties"]["node"], second);
    for wrong in ["bbox=1,2", "bbox=0,10,1,5", "cursor=x", "from=soon"] {
        let (status, problem) = geocast.ask(&format!("/api/positions?{wrong}")).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_kept_and_wrong_questions_are_told_so() {
    let folder = TempDir::new().unwrap();
    let geocast = with_three_nodes(&folder).await;
    let (_, messages) = geocast.ask("/api/messages").await;
    assert_eq!(messages["messages"][0]["text"], "hello");
    assert_eq!(messages["messages"][0]["from"], "!00000002");
    for path in ["/api/nodes/!00000001/telemetry", "/api/links"] {
        let (status, page) = geocast.ask(path).await;
        assert_eq!((status, &page["next"]), (200, &Value::Null), "{path}");
    }
    for (path, status) in [
        ("/api/nodes/!000000ff", 404),
        ("/api/nodes?bbox=1,2,3", 400),
        ("/api/nodes?limit=many", 400),
        ("/api/nodes/!00000001/positions?cursor=garbage", 400),
        ("/api/nodes/!00000001/positions?format=shapefile", 400),
    ] {
        let (actual, problem) = geocast.ask(path).await;
        assert_eq!(actual, status, "{path}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_received_is_stored_or_counted_as_refused() {
    let folder = TempDir::new().unwrap();
    let mut geocast = with_three_nodes(&folder).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let (topic, payload) = Radio(1).at(10.0, 10.0);
    gateway.publish_all([
        (topic.as_str(), payload.as_slice()),
        (topic.as_str(), payload.as_slice()),
        (topic.as_str(), &payload[..payload.len() / 2]),
        ("msh/EU_868/2/e/LongFast/!6a7e0002", payload.as_slice()),
        ("weather/station", b"warm".as_slice()),
    ]);
    let metric = async |name: &str| geocast.metric(name).await;
    assert_eq!(metric("geocast_packets_received_total").await, 12);
    assert_eq!(metric("geocast_packets_stored_total").await, 8);
    assert_eq!(metric("geocast_receptions_stored_total").await, 9);
    for reason in ["duplicate", "malformed", "unknown_topic"] {
        let name = format!("geocast_packets_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&name).await, 1, "{reason}");
    }
    geocast.metric_becomes("geocast_nodes", 3).await;
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 0).await;
    let screen = geocast.look("").await;
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 1).await;
    drop(screen);
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_the_broker_that_is_away_and_the_map_goes_on() {
    let folder = TempDir::new().unwrap();
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://geo:s3cret-word@127.0.0.1:{}", mosquitto.port());
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    mosquitto.stop();
    let arguments = ["serve", "--mqtt-url", &url, "--database-url", &database];
    let geocast = Geocast::start(&arguments).await;
    let health = geocast.ask_until("/api/health", |status, _| status == 503).await;
    let problems = health["problems"].to_string();
    assert!(problems.contains("mqtt://127.0.0.1"), "{problems}");
    assert_eq!(geocast.ask("/api/nodes").await.0, 200);

    mosquitto.start_again();
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let mut gateway = Gateway::connect(([127, 0, 0, 1], mosquitto.port()).into());
    let mut screen = geocast.look("?types=node").await;
    gateway.publish(Radio(1).at(1.0, 1.0));
    screen.shows(|screen| screen.nodes.len() == 1).await;
    let everything = format!(
        "{}{problems}{}",
        geocast.log(),
        geocast.get("/metrics").await.text().await.unwrap()
    );
    assert!(!everything.contains("s3cret-word"), "no secret is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_removed_is_noticed() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    assert_eq!(geocast.ask("/api/health").await.0, 200);
    std::fs::remove_file(folder.path().join("geocast.db")).unwrap();
    let (status, health) = geocast.ask("/api/health").await;
    assert_eq!(status, 503);
    assert!(health["problems"][0].as_str().unwrap().contains("removed"), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowed_topics_hold_although_the_broker_kept_the_wider_ones() {
    let folder = TempDir::new().unwrap();
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", mosquitto.port());
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let with = ["serve", "--mqtt-url", &url, "--database-url", &database, "--mqtt-topic"];
    let geocast = Geocast::start(&[&with[..], &["msh/#"]].concat()).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    geocast.stop().await;
    let geocast =
        Geocast::start(&[&with[..], &["msh/US/#", "--mqtt-topic", "msh/EU_868/#"]].concat()).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let mut gateway = Gateway::connect(([127, 0, 0, 1], mosquitto.port()).into());
    let (topic, payload) = Radio(1).at(1.0, 1.0);
    gateway.publish((topic.replace("EU_868", "ANZ"), payload));
    gateway.publish(Radio(2).at(2.0, 2.0));
    geocast.metric_becomes("geocast_packets_stored_total", 1).await;
    assert_eq!(ids(&geocast.ask("/api/nodes").await.1), ["!00000002"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_a_strict_policy() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let (_, config) = geocast.ask("/api/config").await;
    assert_eq!(config["mapStyleUrl"], Value::Null);
    let missing = geocast.get("/assets/none.js").await;
    assert_eq!(missing.status(), 404);
    let page = geocast.get("/").await;
    if page.status() == 404 {
        assert!(page.text().await.unwrap().contains("make web"), "a build without the map says so");
        return;
    }
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && !policy.contains("https:"), "{policy}");
}
