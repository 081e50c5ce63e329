//! A capture of a real mesh with its ground truth, through both brokers.

use std::{collections::BTreeMap, net::SocketAddr, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Geocast, Screen, shared},
    mosquitto::Mosquitto,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_real_capture_through_mosquitto_shows_the_truth() {
    let folder = TempDir::new().unwrap();
    let mosquitto = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0");
    let url = format!("mqtt://127.0.0.1:{}", mosquitto.port());
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let arguments = ["serve", "--mqtt-url", &url, "--database-url", &database];
    let geocast = Geocast::start(&arguments).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let broker = ([127, 0, 0, 1], mosquitto.port()).into();
    replay_and_compare(geocast, broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_capture_through_the_embedded_broker_shows_the_truth() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let broker = geocast.broker().await;
    replay_and_compare(geocast, broker).await;
}

async fn replay_and_compare(geocast: Geocast, broker: SocketAddr) {
    let (Some(capture), Some(truth)) =
        (shared("data/real-mesh.mpk"), shared("data/real-mesh.json"))
    else {
        return;
    };
    let truth: Value = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
    let mut screen = geocast.look("?types=node,position,telemetry,status").await;
    let url = format!("mqtt://{broker}");
    let replay = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_geocast"))
            .arg("replay")
            .arg(capture)
            .args(["--mqtt-url", &url, "--qos", "1"])
            .output()
            .unwrap()
    });
    let expected = truth["nodes"].as_object().unwrap();
    screen.shows(|screen| screen.nodes.len() == expected.len()).await;
    let replay = replay.await.unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let summary = String::from_utf8(replay.stdout).unwrap();
    assert!(summary.starts_with(&format!("published {}", truth["published"])), "{summary}");

    geocast.metric_becomes("geocast_packets_received_total", number(&truth["published"])).await;
    let no_key = geocast.metric("geocast_packets_refused_total{reason=\"no_key\"}").await;
    let stored = number(&truth["unique"]) - number(&truth["undecryptable"]);
    geocast.metric_becomes("geocast_packets_stored_total", stored).await;
    let receptions = number(&truth["published"]) - no_key;
    geocast.metric_becomes("geocast_receptions_stored_total", receptions).await;

    let records = all_nodes(&geocast).await;
    assert_eq!(records.len(), expected.len());
    for (id, truth) in expected {
        compare(id, &records[id], truth);
        compare_history(&geocast, id, truth).await;
    }
    holds_the_same(&mut screen, &geocast, &records).await;
}

/// The screen was there from the first packet, and holds what a snapshot at the end shows.
async fn holds_the_same(screen: &mut Screen, geocast: &Geocast, records: &BTreeMap<String, Value>) {
    let mut fresh = geocast.look("?types=node,position,telemetry,status").await;
    fresh.shows(|fresh| fresh.nodes.len() == records.len()).await;
    let revision = fresh.revision;
    screen.say(json!({ "type": "ping" })).await;
    screen.until("pong").await;
    assert!(screen.revision <= revision);
    assert_eq!(screen.nodes, fresh.nodes);
    assert_eq!(&fresh.nodes, records);
}

pub(crate) async fn all_nodes(geocast: &Geocast) -> BTreeMap<String, Value> {
    let mut records = BTreeMap::new();
    let mut path = "/api/nodes?limit=400".to_owned();
    loop {
        let (_, page) = geocast.ask(&path).await;
        for record in page["nodes"].as_array().unwrap() {
            records.insert(record["id"].as_str().unwrap().to_owned(), record.clone());
        }
        let Some(next) = page["next"].as_str() else { return records };
        path = format!("/api/nodes?limit=400&cursor={next}");
    }
}

/// Truth: user [long, short, hardware], position [latitude e7, longitude e7, altitude, precision
/// bits, time], battery, neighbours.
pub(crate) fn compare(id: &str, record: &Value, truth: &Value) {
    if let Some(user) = truth.get("user") {
        let shown = json!([record["longName"], record["shortName"], record["hwModel"]]);
        assert_eq!(&shown, user, "{id}");
    }
    if let Some(position) = truth.get("position") {
        let shown = &record["position"];
        #[expect(clippy::cast_possible_truncation, reason = "places on Earth fit")]
        let e7 = |degrees: &Value| (degrees.as_f64().unwrap() * 1e7).round() as i64;
        let place = json!([e7(&shown["latitude"]), e7(&shown["longitude"])]);
        assert_eq!(place, json!([position[0], position[1]]), "{id}");
        let altitude = shown["altitude"].as_i64().unwrap_or_default();
        assert_eq!(
            json!([altitude, shown["precisionBits"]]),
            json!([position[2], position[3]]),
            "{id}"
        );
        if position[4] != 0 {
            assert_eq!(number(&shown["time"]), number(&position[4]) * 1000, "{id}");
        }
    }
    if let Some(battery) = truth.get("battery") {
        assert_eq!(&record["telemetry"]["batteryLevel"], battery, "{id}");
    }
    if let Some(neighbours) = truth.get("neighbors") {
        let links = record["links"].as_array().unwrap();
        let mut shown: Vec<_> = links.iter().map(|link| link["id"].as_str().unwrap()).collect();
        shown.sort_unstable();
        assert_eq!(&json!(shown), neighbours, "{id}");
    }
}

pub(crate) async fn compare_history(geocast: &Geocast, id: &str, truth: &Value) {
    for kind in ["positions", "telemetry"] {
        if let Some(count) = truth.get(kind) {
            let (_, page) = geocast.ask(&format!("/api/nodes/{id}/{kind}?limit=1000")).await;
            assert_eq!(json!(page[kind].as_array().unwrap().len()), *count, "{kind} of {id}");
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
