//! Brokers that die, are silent, refuse, or are not who they should be.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use meshtastic::protobufs::PortNum;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::{block_in_place, spawn_blocking};

use crate::{
    harness::{Database, Gateway, Geocast, Radio, radio::Publish},
    mosquitto::{Mosquitto, tool},
};

const STORED: &str = "geocast_packets_stored_total";

/// One that listens to these brokers, with these settings.
async fn listening(folder: &TempDir, urls: &[&str], settings: &[&str]) -> Geocast {
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let mut arguments = vec!["serve", "--database-url", &database];
    for url in urls {
        arguments.extend(["--mqtt-url", url]);
    }
    Geocast::start(&[&arguments, settings].concat()).await
}

/// Texts of a few radios, numbered.
fn packets(numbers: std::ops::Range<u32>) -> Vec<Publish> {
    let packet = |number: u32| {
        let text = number.to_string();
        Radio(number % 7 + 1).says_through(
            0x6a7e_0001,
            number,
            PortNum::TextMessageApp,
            text.as_bytes(),
        )
    };
    numbers.map(packet).collect()
}

fn publish(broker: SocketAddr, packets: &[Publish]) {
    let messages = packets.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
    block_in_place(|| Gateway::connect(broker).publish_all(messages));
}

fn connection(metric: &str, mosquitto: &Mosquitto) -> String {
    format!("geocast_mqtt_{metric}{{connection=\"{}\"}}", mosquitto.url())
}

