//! Metrics as Prometheus reads them, and what is made of them: alerts and a dashboard.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn ops(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(file)
}

async fn scrape(geocast: &Geocast, accept: &str) -> (String, String) {
    let url = format!("http://{}/metrics", geocast.address);
    let request = reqwest::Client::new().get(url).header("accept", accept).timeout(DEADLINE);
    let answer = request.send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text().await.unwrap())
}

/// What `promtool` says about its input; none where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        eprintln!("skipped: promtool is not here (prometheus), so {arguments:?} is not checked");
        return None;
    };
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    Some(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_come_in_the_format_that_is_asked_for_and_promtool_finds_nothing_wrong() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    Gateway::connect(geocast.broker().await).publish(Radio(1).at(10.0, 10.0));
    let (kind, text) = scrape(&geocast, "*/*").await;
    assert_eq!(kind, TEXT);
    assert!(text.contains("# TYPE geocast_packets_received_total counter\n"), "{text}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    if let Some(complaints) = promtool(&["check", "metrics"], &text) {
        assert_eq!(complaints, "", "in\n{text}");
    }
    let (kind, text) =
        scrape(&geocast, "application/openmetrics-text;q=0.6,text/plain;q=0.5").await;
    assert_eq!(kind, OPENMETRICS);
    assert!(text.contains("# TYPE geocast_packets_received counter\n"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

/// The names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("geocast_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_the_dashboard_refer_to_metrics_that_exist() {
    let folder = TempDir::new().unwrap();
    let broker = crate::mosquitto::Mosquitto::start();
    let url = broker.url();
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let geocast = Geocast::start(&["serve", "--mqtt-url", &url, "--database-url", &database]).await;
    geocast.metric_becomes(&format!("geocast_mqtt_connected{{connection=\"{url}\"}}"), 1).await;
    geocast.metric_becomes("geocast_history_rows{table=\"packets\"}", 0).await;
    let (_, text) = scrape(&geocast, "*/*").await;
    let series: BTreeSet<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let alerts = fs::read_to_string(ops("prometheus/alerts.yml")).unwrap();
    let dashboard = fs::read_to_string(ops("grafana/geocast.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut expressions: Vec<_> =
        alerts.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).collect();
    assert!(expressions.len() >= 5, "the alerts were not understood");
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap_or_else(|| panic!("{panel}"));
        assert!(!targets.is_empty(), "{panel}");
        expressions.extend(targets.iter().map(|target| target["expr"].as_str().unwrap()));
    }
    for expression in expressions {
        assert!(names(expression).next().is_some(), "{expression} is about nothing");
        for name in names(expression) {
            assert!(series.contains(name), "{expression} is about {name}, which there is not");
        }
    }
    let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    promtool(&["check", "rules", ops("prometheus/alerts.yml").to_str().unwrap()], "");
}
