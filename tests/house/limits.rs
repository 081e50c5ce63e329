//! What one client, one address and all together may ask for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{client::IntoClientRequest, handshake::client::Request},
};

use crate::harness::{
    DEADLINE, Gateway, Geocast, Radio, RawSocket, Screen,
    raw::{FINAL, PING, TEXT, frame},
};

/// A request for a WebSocket on behalf of `address`, as a proxy makes it.
fn on_behalf_of(geocast: &Geocast, address: &str) -> Request {
    let url = format!("ws://{}/api/ws", geocast.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_connections_as_there_may_be() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--max-connections", "2"]).await;
    let first = geocast.look("").await;
    let _second = geocast.look("").await;
    let url = format!("ws://{}/api/ws", geocast.address);
    assert!(connect_async(url).await.is_err());
    drop(first);
    let metrics = geocast.metrics_once_let_in().await;
    let refused = "geocast_connections_refused_total{reason=\"full\"} ";
    let counted = metrics.lines().find_map(|line| line.strip_prefix(refused));
    assert!(counted.is_some_and(|count| count.parse::<u64>().unwrap() >= 1), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_share_of_connections_also_behind_a_proxy() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-connections-per-address", "2", "--trusted-proxy", "127.0.0.1"];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let first = Screen::ask(on_behalf_of(&geocast, "203.0.113.5")).await;
    let _second = Screen::ask(on_behalf_of(&geocast, "198.51.100.7, 203.0.113.5")).await;
    let refused = connect_async(on_behalf_of(&geocast, "203.0.113.5")).await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    let _other = Screen::ask(on_behalf_of(&geocast, "203.0.113.6")).await;
    let _loopback = [geocast.look("").await, geocast.look("").await, geocast.look("").await];
    let counted = "geocast_connections_refused_total{reason=\"address_full\"}";
    assert_eq!(geocast.metric(counted).await, 1);
    drop(first);
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 5).await;
    Screen::ask(on_behalf_of(&geocast, "203.0.113.5")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_trusted_proxy_cannot_name_another_address() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-connections-per-address", "1", "--trusted-proxy", "192.0.2.1"];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let _first = Screen::ask(on_behalf_of(&geocast, "203.0.113.5")).await;
    Screen::ask(on_behalf_of(&geocast, "203.0.113.5")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_much_is_told_when_to_go_on_and_then_hung_up_on() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-messages-per-second", "2", "--message-burst", "5"];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let mut client = RawSocket::open(geocast.address).await;
    assert_eq!(client.hear().await["type"], "hello");
    // All at once: no time passes in which another one would be allowed.
    let ping =
        |id: u8| frame(FINAL | TEXT, json!({ "type": "ping", "id": id }).to_string().as_bytes());
    client.attack(&(0..6).flat_map(ping).collect::<Vec<_>>()).await;
    for id in 0..5 {
        assert_eq!(client.hear().await["id"], id);
    }
    let error = client.hear().await;
    assert_eq!(error["code"], "rate_limited", "{error}");
    let wait = error["retryAfterMs"].as_u64().unwrap();
    assert!((1..=501).contains(&wait), "{error}");
    sleep(Duration::from_millis(wait)).await;
    client.say(&json!({ "type": "ping", "id": 7 })).await;
    assert_eq!(client.hear().await["id"], 7);

    let mut neighbour = geocast.look("").await;
    client.attack(&frame(FINAL | TEXT, br#"{"type":"ping"}"#).repeat(100)).await;
    assert_eq!(client.closed().await, 4429);
    neighbour.say(json!({ "type": "ping", "id": 1 })).await;
    assert_eq!(neighbour.next().await["id"], 1, "others feel nothing");
    assert!(geocast.metric("geocast_client_errors_total{code=\"rate_limited\"}").await > 5);
    let closed = "geocast_ws_closed_total{code=\"4429\",reason=\"rate_limited\"}";
    geocast.metric_becomes(closed, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_of_the_protocol_below_count_as_well() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-messages-per-second", "1", "--message-burst", "5"];
    let geocast = Geocast::with(folder.path(), &settings).await;
    let mut client = RawSocket::open(geocast.address).await;
    client.attack(&frame(FINAL | PING, b"x").repeat(100)).await;
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_an_address_share_what_it_may_say() {
    let folder = TempDir::new().unwrap();
    let settings = [
        ["--max-messages-per-second-per-address", "1"],
        ["--message-burst-per-address", "5"],
        ["--trusted-proxy", "127.0.0.1"],
    ];
    let geocast = Geocast::with(folder.path(), settings.as_flattened()).await;
    let begun = Instant::now();
    let mut screens = Vec::new();
    for _ in 0..2 {
        screens.push(Screen::ask(on_behalf_of(&geocast, "203.0.113.5")).await);
    }
    let mut answered = 0;
    for id in 0..10 {
        let screen = &mut screens[id % 2];
        screen.say(json!({ "type": "ping" })).await;
        answered += u64::from(screen.next().await["code"] != "rate_limited");
    }
    // Five pass less both handshakes, and one a second while this lasts. The answers to the first
    // heartbeats count as well, if they come in between.
    let at_most = 3 + begun.elapsed().as_secs() + 1;
    assert!((1..=at_most).contains(&answered), "{answered} of at most {at_most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_too_many_is_not_acted_upon() {
    let folder = TempDir::new().unwrap();
    let settings = ["--max-subscriptions-per-minute", "1", "--subscription-burst", "2"];
    let mut geocast = Geocast::with(folder.path(), &settings).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("").await;
    let filter = |id: Radio| json!({ "nodeIds": [id.id()] });
    screen.subscribe(filter(Radio(1))).await;
    screen.until("snapshot").await;
    screen.subscribe(filter(Radio(2))).await;
    screen.until("snapshot").await;
    screen.subscribe(filter(Radio(3))).await;
    let error = screen.next().await;
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!(error["retryAfterMs"].as_u64().unwrap() > 1000, "{error}");
    gateway.publish(Radio(3).at(1.0, 1.0));
    gateway.publish(Radio(2).at(1.0, 1.0));
    let enter = screen.until("node_enter").await;
    assert_eq!(enter["nodes"][0]["id"], Radio(2).id(), "what was asked for before stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pans_a_lot_is_never_told_to_stop() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut screen = geocast.look("").await;
    for west in 0..150 {
        let bounds = json!({ "west": west, "east": west + 10, "south": 0, "north": 10 });
        screen.subscribe(json!({ "bounds": bounds })).await;
    }
    screen.say(json!({ "type": "ping" })).await;
    let kinds = |message: &Value| message["type"].as_str().unwrap().to_owned();
    let mut heard = kinds(&screen.next().await);
    while heard != "pong" {
        assert_eq!(heard, "snapshot");
        heard = kinds(&screen.next().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_its_request_is_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--handshake-timeout", "200ms"]).await;
    let head = b"GET /api/ws HTTP/1.1\r\nHost: here\r\nX-Slow: ";
    for sent in [&head[..], b""] {
        let mut slow = TcpStream::connect(geocast.address).await.unwrap();
        slow.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(DEADLINE, slow.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "it is kept open");
    }
    let mut dribble = TcpStream::connect(geocast.address).await.unwrap();
    let dribbling = async { while dribble.write_all(b"x").await.is_ok() {} };
    assert!(timeout(DEADLINE, dribbling).await.is_ok(), "it is kept open");
}

#[test]
fn a_timeout_must_leave_time_for_a_heartbeat() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_geocast"))
        .args(["serve", "--heartbeat", "60s", "--client-timeout", "60s"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--client-timeout must be longer than --heartbeat"), "{text}");
}
