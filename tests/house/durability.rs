//! What was acknowledged is on disk, once, whatever dies.

use std::collections::BTreeSet;

use meshtastic::protobufs::PortNum;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_the_map_at_once() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(10.0, 10.0));
    gateway.publish(Radio(1).text("still here"));
    let (_, before) = geocast.ask("/api/nodes/!00000001").await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let geocast = Geocast::with_broker(folder.path()).await;
    let mut screen = geocast.look("?bbox=9,9,11,11").await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["nodes"], Value::from(vec![before]));
    assert_eq!(snapshot["messages"][0]["text"], "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_node_that_speaks_again_looks_the_same_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let arguments = [
        "serve",
        "--broker-listen",
        "127.0.0.1:0",
        "--database-url",
        &database,
        "--forget-after",
        "3s",
    ];
    let mut geocast = Geocast::start(&arguments).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("?types=node").await;
    gateway.publish(Radio(1).named("Hill", "H"));
    screen.until("node_leave").await;
    gateway.publish(Radio(1).text("back"));
    let (_, before) = geocast.ask("/api/nodes/!00000001").await;
    assert_eq!(before["longName"], Value::Null, "it starts anew");
    geocast.stop().await;
    let geocast = Geocast::start(&arguments[..5]).await;
    let (_, after) = geocast.ask("/api/nodes/!00000001").await;
    assert_eq!(after, before);
}

/// The broker acknowledges only what is on disk, so what a gateway saw acknowledged is there after
/// a kill, and what it sends again because it did not is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_doubled_by_a_kill() {
    let folder = TempDir::new().unwrap();
    let packets: Vec<_> = (1..=400_u32)
        .map(|number| {
            Radio(number % 40 + 1).says_through(0x6a7e_0001, number, PortNum::TextMessageApp, b"x")
        })
        .collect();
    let mut unacknowledged: BTreeSet<usize> = (0..packets.len()).collect();
    for kill_after in [37, 111, 5] {
        let mut geocast = Geocast::with_broker(folder.path()).await;
        let mut gateway = Gateway::connect(geocast.broker().await);
        let sent: Vec<usize> = unacknowledged.iter().copied().collect();
        for index in &sent {
            gateway.send(&packets[*index].0, &packets[*index].1);
        }
        for index in sent.iter().take(kill_after) {
            gateway.acknowledged().unwrap();
            unacknowledged.remove(index);
        }
        geocast.kill();
    }
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    let stored = page["messages"].as_array().unwrap().len();
    assert!(stored >= packets.len() - unacknowledged.len(), "{stored} are there");

    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway
        .publish_all(packets.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice())));
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), packets.len());
    let again = geocast.metric("geocast_packets_refused_total{reason=\"duplicate\"}").await;
    assert_eq!(usize::try_from(again).unwrap(), stored, "those that were there are duplicates");
}
