//! What Autobahn's suite sends to an echo, sent to the live conversation while somebody looks on.

use tempfile::TempDir;

use crate::harness::{
    Gateway, Geocast, Radio, RawSocket,
    raw::{CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, frame},
};

const BINARY: u8 = 0x2;
const RESERVED_BITS: [u8; 3] = [0x40, 0x20, 0x10];
const RESERVED_KINDS: [u8; 10] = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf];

const VIOLATION: u16 = 1002;
const NOT_UTF8: u16 = 1007;

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FINAL | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What no client may send: what is wrong with it, the code that it ends with, and the bytes.
fn violations() -> Vec<(String, u16, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |code, fault: String, bytes| all.push((fault, code, bytes));
    for bit in RESERVED_BITS {
        add(VIOLATION, format!("reserved bit {bit:#x}"), frame(FINAL | TEXT | bit, b"{}"));
        add(
            VIOLATION,
            format!("a ping with reserved bit {bit:#x}"),
            frame(FINAL | PING | bit, b""),
        );
    }
    for kind in RESERVED_KINDS {
        add(VIOLATION, format!("unknown kind {kind:#x}"), frame(FINAL | kind, b""));
    }
    for kind in [PING, PONG, CLOSE] {
        add(VIOLATION, format!("long control frame {kind:#x}"), frame(FINAL | kind, &[b'x'; 126]));
        add(VIOLATION, format!("control frame in fragments {kind:#x}"), frame(kind, b""));
    }
    for (fault, frames) in [
        ("a continuation of nothing", vec![frame(FINAL | CONTINUATION, b"{}")]),
        ("an open continuation of nothing", vec![frame(CONTINUATION, b"{}")]),
        ("a message in a message", vec![frame(TEXT, b"{"), frame(FINAL | TEXT, b"}")]),
        ("bytes in a text", vec![frame(TEXT, b"{"), frame(FINAL | BINARY, b"}")]),
        ("half a close code", vec![frame(FINAL | CLOSE, b"\x03")]),
    ] {
        add(VIOLATION, fault.to_owned(), frames.concat());
    }
    for (fault, text) in [
        ("a surrogate", &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"[..]),
        ("half a character", b"\xf0\x9f\x9b"),
        ("an overlong character", b"\xc0\xaf"),
        ("beyond Unicode", b"\xf4\x90\x80\x80"),
    ] {
        add(NOT_UTF8, fault.to_owned(), frame(FINAL | TEXT, text));
        let (first, rest) = text.split_at(1);
        let pieces = [frame(TEXT, first), frame(FINAL | CONTINUATION, rest)];
        add(NOT_UTF8, format!("{fault}, in fragments"), pieces.concat());
    }
    add(NOT_UTF8, "a close reason not UTF-8".to_owned(), close(1000, b"\xce\xba\xe1\xbd\xff"));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_violation_ends_with_its_code_and_others_are_told_of_nodes_as_before() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut bystander = geocast.look("?bbox=-180,-90,180,90").await;
    bystander.until("snapshot").await;
    for (number, (fault, code, bytes)) in (1..).zip(violations()) {
        let mut socket = RawSocket::open(geocast.address).await;
        socket.attack(&bytes).await;
        assert_eq!(socket.closed().await, code, "{fault}");
        gateway.publish(Radio(number).at(1.0, 1.0));
        let enter = bystander.next().await;
        assert_eq!(enter["nodes"][0]["id"], Radio(number).id(), "after {fault}: {enter}");
    }
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_answered_if_its_code_is_one_that_may_be_sent() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let mut socket = RawSocket::open(geocast.address).await;
        socket.attack(&close(code, "enough 🛰".as_bytes())).await;
        assert_eq!(socket.closed().await, code);
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999] {
        let mut socket = RawSocket::open(geocast.address).await;
        socket.attack(&close(code, b"")).await;
        assert_eq!(socket.closed().await, VIOLATION, "{code} may not be sent");
    }
    let mut socket = RawSocket::open(geocast.address).await;
    assert_eq!(socket.hear().await["type"], "hello");
    socket.send(FINAL | CLOSE, b"").await;
    let answer = loop {
        if let (CLOSE, body) = socket.next().await {
            break body;
        }
    };
    assert_eq!(answer, b"", "no code is answered with none");
    drop(socket);
    geocast.metric_becomes("geocast_connections{transport=\"ws\"}", 0).await;
}