/// What is wrong, in words.
async fn problems(geocast: &Geocast, expected: &str) -> String {
    let health = geocast.ask_until("/api/health", |status, health| {
        status == 503 && health["problems"].to_string().contains(expected)
    });
    health.await["problems"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_under_load_costs_nothing_and_keeps_the_order() {
    let folder = TempDir::new().unwrap();
    let mut mosquitto = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0");
    let geocast = listening(&folder, &[&mosquitto.url()], &[]).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    for part in 0..3 {
        publish(mosquitto.address(), &packets(part * 300 + 1..part * 300 + 301));
        mosquitto.stop();
        mosquitto.start_again();
    }
    publish(mosquitto.address(), &packets(901..1000));
    geocast.metric_becomes(STORED, 999).await;
    assert_eq!(geocast.metric(&connection("sessions_lost_total", &mosquitto)).await, 0);
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    let mut last = [u32::MAX; 8];
    for message in page["messages"].as_array().unwrap() {
        let number: u32 = message["text"].as_str().unwrap().parse().unwrap();
        let before = &mut last[number as usize % 7];
        assert!(number < *before, "{number} came before {before}");
        *before = number;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_killed_and_forgot_everything_is_noticed_and_used_again() {
    let folder = TempDir::new().unwrap();
    let mut mosquitto = Mosquitto::start();
    let mut geocast = listening(&folder, &[&mosquitto.url()], &[]).await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    publish(mosquitto.address(), &packets(1..51));
    geocast.metric_becomes(STORED, 50).await;
    mosquitto.kill();
    problems(&geocast, &mosquitto.url()).await;
    mosquitto.start_again();
    geocast.logged("the broker did not keep the").await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    assert_eq!(geocast.metric(&connection("sessions_lost_total", &mosquitto)).await, 1);
    // A gateway does not know either what arrived.
    publish(mosquitto.address(), &packets(1..101));
    geocast.metric_becomes(STORED, 100).await;
    geocast.metric_becomes("geocast_packets_received_total", 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_retains_is_stored_once_however_often_it_comes() {
    let folder = TempDir::new().unwrap();
    let mosquitto = Mosquitto::start();
    let said = packets(1..4);
    block_in_place(|| Gateway::connect(mosquitto.address()).publish_retained(&said[0]));
    let geocast = listening(&folder, &[&mosquitto.url()], &[]).await;
    geocast.metric_reaches(STORED, 1).await;
    publish(mosquitto.address(), &said[1..2]);
    geocast.metric_reaches(STORED, 2).await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    // As if that had been an hour ago, and the server had run all the time.
    let mut database = Database::in_folder(folder.path()).await;
    database.execute("UPDATE packets SET received_at = received_at - 3600000 WHERE id = 1").await;
    database.execute("UPDATE receptions SET arrived = arrived - 3600000 WHERE packet = 1").await;
    database.close().await;
    let geocast = listening(&folder, &[&mosquitto.url()], &[]).await;
    geocast.metric_reaches("geocast_packets_received_total", 1).await;
    publish(mosquitto.address(), &said[2..]);
    geocast.metric_reaches(STORED, 1).await;
    let (_, page) = geocast.ask("/api/messages").await;
    let texts: Vec<_> = page["messages"].as_array().unwrap().iter().map(|m| &m["text"]).collect();
    assert_eq!(texts, ["3", "2", "1"], "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broker_that_is_dead_and_one_that_is_silent_hold_up_no_other() {
    let folder = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("mqtt://{}", silent.local_addr().unwrap());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead_url = format!("mqtt://{}", free.local_addr().unwrap());
    drop(free);
    let well = Mosquitto::start();
    let urls = [dead_url.as_str(), silent_url.as_str(), &well.url()];
    let geocast = listening(&folder, &urls, &["--mqtt-timeout", "1s"]).await;
    geocast.metric_becomes(&connection("connected", &well), 1).await;
    publish(well.address(), &packets(1..51));
    geocast.metric_becomes(STORED, 50).await;
    let wrong = problems(&geocast, "the broker does not answer").await;
    assert!(wrong.contains(&dead_url) && wrong.contains("refused"), "{wrong}");
    assert!(!wrong.contains(&well.url()), "{wrong}");
    // The silent one is given up, and tried again.
    let tried = spawn_blocking(move || {
        for _ in 0..2 {
            let (mut socket, _) = silent.accept().unwrap();
            let mut packet = Vec::new();
            // Until the other end gives up.
            let _ = socket.read_to_end(&mut packet);
            assert_eq!(packet.first(), Some(&0x10), "asks to connect");
        }
    });
    tried.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_and_tried_with_pauses_and_not_shown() {
    let folder = TempDir::new().unwrap();
    let users = "allow_anonymous false\npassword_file DIR/users";
    let mosquitto = Mosquitto::prepared(users, |dir| {
        let mut passwd = tool("mosquitto_passwd", "mosquitto");
        let made = passwd.args(["-b", "-c"]).arg(dir.join("users")).args(["map", "right"]);
        assert!(made.status().unwrap().success());
    });
    let url = mosquitto.url().replace("mqtt://", "mqtt://map:wr0ng-word@");
    let begun = Instant::now();
    let geocast = listening(&folder, &[&url], &[]).await;
    let wrong = problems(&geocast, "the broker refuses the user name or password").await;
    mosquitto.logged("not authorised", 3).await;
    // A quarter less than 0.2 s and 1 s.
    assert!(begun.elapsed() >= Duration::from_millis(900), "three times in {:?}", begun.elapsed());
    let log = geocast.log();
    assert_eq!(log.matches("refuses the user name or password").count(), 1, "{log}");
    let metrics = geocast.get("/metrics").await.text().await.unwrap();
    assert!(!format!("{log}{wrong}{metrics}").contains("wr0ng-word"), "no secret is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_nobody_vouches_for_is_not_spoken_to() {
    let folder = TempDir::new().unwrap();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls");
    let mosquitto = Mosquitto::with(&format!(
        "allow_anonymous true\ncertfile {tls}/server.pem\nkeyfile {tls}/server.key"
    ));
    let url = format!("mqtts://map:s3cret@localhost:{}", mosquitto.port());
    let geocast = listening(&folder, &[&url], &[]).await;
    let wrong = problems(&geocast, "is not trusted").await;
    assert!(wrong.contains("--mqtt-ca"), "{wrong}");
    assert!(geocast.log().contains("is not trusted"), "{}", geocast.log());
    drop(geocast);
    let trusting = listening(&folder, &[&url], &["--mqtt-ca", &format!("{tls}/ca.pem")]).await;
    trusting.ask_until("/api/health", |status, _| status == 200).await;
}

/// Two servers on one subscription: each message comes to one of them, and stays with it.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_a_subscription_store_everything_together() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let mosquitto = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0");
    let mut servers = Vec::new();
    for folder in &folders {
        let shared = ["--mqtt-topic", "$share/maps/msh/#"];
        servers.push(listening(folder, &[&mosquitto.url()], &shared).await);
    }
    for server in &servers {
        server.ask_until("/api/health", |status, _| status == 200).await;
    }
    publish(mosquitto.address(), &packets(1..301));
    // What waited for one that was killed comes to it again.
    servers.pop().unwrap().kill();
    publish(mosquitto.address(), &packets(301..401));
    let shared = ["--mqtt-topic", "$share/maps/msh/#"];
    servers.push(listening(&folders[1], &[&mosquitto.url()], &shared).await);
    let mut numbers = Vec::new();
    for _ in 0..1000 {
        numbers.clear();
        for server in &servers {
            let (_, page) = server.ask("/api/messages?limit=1000").await;
            let messages = page["messages"].as_array().unwrap().iter();
            let number =
                |message: &Value| message["text"].as_str().unwrap().parse::<u32>().unwrap();
            numbers.extend(messages.map(number));
        }
        if numbers.len() >= 400 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..401).collect::<Vec<_>>());
}
