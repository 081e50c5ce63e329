//! A packet that makes every commit fail: it is set aside, and holds up no other.

use std::path::Path;

use meshtastic::protobufs::PortNum;
use tempfile::TempDir;

use crate::harness::{Database, Gateway, Geocast, Radio};

/// A geocast whose database raises where a text is poison.
async fn poisoned(folder: &Path) -> Geocast {
    let geocast = Geocast::with_broker(folder).await;
    let trigger = "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.text = 'poison' \
        BEGIN SELECT RAISE(ABORT, 'the well is poisoned'); END";
    Database::in_folder(folder).await.execute(trigger).await;
    geocast
}

fn times(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_packet_is_acknowledged_and_set_aside_and_the_others_are_on_the_map() {
    let folder = TempDir::new().unwrap();
    let mut geocast = poisoned(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let packets: Vec<_> = (1..=60_u32)
        .map(|number| {
            let text: &[u8] = if number % 20 == 3 { b"poison" } else { b"water" };
            Radio(number).says_through(0x6a7e_0001, number, PortNum::TextMessageApp, text)
        })
        .collect();
    let messages = || packets.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
    gateway.publish_all(messages());
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 57);
    let mut database = Database::in_folder(folder.path()).await;
    let reasons: Vec<String> = database.column("SELECT DISTINCT reason FROM quarantine").await;
    assert_eq!(reasons, ["the well is poisoned"]);
    let ids: Vec<i64> = database.column("SELECT packet_id FROM quarantine ORDER BY 1").await;
    assert_eq!(ids, [3, 23, 43]);
    let payloads: Vec<Vec<u8>> = database.column("SELECT DISTINCT payload FROM quarantine").await;
    assert_eq!(payloads, [b"poison"]);

    // What came at all is what was stored, what was set aside, and what was there before.
    let quarantined = "geocast_packets_refused_total{reason=\"quarantined\"}";
    let duplicate = "geocast_packets_refused_total{reason=\"duplicate\"}";
    geocast.metric_becomes(quarantined, 3).await;
    assert_eq!(geocast.metric("geocast_receptions_stored_total").await, 57);
    assert_eq!(geocast.metric("geocast_packets_received_total").await, 60);
    assert_eq!(geocast.metric("geocast_commit_failures_total").await, 0);
    gateway.publish_all(messages());
    geocast.metric_becomes(quarantined, 6).await;
    geocast.metric_becomes(duplicate, 57).await;
    assert_eq!(database.number("SELECT count(*) FROM quarantine").await, 3);
    let (_, shown) = geocast.ask("/api/stats").await;
    assert_eq!(shown["totals"]["packetsRefused"]["quarantined"], 6);
    let (status, health) = geocast.ask("/api/health").await;
    assert_eq!(status, 200, "{health}");
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    assert_eq!(times(&log, "on port 1 aside: the well is poisoned"), 3, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_packet_that_comes_again_by_another_gateway_is_set_aside_again() {
    let folder = TempDir::new().unwrap();
    let mut geocast = poisoned(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let copy = |gateway| Radio(1).says_through(gateway, 9, PortNum::TextMessageApp, b"poison");
    gateway.publish(copy(0x6a7e_0001));
    gateway.publish(copy(0x6a7e_0002));
    gateway.publish(Radio(2).text("water"));
    let mut database = Database::in_folder(folder.path()).await;
    let gateways: Vec<String> = database.column("SELECT gateway FROM quarantine ORDER BY id").await;
    assert_eq!(gateways, ["!6a7e0001", "!6a7e0002"]);
    let (_, page) = geocast.ask("/api/messages").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    let (_, log) = geocast.stop().await;
    assert_eq!(times(&log, "set packet 9 of !00000001"), 1, "it is said once: {log}");
}
