//! What operators see of the server and of its clients.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{EventSource, Gateway, Geocast, Radio};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_who_is_connected_and_what_was_sent() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("").await;
    let filter = json!({
        "bounds": { "north": 11.0, "south": 9.0, "east": 11.0, "west": 9.0 },
        "alsoIds": ["!00000007"],
        "messageTypes": ["position", "status"],
    });
    screen.subscribe(filter.clone()).await;
    screen.until("snapshot").await;
    let mut events = EventSource::connect(geocast.address, "/api/events?cells=3").await;
    events.until("snapshot").await;
    gateway.publish(Radio(1).at(10.0, 10.0));
    screen.until("node_enter").await;
    events.until("cell_update").await;

    let stats = geocast.ask_until("/api/stats", |_, stats| {
        stats["percentiles"]["tickToSocketMs"]["count"].as_u64().is_some_and(|count| count >= 4)
    });
    let stats = stats.await;
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(stats["epoch"], screen.hello["epoch"]);
    assert_eq!(stats["revision"], screen.revision);
    assert!(stats["uptimeSeconds"].as_u64().unwrap() < 60);
    assert_eq!(stats["now"]["nodes"], 1);
    assert_eq!(stats["now"]["connections"], json!({ "sse": 1, "ws": 1 }));
    assert_eq!(stats["totals"]["packetsStored"], 1);
    assert_eq!(stats["totals"]["messagesSent"]["node_enter"], 1);
    assert_eq!(stats["totals"]["messagesSent"]["hello"], 2);
    assert_eq!(stats["totals"]["messagesReceived"], json!({ "subscribe": 1 }));
    assert_eq!(stats["totals"]["enters"], 1);
    assert!(stats["perSecond"]["packetsStored"].as_f64().unwrap() > 0.0);
    let commit = &stats["percentiles"]["arrivalToCommitMs"];
    assert_eq!(commit["count"], 1);
    assert!(commit["p99"].as_f64().unwrap() > 0.0, "{commit}");

    let [ws, sse] = stats["connections"].as_array().unwrap().as_slice() else {
        panic!("two are connected: {stats}");
    };
    assert_eq!((&ws["transport"], &sse["transport"]), (&json!("ws"), &json!("sse")));
    assert_eq!((&ws["filter"], &sse["filter"]), (&filter, &json!({ "cells": { "zoom": 3 } })));
    assert_eq!((&ws["encoding"], &ws["address"]), (&json!("json"), &json!("127.0.0.1")));
    assert_eq!((&ws["messagesReceived"], &ws["lagRevisions"]), (&json!(1), &json!(0)));
    assert!(ws["framesSent"].as_u64().unwrap() >= 3, "{ws}");
    assert!(ws["bytesSent"].as_u64().unwrap() > 200, "{ws}");
    assert!(ws["since"].as_i64().unwrap() >= stats["startedAt"].as_i64().unwrap());

    drop((screen, events));
    for transport in ["ws", "sse"] {
        let open = format!("geocast_connections{{transport=\"{transport}\"}}");
        geocast.metric_becomes(&open, 0).await;
    }
    assert_eq!(geocast.ask("/api/stats").await.1["connections"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_the_numbers_without_who_is_connected() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    assert!(geocast.ask("/api/stats").await.1["connections"].is_array(), "from this machine");
    let headers =
        [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=x"), ("host", "map.example")];
    for header in headers {
        let stats = geocast.ask_with("/api/stats", header).await;
        assert_eq!(stats["connections"], Value::Null, "{header:?}");
        assert_eq!(stats["now"]["nodes"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_a_token_only_who_says_it_sees_who_is_connected() {
    const TOKEN: &str = "s3cret-word";
    let arguments = ["demo", "--broker-listen", "127.0.0.1:0", "--admin-token", TOKEN];
    let geocast = Geocast::start(&arguments).await;
    assert_eq!(geocast.ask("/api/stats").await.1["connections"], Value::Null);
    let said = |token: &str| format!("Bearer {token}");
    let wrong = geocast.ask_with("/api/stats", ("authorization", &said("s3cret-ward"))).await;
    assert_eq!(wrong["connections"], Value::Null);
    let stats = geocast.ask_with("/api/stats", ("authorization", &said(TOKEN))).await;
    assert!(stats["connections"].is_array());
    assert!(!format!("{stats}{}", geocast.log()).contains(TOKEN), "no secret is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_counted_as_resumed_or_refused() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut events = EventSource::connect(geocast.address, "/api/events").await;
    events.until("snapshot").await;
    events.reconnect().await;
    events.until("snapshot").await;
    events.last_event_id = "another:1".to_owned();
    events.reconnect().await;
    events.until("snapshot").await;
    for (name, expected) in [("resumed", 1), ("resumes_refused", 1), ("snapshots", 2)] {
        assert_eq!(geocast.metric(&format!("geocast_{name}_total")).await, expected, "{name}");
    }
}
