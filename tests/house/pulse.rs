//! Heartbeats. The one story that opens only the http room, so that nobody waits for a minute.

use std::{sync::Arc, time::Duration};

use geocast::{
    broadcast::{self, Broadcaster},
    domain::{Clock, Lifetimes, SharedLogbook, Timestamp, World},
    http::{self, AccessSettings, Limits, PageSettings, Parts, Pulse, TickEncoder},
    storage,
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::mpsc};

use crate::harness::{
    DEADLINE, RawSocket,
    raw::{CLOSE, PING},
};

#[tokio::test]
async fn who_gives_no_sign_of_life_is_asked_and_then_hung_up_on() {
    let lifetimes =
        Lifetimes { offline_after: DEADLINE, forget_after: DEADLINE, tombstones: DEADLINE };
    let clock = Clock::new(|| Timestamp::from_millis(0));
    let settings =
        broadcast::Settings { tick: Duration::from_millis(100), epoch: "pulse".to_owned() };
    let (broadcaster, live) = Broadcaster::new(
        World::new(lifetimes),
        TickEncoder::default(),
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
        limits: Limits::default(),
        access: AccessSettings { public: true, ..AccessSettings::default() },
        removals: mpsc::channel(1).0,
        tls: None,
        logbook: SharedLogbook::default(),
    };
    let (patches, committed) = mpsc::channel(1);
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let server = http::serve(listener, parts, async move { stopped.notified().await });
    let client = async {
        let mut socket = RawSocket::open(address).await;
        let mut pings = 0;
        let close = loop {
            match socket.next().await {
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
    tokio::join!(server, broadcaster.run(committed), client);
}
