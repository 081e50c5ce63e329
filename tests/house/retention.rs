//! How long histories are kept, from outside.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio};

fn removed(table: &str, reason: &str) -> String {
    format!("geocast_rows_removed_total{{table=\"{table}\",reason=\"{reason}\"}}")
}

fn rows(table: &str) -> String {
    format!("geocast_history_rows{{table=\"{table}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn old_history_is_removed_and_the_map_stays() {
    let folder = TempDir::new().unwrap();
    let settings = ["--keep-positions", "3s", "--keep-links", "0"];
    let mut geocast = Geocast::with(folder.path(), &settings).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(10.0, 10.0));
    gateway.publish(Radio(1).text("hello"));
    let (_, before) = geocast.ask("/api/nodes/!00000001").await;
    let gone = |status, page: &Value| status == 200 && page["positions"] == Value::from([(); 0]);
    geocast.ask_until("/api/nodes/!00000001/positions", gone).await;
    geocast.ask_until("/api/positions?bbox=9,9,11,11", gone).await;
    geocast.metric_becomes(&removed("positions", "age"), 1).await;
    geocast.metric_becomes(&rows("positions"), 0).await;
    geocast.metric_becomes(&rows("packets"), 2).await;
    let (_, messages) = geocast.ask("/api/messages").await;
    assert_eq!(messages["messages"][0]["text"], "hello", "this is kept for longer");
    assert_eq!(geocast.metric(&removed("packets", "age")).await, 0);
    let (_, after) = geocast.ask("/api/nodes/!00000001").await;
    assert_eq!(after, before);
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let geocast = Geocast::with(folder.path(), &settings).await;
    let (_, after) = geocast.ask("/api/nodes/!00000001").await;
    assert_eq!(after["position"], before["position"], "a restart shows the same map");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_known_within_its_window_however_short_packets_are_kept() {
    let folder = TempDir::new().unwrap();
    let settings = ["--keep-packets", "1s", "--keep-messages", "1s"];
    let mut geocast = Geocast::with(folder.path(), &settings).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let said = Radio(1).text("once");
    gateway.publish(said.clone());
    geocast.metric_becomes(&removed("messages", "age"), 1).await;
    gateway.publish(said);
    geocast.metric_becomes("geocast_packets_refused_total{reason=\"duplicate\"}", 1).await;
    assert_eq!(geocast.metric("geocast_packets_stored_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_too_large_loses_its_oldest_history() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let texts: Vec<_> = (0..500).map(|n| Radio(1).text(&format!("{n:0200}"))).collect();
    gateway.publish_all(texts.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice())));
    geocast.stop().await;

    let before = std::fs::metadata(folder.path().join("geocast.db")).unwrap().len();
    let ceiling = (before * 7 / 8).to_string();
    let settings = ["--max-database-bytes", &ceiling];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let held = |_, health: &Value| health["status"] == "ok";
    geocast.ask_until("/api/health", held).await;
    let told =
        |_, stats: &Value| stats["now"]["databaseUsedBytes"].as_u64().is_some_and(|used| used > 0);
    let stats = geocast.ask_until("/api/stats", told).await;
    let used = stats["now"]["databaseUsedBytes"].as_u64().unwrap();
    assert!(used <= before * 7 / 8, "{used} of {before}");
    let lost = geocast.metric(&removed("messages", "size")).await;
    assert!(lost > 0);
    let (_, page) = geocast.ask("/api/messages?limit=10000").await;
    let kept = page["messages"].as_array().unwrap();
    assert_eq!(kept.len() as u64 + lost, 500);
    assert_eq!(kept[0]["text"], format!("{:0200}", 499), "the newest stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_a_ceiling_that_cannot_be_held() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--max-database-bytes", "1kB"]).await;
    let health = geocast.ask_until("/api/health", |status, _| status == 503).await;
    let problems = health["problems"].to_string();
    assert!(problems.contains("retention") && problems.contains("too large"), "{problems}");
    assert_eq!(geocast.ask("/api/nodes").await.0, 200, "the map goes on");
}
