//! Protocol 1 with clients that make mistakes.

use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::harness::{Gateway, Geocast, Radio};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_begins_with_hello_and_survives_every_mistake() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut screen = geocast.look("").await;
    assert_eq!(screen.hello["protocol"], 1);
    assert_eq!(screen.hello["tickMs"], 100);
    assert_eq!(screen.hello["heartbeatMs"], 30_000);
    assert_eq!(screen.hello["timeoutMs"], 60_000);

    let mistakes = [
        (Message::text("{"), "invalid_message"),
        (Message::text(r#"{"type":"dance"}"#), "unknown_type"),
        (Message::text(r#"{"type":"request_snapshot"}"#), "not_subscribed"),
        (Message::binary(vec![0xff, 0x00]), "binary_frame"),
        (
            Message::text(
                r#"{"type":"subscribe","filter":{"bounds":{"north":1,"south":2,"east":0,"west":0}}}"#,
            ),
            "invalid_bounds",
        ),
    ];
    for (mistake, code) in mistakes {
        screen.say_raw(mistake).await;
        assert_eq!(screen.until("error").await["code"], code);
    }
    screen.say(json!({ "type": "ping", "id": 7, "unknown": true })).await;
    assert_eq!(screen.until("pong").await["id"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_hears_nothing_until_it_asks_again() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("").await;
    screen.subscribe(json!({})).await;
    screen.until("snapshot").await;
    screen.say(json!({ "type": "unsubscribe" })).await;
    screen.say(json!({ "type": "ping" })).await;
    screen.until("pong").await;
    gateway.publish(Radio(1).at(1.0, 1.0));
    let mut witness = geocast.look("?types=node").await;
    witness.shows(|screen| !screen.nodes.is_empty()).await;

    screen.say(json!({ "type": "ping", "id": 1 })).await;
    assert_eq!(screen.next().await["type"], "pong", "nothing came in between");
    screen.subscribe(json!({})).await;
    let answer = screen.next().await;
    assert_eq!(answer["full"], true);
    assert_eq!(answer["nodes"].as_array().unwrap().len(), 1);
    screen.say(json!({ "type": "request_snapshot" })).await;
    assert_eq!(screen.next().await["full"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_subscription_in_the_url_is_told_in_words() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    for query in ["?bbox=1,2,3", "?bbox=0,50,10,40", "?types=weather", "?bbox=nan,0,1,1"] {
        let url = format!("ws://{}/api/ws{query}", geocast.address);
        let refused = tokio_tungstenite::connect_async(url).await.unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("400"), "{query}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_the_server_says_goodbye_to_everybody() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("?types=node,position").await;
    screen.until("snapshot").await;
    gateway.publish(Radio(1).at(1.0, 1.0));
    let (status, log) = geocast.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let close = screen.closed().await.expect("a close frame");
    assert_eq!(u16::from(close.code), 1001);
    assert_eq!(screen.nodes.len(), 1, "the last batch came before the goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_does_not_hold_up_the_stop() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let nodes: Vec<_> =
        (1..=500).map(|number| Radio(number).named(&"x".repeat(200), "x")).collect();
    gateway.publish_all(nodes.iter().map(|(topic, payload)| (topic.as_str(), &payload[..])));
    // More than the socket buffers hold, asked for and never read.
    let mut deaf = TcpStream::connect(geocast.address).await.unwrap();
    let requests = "GET /api/nodes HTTP/1.1\r\nHost: here\r\n\r\n".repeat(200);
    deaf.write_all(requests.as_bytes()).await.unwrap();
    let mut half = TcpStream::connect(geocast.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut stalled = geocast.look("?bbox=-180,-90,180,90").await;
    for _ in 0..200 {
        stalled.say(json!({ "type": "request_snapshot" })).await;
    }
    let (status, log) = geocast.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_ends_with_a_code_that_says_not_to_come_back() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut screen = geocast.look("").await;
    screen.say_raw(Message::text("x".repeat(100_000))).await;
    let close = screen.closed().await.expect("a close frame");
    assert_eq!(u16::from(close.code), 4500);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_answered() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut screen = geocast.look("").await;
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "enough".into() };
    screen.say_raw(Message::Close(Some(goodbye.clone()))).await;
    assert_eq!(screen.closed().await, Some(goodbye), "the goodbye comes back");
}
