//! What mosquitto says of itself, and what is made of it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
};

use geocast::ingest::{BrokerWatch, ConnectionState, MqttSettings, MqttUrl};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{CLIENT, Listener, Log, intake, soon},
    mosquitto::{Mosquitto, publish},
};

/// A listener, and a watch over its broker.
fn watched(broker: &Mosquitto, jobs: usize) -> (Listener, JoinSet<()>) {
    let url = MqttUrl::parse(&broker.url()).unwrap();
    let settings = MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned());
    let listener = Listener::with(settings.clone(), jobs);
    let metrics = Arc::clone(listener.intake.metrics());
    let watch = BrokerWatch::new(&settings, metrics, listener.state.clone()).unwrap();
    let mut running = JoinSet::new();
    running.spawn(watch.run(listener.stop.clone()));
    (listener, running)
}

fn metric(listener: &Listener, name: &str) -> Option<u64> {
    let mut registry = Registry::default();
    listener.intake.metrics().register(&mut registry);
    let mut page = String::new();
    text::encode(&mut page, &registry).unwrap();
    page.lines().find(|line| line.starts_with(name))?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_broker_that_drops_messages_while_geocast_is_behind_is_noticed() {
    let (log, _guard) = Log::open();
    let broker = Mosquitto::with(
        "allow_anonymous true\nsys_interval 1\nmax_inflight_messages 5\nmax_queued_messages 10",
    );
    let (mut listener, mut watch) = watched(&broker, 100);
    listener.connected().await;
    // The counter as it stood before.
    broker.logged(&format!("Sending PUBLISH to {CLIENT}-watch"), 2).await;
    let lines = ["x"; 100];
    broker.publish("t", 1, &lines);
    let jobs = listener.jobs(5).await;
    assert_eq!(listener.intake.metrics().packets_pending(), 5);
    soon("dropped", async {
        while metric(&listener, "mqtt_broker_dropped_total") != Some(85) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let text = log.text();
    assert!(text.contains("messages while geocast is behind"), "{text}");
    assert_eq!(text.matches("beyond its max_queued_messages").count(), 1, "{text}");
    // What the broker says of itself is no packet.
    assert_eq!(listener.intake.metrics().packets_received(), 5);
    drop(jobs);
    assert_eq!(listener.intake.metrics().packets_pending(), 0);
    listener.stop.cancel();
    soon("ended", watch.join_next()).await.unwrap().unwrap();
}

/// A broker that takes two connections, and answers the first question on the second one with these
/// bytes or, when there are none, by hanging up.
fn curt(answer: &'static [u8]) -> MqttSettings {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = MqttUrl::plain("127.0.0.1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let mut packet = [0; 1024];
        let (mut socket, _) = listener.accept().unwrap();
        assert_ne!(socket.read(&mut packet).unwrap(), 0);
        socket.write_all(&[0x20, 2, 0, 0]).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        drop(listener);
        for answer in [&[0x20, 2, 0, 0], answer] {
            assert_ne!(socket.read(&mut packet).unwrap(), 0);
            socket.write_all(answer).unwrap();
        }
        // Whoever was answered takes its leave.
        while !answer.is_empty() && socket.read(&mut packet).unwrap() > 0 {}
    });
    MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned())
}

#[tokio::test]
async fn a_broker_that_says_nothing_of_itself_is_not_asked_again() {
    const REFUSAL: &[u8] = &[0x90, 6, 0, 1, 0x80, 0x80, 0x80, 0x80];
    for answer in [REFUSAL, &[]] {
        let settings = curt(answer);
        let (_source, connected) = watch::channel(ConnectionState::Connected);
        let metrics = Arc::clone(intake().metrics());
        let watch = BrokerWatch::new(&settings, metrics, connected).unwrap();
        soon("ended", watch.run(CancellationToken::new())).await;
    }
}

#[tokio::test]
async fn a_broker_that_knows_clients_by_their_user_loses_no_session_over_the_watch() {
    let broker = Mosquitto::with("allow_anonymous true\nuse_username_as_clientid true");
    let url = MqttUrl::parse(&broker.url().replace("mqtt://", "mqtt://map:x@")).unwrap();
    let settings = MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned());
    let mut listener = Listener::with(settings.clone(), 100);
    listener.connected().await;
    publish(broker.port(), "t", 1, "1\n2\n", &["-l", "-u", "gateway", "-P", "x"]);
    let first = listener.jobs(2).await;
    let metrics = Arc::clone(listener.intake.metrics());
    let watch = BrokerWatch::new(&settings, metrics, listener.state.clone()).unwrap();
    soon("ended", watch.run(CancellationToken::new())).await;
    // Thrown out once, and back with all that was not acknowledged.
    drop(first);
    assert_eq!(listener.texts(2).await, ["1", "2"]);
    assert_eq!(metric(&listener, "mqtt_sessions_lost_total"), Some(0));
}
