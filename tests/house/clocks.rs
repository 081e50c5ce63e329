//! Clocks that lie: what they say is stored when it came.

use meshtastic::protobufs::PortNum;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Database, Gateway, Geocast, Radio, answer, database_url, radio::now_seconds};

/// 1970, not set, before any mesh, next year and beyond.
const LIES: [u32; 6] = [0, 1, 86_400, 1_500_000_000, 4_000_000_000, u32::MAX];

#[tokio::test(flavor = "multi_thread")]
async fn packets_from_1970_and_from_the_future_are_stored_and_shown_as_of_now() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let before = i64::from(now_seconds()) * 1000;
    for (node, lie) in (1..).zip(LIES) {
        // The node lies about its position, and the gateway about when it heard a message.
        gateway.publish(Radio(node).at_time(10.0, 10.0, lie));
        gateway.publish(Radio(node).says_at(lie, PortNum::TextMessageApp, b"when?"));
    }
    let after = (i64::from(now_seconds()) + 1) * 1000;
    let is_now = |time: &Value| (before..=after).contains(&time.as_i64().unwrap());
    for (node, lie) in (1..).zip(LIES) {
        let (status, record) = geocast.ask(&format!("/api/nodes/{}", Radio(node).id())).await;
        assert_eq!((status, &record["online"]), (200, &true.into()), "{lie}");
        assert!(is_now(&record["lastHeard"]), "{lie}: {record}");
        assert!(is_now(&record["position"]["time"]), "{lie}: {record}");
    }
    let (_, page) = geocast.ask("/api/messages").await;
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), LIES.len());
    assert!(messages.iter().all(|message| is_now(&message["time"])), "{page}");

    // What goes by age finds an age in every row.
    let mut database = Database::in_folder(folder.path()).await;
    for column in [
        "received_at FROM packets",
        "arrived FROM receptions",
        "time FROM positions",
        "heard FROM positions",
        "time FROM messages",
        "last_heard FROM nodes",
    ] {
        let times: Vec<i64> = database.column(&format!("SELECT {column}")).await;
        assert!(times.len() >= LIES.len(), "{column}");
        let lies: Vec<_> = times.iter().filter(|time| !is_now(&Value::from(**time))).collect();
        assert!(lies.is_empty(), "{column}: {lies:?}");
    }
    let received = geocast.metric("geocast_packets_received_total").await;
    assert_eq!(geocast.metric("geocast_receptions_stored_total").await, received);

    // No lie stays: whoever goes on is shown where it went.
    for (node, lie) in (1..).zip(LIES) {
        gateway.publish(Radio(node).at(11.0, 11.0));
        let (_, record) = geocast.ask(&format!("/api/nodes/{}", Radio(node).id())).await;
        assert_eq!(record["position"]["latitude"], 11.0, "{lie}");
    }
    answer(&["check", "--database-url", &database_url(folder.path())]);
}
