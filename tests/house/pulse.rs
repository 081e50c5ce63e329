//! Heartbeats. The one story that opens only the http room, so that nobody waits for a minute.

use std::{sync::Arc, time::Duration};

use geocast::{
    broadcast::{self, Broadcaster},
    domain::{Clock, Lifetimes, Timestamp, World},
    http::{self, JsonEncoder, PageSettings, Parts, Pulse},
    storage,
};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::harness::DEADLINE;

const HANDSHAKE: &[u8] = b"GET /api/ws HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// The kind and the content of the next frame, which is short. Every library would answer pings.
async fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = socket.read_u8().await.unwrap() & 0x0f;
    let length = match socket.read_u8().await.unwrap() {
        126 => socket.read_u16().await.unwrap(),
        short => short.into(),
    };
    let mut body = vec![0; length.into()];
    socket.read_exact(&mut body).await.unwrap();
    (kind, body)
}

#[tokio::test]
async fn who_gives_no_sign_of_life_is_asked_and_then_hung_up_on() {
    let lifetimes =
        Lifetimes { offline_after: DEADLINE, forget_after: DEADLINE, tombstones: DEADLINE };
    let clock = Clock::new(|| Timestamp::from_millis(0));
    let settings =
        broadcast::Settings { tick: Duration::from_millis(100), epoch: "pulse".to_owned() };
    let (broadcaster, live) = Broadcaster::new(
        World::new(lifetimes),
        JsonEncoder::default(),
        settings,
        clock.clone(),
        broadcast::Metrics::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let parts = Parts {
        live,
        store: storage::open("sqlite::memory:", DEADLINE).await.unwrap(),
        clock,
        vitals: Vec::new(),
        registry: Registry::default(),
        metrics: http::Metrics::default(),
        page: PageSettings::default(),
        pulse: Pulse { heartbeat: Duration::from_millis(30), timeout: Duration::from_millis(60) },
    };
    let (patches, committed) = mpsc::channel(1);
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let server = http::serve(listener, parts, async move { stopped.notified().await });
    let client = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(HANDSHAKE).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(socket.read_u8().await.unwrap());
        }
        let mut pings = 0;
        let close = loop {
            match timeout(DEADLINE, frame(&mut socket)).await.unwrap() {
                (PING, _) => pings += 1,
                (CLOSE, body) => break u16::from_be_bytes([body[0], body[1]]),
                _ => {}
            }
        };
        assert!(pings >= 1, "it was asked");
        assert_eq!(close, 4408);
        drop(socket);
        drop(patches);
        stop.notify_one();
    };
    let (result, (), ()) = tokio::join!(server, broadcaster.run(committed), client);
    result.unwrap();
}
