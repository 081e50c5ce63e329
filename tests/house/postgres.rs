//! geocast over Postgres, and what becomes of both when one of them fails.

use std::{
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::{sleep, timeout};

use crate::{
    harness::{DEADLINE, Gateway, Geocast, Radio},
    postgres_server::{Database, PostgresServer, begin},
    proxy::{Fault, Proxy},
};

const MAP: [&str; 2] =
    ["CREATE ROLE map LOGIN PASSWORD 'hunter2'", "CREATE DATABASE map OWNER map"];

/// Ends all connections of `map`.
const THROWN_OUT: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'map'";

fn serve(url: &str) -> [&str; 7] {
    ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", url, "--database-timeout", "2s"]
}

/// A server with a database for `map`, a role like any other.
fn server() -> PostgresServer {
    let server = PostgresServer::start(&[]);
    make_map(&server);
    server
}

fn make_map(server: &PostgresServer) {
    for statement in MAP {
        server.sql("postgres", statement);
    }
}

fn url_of(port: u16) -> String {
    format!("postgres://map:hunter2@127.0.0.1:{port}/map")
}

/// What is wrong, as health says it; nothing while it is well.
fn problems(health: &Value) -> String {
    health["problems"].to_string()
}

async fn is_ill(geocast: &Geocast, reason: &str) {
    let ill = |status, health: &Value| status == 503 && problems(health).contains(reason);
    let health = geocast.ask_until("/api/health", ill).await;
    assert!(!health.to_string().contains("hunter2"), "{health}");
}

async fn is_well(geocast: &Geocast) {
    geocast.ask_until("/api/health", |status, _| status == 200).await;
}

async fn texts(geocast: &Geocast) -> usize {
    let (_, page) = geocast.ask("/api/messages?limit=10000").await;
    page["messages"].as_array().map_or(0, Vec::len)
}

fn text_of(number: u32) -> (String, Vec<u8>) {
    let port = meshtastic::protobufs::PortNum::TextMessageApp;
    Radio(number % 20 + 1).says_through(0x6a7e_0001, number, port, b"x")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_shows_the_map_at_once() {
    let database = Database::create();
    let mut geocast = Geocast::start(&serve(&database.url)).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(10.0, 10.0));
    gateway.publish(Radio(1).text("still here"));
    let (_, before) = geocast.ask("/api/nodes/!00000001").await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let geocast = Geocast::start(&serve(&database.url)).await;
    let mut screen = geocast.look("?bbox=9,9,11,11").await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["nodes"], Value::from(vec![before]));
    assert_eq!(snapshot["messages"][0]["text"], "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_after_the_database_was_killed() {
    let mut server = server();
    let mut geocast = Geocast::start(&serve(&url_of(server.port()))).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("").await;
    screen.subscribe(serde_json::json!({})).await;
    for number in 1..=50 {
        let (topic, payload) = text_of(number);
        gateway.send(&topic, &payload);
    }
    for _ in 0..25 {
        gateway.acknowledged().unwrap();
    }
    server.kill();
    for number in 51..=100 {
        let (topic, payload) = text_of(number);
        gateway.send(&topic, &payload);
    }
    is_ill(&geocast, "storage: database unavailable").await;
    // The map goes on.
    let (status, _) = geocast.ask("/api/nodes").await;
    assert_eq!(status, 200);
    server.restart();
    for _ in 25..100 {
        gateway.acknowledged().unwrap();
    }
    is_well(&geocast).await;
    assert_eq!(texts(&geocast).await, 100);
    let counts = "SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM receptions), \
        (SELECT count(DISTINCT packet_id) FROM messages)";
    assert_eq!(server.sql("map", counts), "100|100|100");
    // What the map was told is what was stored, whatever became of the answer to a commit.
    assert_eq!(geocast.metric("geocast_packets_stored_total").await, 100);
    screen.shows(|screen| screen.nodes.len() == 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    let mut server = server();
    server.kill();
    let mut geocast = Geocast::launch(&serve(&url_of(server.port())));
    geocast.address = geocast.logged("answering on http://").await.parse().unwrap();
    is_ill(&geocast, "refused").await;
    let (status, _) = geocast.ask("/api/nodes").await;
    assert_eq!(status, 503);
    assert!(geocast.log().contains("waiting for the database"), "{}", geocast.log());
    assert!(!geocast.log().contains("hunter2"), "{}", geocast.log());
    server.restart();
    geocast.listens().await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(text_of(1));
    is_well(&geocast).await;
    assert_eq!(texts(&geocast).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_answering_during_the_start_is_waited_for() {
    let server = server();
    let url = url_of(server.port());
    let geocast = Geocast::start(&serve(&url)).await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    let mut holder = PgConnection::connect(&server.url("map")).await.unwrap();
    for (locked, patience, bits, reason) in [
        ("policy", "1s", "16", "timeout"),
        ("nodes", "60s", "14", "held to another policy"),
        ("nodes", "60s", "14", "is being opened"),
    ] {
        let lock = format!("BEGIN; LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut holder).await.unwrap();
        let usual = serve(&url);
        let settings = ["--database-timeout", patience, "--finest-precision", bits];
        let mut geocast = Geocast::launch(&[&usual[..5], &settings].concat());
        geocast.address = geocast.logged("answering on http://").await.parse().unwrap();
        is_ill(&geocast, reason).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        geocast.listens().await;
        is_well(&geocast).await;
        let (status, log) = geocast.stop().await;
        assert!(status.success(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_database_can_be_stopped() {
    let url = "postgres://map:hunter2@127.0.0.1:1/map";
    let mut geocast = Geocast::launch(&[&serve(url)[..], &["--public", "off"]].concat());
    geocast.logged("waiting for the database").await;
    geocast.address = geocast.logged("answering on http://").await.parse().unwrap();
    // Where the database is does not concern everybody.
    assert_eq!(geocast.ask("/api/health").await, (503, json!({ "status": "degraded" })));
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
}

/// A database that refuses connections or writes for a while: nothing is acknowledged, health says
/// why, and what waited is stored afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_for_a_while_takes_what_waited() {
    let server = server();
    let mut geocast = Geocast::start(&serve(&url_of(server.port()))).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(text_of(1));
    let faults = [
        ("ALTER ROLE map CONNECTION LIMIT 0", "ALTER ROLE map CONNECTION LIMIT -1", "too many"),
        (
            "ALTER ROLE map SET default_transaction_read_only = on",
            "ALTER ROLE map RESET default_transaction_read_only",
            "read-only",
        ),
    ];
    for (number, (fault, remedy, reason)) in (2..).zip(faults) {
        server.sql("map", fault);
        server.sql("map", THROWN_OUT);
        let (topic, payload) = text_of(number);
        gateway.send(&topic, &payload);
        is_ill(&geocast, reason).await;
        assert_eq!(server.sql("map", "SELECT count(*) FROM packets"), (number - 1).to_string());
        server.sql("map", remedy);
        server.sql("map", THROWN_OUT);
        gateway.acknowledged().unwrap();
        is_well(&geocast).await;
        assert_eq!(texts(&geocast).await, number as usize);
    }
    geocast.stop().await;
    // It is waited for at the start, too.
    let [_, (read_only, remedy, reason)] = faults;
    server.sql("map", read_only);
    let mut geocast = Geocast::launch(&serve(&url_of(server.port())));
    geocast.address = geocast.logged("answering on http://").await.parse().unwrap();
    is_ill(&geocast, reason).await;
    server.sql("map", remedy);
    geocast.listens().await;
    assert_eq!(texts(&geocast).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_free_connection_is_waited_for() {
    let server = PostgresServer::start(&["max_connections=8", "superuser_reserved_connections=1"]);
    make_map(&server);
    let url = url_of(server.port());
    let others =
        || server.sql("map", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'map'");
    let mut hogs = Vec::new();
    let all_taken = async {
        // Whoever just asked how many there are may have taken the place of one.
        while others() != "7" {
            hogs.push(begin(&url, "SELECT pg_sleep(3600)"));
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, all_taken).await.unwrap();
    let mut geocast = Geocast::launch(&serve(&url));
    geocast.address = geocast.logged("answering on http://").await.parse().unwrap();
    is_ill(&geocast, "connection").await;
    assert!(geocast.log().contains("waiting for the database"), "{}", geocast.log());
    for hog in &mut hogs {
        hog.kill().unwrap();
        hog.wait().unwrap();
    }
    server.sql("map", THROWN_OUT);
    geocast.listens().await;
    is_well(&geocast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_and_a_broken_line_lose_and_double_nothing() {
    let server = server();
    let proxy = Proxy::to(server.port()).await;
    let mut geocast = Geocast::start(&serve(&url_of(proxy.port))).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(text_of(1));
    proxy.set(Fault::Slow(Duration::from_millis(20)));
    for number in 2..=5 {
        let (topic, payload) = text_of(number);
        gateway.send(&topic, &payload);
    }
    for _ in 2..=5 {
        gateway.acknowledged().unwrap();
    }
    for (number, fault) in [
        (6, Fault::CutBefore("INSERT INTO messages")),
        (7, Fault::CutBefore("COMMIT")),
        (8, Fault::CutAfter("COMMIT")),
    ] {
        // The statement is said in full only when it is new to its connection.
        proxy.cut().await;
        proxy.set(fault);
        gateway.publish(text_of(number));
        proxy.was_cut().await;
    }
    is_well(&geocast).await;
    assert_eq!(texts(&geocast).await, 8);
    assert_eq!(server.sql("map", "SELECT count(*) FROM packets"), "8");
    // Also of the one whose answer was lost the map is told.
    assert_eq!(geocast.metric("geocast_packets_stored_total").await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_line_is_given_up_and_loses_and_doubles_nothing() {
    let server = server();
    let proxy = Proxy::to(server.port()).await;
    let mut geocast = Geocast::start(&serve(&url_of(proxy.port))).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(text_of(1));
    proxy.set(Fault::Silent);
    let (topic, payload) = text_of(2);
    gateway.send(&topic, &payload);
    is_ill(&geocast, "no answer").await;
    proxy.set(Fault::None);
    gateway.acknowledged().unwrap();
    is_well(&geocast).await;
    assert_eq!(texts(&geocast).await, 2);
    assert_eq!(geocast.metric("geocast_packets_stored_total").await, 2);
}

#[test]
fn a_database_that_refuses_this_user_is_one_clear_line() {
    let server = server();
    server.sql("postgres", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    server.allow("host all map 127.0.0.1/32 scram-sha-256");
    let port = server.port();
    let run = |url: String| -> Output {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", &url];
        Command::new(env!("CARGO_BIN_EXE_geocast")).args(arguments).output().unwrap()
    };
    for (url, reason) in [
        (format!("postgres://map:s3cret-word@127.0.0.1:{port}/map"), "password authentication"),
        (format!("postgres://map:hunter2@127.0.0.1:{port}/s3cretless"), "does not exist"),
        (format!("postgres://map:hunter2@127.0.0.1:{port}/postgres"), "permission denied"),
    ] {
        let output = run(url);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.contains("ERROR") && last.contains(reason), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("s3cret-word"), "{text}");
    }
}
