//! Clients that mean no good.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    Geocast, RawSocket,
    raw::{CONTINUATION, FINAL, PING, TEXT, frame},
};

const RESERVED_BIT: u8 = 0x40;
const UNKNOWN_KIND: u8 = 0x3;

fn code(reason: &str) -> u16 {
    match reason {
        "protocol" => 1002,
        "not_utf8" => 1007,
        _ => 4500,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_connection_and_nobody_elses() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut neighbour = geocast.look("").await;
    let text = FINAL | TEXT;
    let announced = |bytes: u64| [&[text, 0xff][..], &bytes.to_be_bytes(), &[0; 4]].concat();
    let fragments = |first: &[u8], rest: &[u8], count: usize| {
        [frame(TEXT, first), frame(CONTINUATION, rest).repeat(count)].concat()
    };
    let attacks = [
        ("too_long", frame(text, &vec![b'x'; 16 * 1024 + 1])),
        ("too_long", announced(u64::MAX)),
        ("too_long", announced(1 << 40)),
        ("too_long", fragments(b"", &[b'x'; 1000], 17)),
        ("too_long", fragments(b"", b"", 100_000)),
        ("not_utf8", frame(text, b"\xff\xfe")),
        ("not_utf8", frame(text, b"\xed\xa0\x80")),
        ("protocol", frame(text | RESERVED_BIT, b"{}")),
        ("protocol", frame(FINAL | UNKNOWN_KIND, b"{}")),
        ("protocol", frame(FINAL | CONTINUATION, b"{}")),
        ("protocol", frame(PING, b"")),
        ("protocol", frame(FINAL | PING, &[0; 126])),
        ("protocol", [frame(TEXT, b"{"), frame(text, b"}")].concat()),
        ("protocol", vec![text, 2, b'{', b'}']),
    ];
    for (attack, (reason, bytes)) in attacks.iter().enumerate() {
        let mut socket = RawSocket::open(geocast.address).await;
        socket.attack(bytes).await;
        assert_eq!(socket.closed().await, code(reason), "attack {attack}: {reason}");
        neighbour.say(json!({ "type": "ping", "id": attack })).await;
        assert_eq!(neighbour.next().await["id"], attack);
    }
    for (reason, count) in [("too_long", 5), ("not_utf8", 2), ("protocol", 7)] {
        let code = code(reason);
        let name = format!("geocast_ws_closed_total{{code=\"{code}\",reason=\"{reason}\"}}");
        geocast.metric_becomes(&name, count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_means_nothing_is_answered_counted_and_survived() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut socket = RawSocket::open(geocast.address).await;
    assert_eq!(socket.hear().await["type"], "hello");
    let deep = format!(
        r#"{{"type":"subscribe","filter":{}{}}}"#,
        r#"{"bounds":"#.repeat(1000),
        "}".repeat(1000)
    );
    let bounds = |bounds: &str| format!(r#"{{"type":"subscribe","filter":{{"bounds":{bounds}}}}}"#);
    let ids = |id: &str| format!(r#"{{"type":"subscribe","filter":{{"nodeIds":["{id}"]}}}}"#);
    let mistakes = [
        (deep, "invalid_message"),
        ("[".repeat(16 * 1024), "invalid_message"),
        (bounds(r#"{"north":NaN,"south":0,"east":1,"west":0}"#), "invalid_message"),
        (bounds(r#"{"north":Infinity,"south":0,"east":1,"west":0}"#), "invalid_message"),
        (bounds(r#"{"north":1e999,"south":0,"east":1,"west":0}"#), "invalid_message"),
        (bounds(r#"{"north":1e308,"south":0,"east":1,"west":0}"#), "invalid_bounds"),
        (bounds(r#"{"north":0,"south":1,"east":1,"west":0}"#), "invalid_bounds"),
        (bounds(r#"{"north":1,"south":0,"east":181,"west":0}"#), "invalid_bounds"),
        (ids(&"x".repeat(10_000)), "invalid_node_ids"),
        ("\0".to_owned(), "invalid_message"),
        (String::new(), "invalid_message"),
    ];
    for (mistake, code) in &mistakes {
        socket.send(FINAL | TEXT, mistake.as_bytes()).await;
        let error = socket.hear().await;
        let start = &mistake[..mistake.len().min(80)];
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{start}");
    }
    socket.say(&json!({ "type": "ping", "id": 7 })).await;
    assert_eq!(socket.hear().await["id"], 7);
    for (code, count) in [("invalid_message", 7), ("invalid_bounds", 3), ("invalid_node_ids", 1)] {
        let name = format!("geocast_client_errors_total{{code=\"{code}\"}}");
        assert_eq!(geocast.metric(&name).await, count, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_come_in_pieces_with_pings_between_them() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut socket = RawSocket::open(geocast.address).await;
    assert_eq!(socket.hear().await["type"], "hello");
    let message = json!({ "type": "ping", "id": 7, "ignored": "x".repeat(1000) }).to_string();
    let mut bytes = frame(TEXT, b"");
    for (index, byte) in message.bytes().enumerate() {
        bytes.extend(frame(CONTINUATION, &[byte]));
        if index % 100 == 0 {
            bytes.extend(frame(FINAL | PING, b"?"));
        }
    }
    bytes.extend(frame(FINAL | CONTINUATION, b""));
    socket.attack(&bytes).await;
    assert_eq!(socket.hear().await["id"], 7);
}
