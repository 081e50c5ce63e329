//! `geocast bench`: it measures, and it notices a server that does not tell the truth.

use std::{net::SocketAddr, process::Stdio};

use futures_util::{StreamExt, future};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

use crate::harness::Geocast;

/// A short run, and whether it succeeded.
async fn bench(arguments: &[&str]) -> (bool, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_geocast"))
        .args(["bench", "--json", "--seed", "7"])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The value of a measurement.
fn value<'a>(report: &'a Value, name: &str) -> &'a Value {
    let results = report["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["name"] == name);
    &result.unwrap_or_else(|| panic!("no {name} in {report}"))["value"]
}

const SHORT: [&str; 10] =
    ["fanout", "--clients", "12", "--nodes", "60", "--updates", "60", "--seconds", "1", "--check"];

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_either_encoding_hold_what_was_published() {
    for encoding in ["binary", "json"] {
        let view = ["all", "--views", "world", "--encoding", encoding];
        let (succeeded, report) = bench(&[&SHORT[..], &view].concat()).await;
        assert!(succeeded, "{report}");
        assert_eq!(report["parameters"]["seed"], 7);
        assert!(value(&report, "deliveries").as_f64().unwrap() > 0.0, "{report}");
        assert_eq!(value(&report, "clients compared"), &12.0, "{report}");
        assert_eq!(value(&report, "nodes compared"), &720.0, "{report}");
        assert_eq!(value(&report, "divergences"), &0.0, "{report}");
        assert_eq!(report["failures"], Value::Array(Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_a_mesh_is_stored_and_its_cost_told() {
    let small = ["ingest", "--publishes", "300", "--nodes", "50"];
    let (succeeded, report) = bench(&small).await;
    assert!(succeeded, "{report}");
    assert_eq!(report["parameters"]["publishes"], 300);
    assert_eq!(report["parameters"]["refused"], 0);
    for name in ["dedupe and write", "all: broker to acknowledged", "messages per commit"] {
        assert!(value(&report, name).as_f64().unwrap() > 0.0, "{report}");
    }
    let (succeeded, direct) = bench(&[&small[..], &["--direct"]].concat()).await;
    assert!(succeeded, "{direct}");
    assert_eq!(direct["parameters"]["packets"], report["parameters"]["packets"]);
    assert!(value(&direct, "rows stored").as_f64().unwrap() > 0.0, "{direct}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_something_back_is_noticed() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let liar = format!("ws://{}", listener.local_addr().unwrap());
    let broker = format!("mqtt://{}", geocast.broker().await);
    let address = geocast.address;
    let lying = async {
        let mut clients = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            clients.spawn(keep_moves_back(stream, address));
        }
    };
    let other = ["4", "--views", "world", "--encoding", "json", "--server", &liar];
    let arguments = [&SHORT[..], &other, &["--mqtt", &broker]].concat();
    let (succeeded, report) = tokio::select! {
        report = bench(&arguments) => report,
        () = lying => panic!("the liar gave up"),
    };
    assert!(!succeeded, "{report}");
    assert_eq!(value(&report, "divergences"), &4.0, "{report}");
    assert!(report["failures"].to_string().contains("hold something else"), "{report}");
}

/// Carries a conversation, but for what it says of positions.
async fn keep_moves_back(stream: TcpStream, server: SocketAddr) {
    let (tell, hear) = accept_async(stream).await.unwrap().split();
    let (server, _) = connect_async(format!("ws://{server}/api/ws")).await.unwrap();
    let (ask, answers) = server.split();
    let honest = |message: &Message| {
        !message.to_text().is_ok_and(|text| text.contains("\"position_update\""))
    };
    let told = answers.filter(|message| future::ready(message.as_ref().is_ok_and(honest)));
    // Either side may hang up.
    let _ = future::join(told.forward(tell), hear.forward(ask)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_is_told_as_an_exponent() {
    let sizes = ["--clients", "5,20", "--nodes", "10,40", "--watchers", "2,8", "--updates", "20"];
    let (succeeded, report) = bench(&[&["growth"], &sizes[..]].concat()).await;
    assert!(succeeded, "{report}");
    for name in ["clients that see nothing of it", "nodes at rest", "deliveries"] {
        assert!(value(&report, &format!("{name}: exponent")).is_number(), "{report}");
    }
}
