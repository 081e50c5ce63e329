//! Clients that do not take what they are sent.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use crate::harness::{
    EventSource, Gateway, Geocast, Radio, RawSocket,
    raw::{FINAL, PONG, connect},
};

/// More nodes than the sockets on the way hold.
const NODES: u32 = 800;

async fn full_house(folder: &TempDir, settings: &[&str]) -> (Geocast, Gateway) {
    let mut geocast = Geocast::with(folder.path(), settings).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    // Each is more than 1 KB of JSON.
    let name = "\"".repeat(256);
    let nodes: Vec<_> = (1..=NODES).map(|number| Radio(number).named(&name, &name)).collect();
    gateway.publish_all(nodes.iter().map(|(topic, payload)| (topic.as_str(), &payload[..])));
    (geocast, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_given_up_however_much_it_says_and_finds_out_why() {
    let folder = TempDir::new().unwrap();
    let settings = ["--heartbeat", "100ms", "--client-timeout", "600ms"];
    let (geocast, _gateway) = full_house(&folder, &settings).await;
    let mut stalled = RawSocket::open(geocast.address).await;
    stalled.say(&json!({ "type": "subscribe" })).await;
    let talking = async {
        loop {
            stalled.send(FINAL | PONG, b"").await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let closed = "geocast_ws_closed_total{code=\"4408\",reason=\"timed_out\"}";
    tokio::select! {
        () = talking => unreachable!(),
        () = geocast.metric_becomes(closed, 1) => {}
    }
    assert_eq!(stalled.closed().await, 4408);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wakes_up_too_late_is_gone() {
    let folder = TempDir::new().unwrap();
    let settings = ["--heartbeat", "100ms", "--client-timeout", "300ms"];
    let (geocast, _gateway) = full_house(&folder, &settings).await;
    let mut stalled = RawSocket::open(geocast.address).await;
    stalled.say(&json!({ "type": "subscribe" })).await;
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 1).await;
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 0).await;
    geocast.metric_becomes("geocast_http_connections", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_answers_is_given_up() {
    let folder = TempDir::new().unwrap();
    let settings = ["--heartbeat", "100ms", "--client-timeout", "300ms"];
    let (geocast, _gateway) = full_house(&folder, &settings).await;
    let mut deaf = connect(geocast.address).await;
    let request = "GET /api/nodes?limit=1000 HTTP/1.1\r\nHost: here\r\n\r\n";
    deaf.write_all(request.repeat(100).as_bytes()).await.unwrap();
    geocast.metric_becomes("geocast_http_connections", 2).await;
    geocast.metric_becomes("geocast_http_connections", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_taken_the_last_picture_may_move_on_and_gets_only_the_last_one() {
    let folder = TempDir::new().unwrap();
    let (geocast, _gateway) = full_house(&folder, &["--write-budget", "1"]).await;
    let mut stalled = RawSocket::open(geocast.address).await;
    stalled.say(&json!({ "type": "subscribe" })).await;
    while stalled.hear().await["type"] != "snapshot" {}
    stalled.say(&json!({ "type": "ping", "id": 7 })).await;
    for number in 1..=20 {
        let filter = json!({ "nodeIds": [Radio(number).id()] });
        stalled.say(&json!({ "type": "subscribe", "filter": filter })).await;
    }
    stalled.say(&json!({ "type": "dance" })).await;
    // It has been heard to the end, although it has taken next to nothing.
    geocast.metric_becomes("geocast_client_errors_total{code=\"unknown_type\"}", 1).await;

    let mut heard = Vec::new();
    let of_last_move = |message: &Value| message["full"] == false && message["more"] == false;
    while !heard.last().is_some_and(of_last_move) {
        heard.push(stalled.hear().await);
    }
    let place = |wanted: &dyn Fn(&Value) -> bool| heard.iter().position(wanted).unwrap();
    let first_picture = place(&|message| message["full"] == true && message["more"] == false);
    assert!(place(&|message| message["type"] == "pong") < first_picture, "answers go between");
    let pictures = heard.iter().filter(|message| message["more"] == false).count();
    assert_eq!(pictures, 2, "of the moves only the last one is answered");
    let removed = heard.iter().filter_map(|message| message["removed"].as_array()).flatten();
    let removed: Vec<_> = removed.collect();
    assert_eq!(removed.len(), NODES as usize - 1);
    assert!(!removed.contains(&&json!(Radio(20).id())), "that is where it moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_is_served_to_the_end() {
    let folder = TempDir::new().unwrap();
    let settings = ["--heartbeat", "100ms", "--client-timeout", "500ms"];
    let (geocast, _gateway) = full_house(&folder, &settings).await;
    let mut slow = RawSocket::open(geocast.address).await;
    slow.say(&json!({ "type": "subscribe" })).await;
    // Far longer than the timeout in all, and never for as long without a byte.
    let (mut taken, mut part) = (0, [0; 16 << 10]);
    while taken < 500 << 10 {
        let bytes = slow.stream.read(&mut part).await.unwrap();
        assert!(bytes > 0, "it is hung up on");
        taken += bytes;
        sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(geocast.metric("geocast_connections{transport=\"ws\"}").await, 1);
    let closed = "geocast_ws_closed_total{code=\"4408\",reason=\"timed_out\"}";
    assert_eq!(geocast.metric(closed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_events_is_given_up() {
    let folder = TempDir::new().unwrap();
    let settings = ["--heartbeat", "100ms", "--client-timeout", "300ms"];
    let (geocast, _gateway) = full_house(&folder, &settings).await;
    let mut deaf = connect(geocast.address).await;
    deaf.write_all(b"GET /api/events HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    geocast.metric_becomes("geocast_sse_timed_out_total", 1).await;
    geocast.metric_becomes("geocast_connections{transport=\"sse\"}", 0).await;
    geocast.metric_becomes("geocast_http_connections", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_events_keeps_its_cursor_and_catches_up_in_one_go() {
    const MOVES: u32 = 40;
    let folder = TempDir::new().unwrap();
    let (geocast, mut gateway) = full_house(&folder, &[]).await;
    let mut stalled = EventSource::connect(geocast.address, "/api/events").await;
    // The picture is taken, and the rest of it waits.
    assert_eq!(stalled.until("snapshot").await["more"], true);
    let mut prompt = geocast.look("?types=position").await;
    for step in 1..=MOVES {
        gateway.publish(Radio(1).at(f64::from(step), 10.0));
    }
    let moved = |node: &Value| node["position"]["latitude"] == f64::from(MOVES);
    prompt.shows(|screen| screen.nodes.get(&Radio(1).id()).is_some_and(moved)).await;
    let lags = |stats: &Value| stats["connections"][0]["lagRevisions"].as_u64();
    let stats = geocast.ask_until("/api/stats", |_, stats| lags(stats) >= Some(u64::from(MOVES)));
    let stats = stats.await;
    assert_eq!(stats["connections"][0]["transport"], "sse");

    let mut positions = 0;
    while !stalled.nodes.get(&Radio(1).id()).is_some_and(moved) {
        let message = stalled.next().await;
        positions += usize::from(message["type"] != "snapshot" && message["type"] != "hello");
    }
    assert!(positions <= 2, "the moves were merged, not queued: {positions}");
    assert_eq!(stalled.nodes.len(), NODES as usize);
}
