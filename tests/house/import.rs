//! A recording becomes a database, without a broker.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use geocast::capture::mpk;
use meshtastic::protobufs::PortNum;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    capture::{all_nodes, compare, compare_history},
    harness::{Database, Geocast, Radio, answer, command, database_url, refusal, shared},
};

/// 2025-06-01T12:00:00Z, in seconds.
const NOON: u32 = 1_748_779_200;
const NOON_TEXT: &str = "2025-06-01T12:00:00Z";

/// Messages, each so many milliseconds after the recording began.
pub(crate) fn record<'a>(
    folder: &Path,
    messages: impl IntoIterator<Item = (u32, &'a (String, Vec<u8>))>,
) -> PathBuf {
    let path = folder.join("mesh.mpk");
    let mut writer = mpk::Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for (t_ms, (topic, payload)) in messages {
        writer.write(t_ms, topic, payload).unwrap();
    }
    writer.flush().unwrap();
    path
}

/// A text that a gateway says it heard so many seconds after noon.
pub(crate) fn text(
    sender: u32,
    gateway: u32,
    packet_id: u32,
    after: u32,
    text: &str,
) -> (String, Vec<u8>) {
    Radio(sender).heard_by(
        gateway,
        packet_id,
        NOON + after,
        PortNum::TextMessageApp,
        text.as_bytes(),
    )
}

async fn messages(folder: &Path) -> Vec<(String, i64)> {
    let mut database = Database::in_folder(folder).await;
    let texts: Vec<String> = database.column("SELECT text FROM messages ORDER BY packet").await;
    let times = database.column("SELECT time FROM messages ORDER BY packet").await;
    texts.into_iter().zip(times).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_imported_as_of_when_it_was_recorded_and_only_once() {
    let folder = TempDir::new().unwrap();
    let secret = ("msh/EU_868/2/e/LongFast/!6a7e0001".to_owned(), b"\x0a\x00".to_vec());
    let sixteen_minutes = 16 * 60;
    let publishes = [
        (0, text(1, 1, 7, 0, "one")),
        // A copy by another gateway, ten minutes late; its clock is not set.
        (600_000, Radio(1).heard_by(2, 7, 0, PortNum::TextMessageApp, b"one")),
        (600_000, secret),
        // The same number again, another packet by now.
        (sixteen_minutes * 1000, text(1, 1, 7, sixteen_minutes, "two")),
        (sixteen_minutes * 1000 + 500, text(1, 1, 7, sixteen_minutes, "two")),
        // A gateway whose clock runs years ahead.
        (sixteen_minutes * 1000 + 700, text(2, 3, 8, 400_000_000, "three")),
    ];
    let file = record(folder.path(), publishes.iter().map(|(t_ms, publish)| (*t_ms, publish)));
    let (file, url) = (file.to_str().unwrap(), database_url(folder.path()));
    let import = ["import", file, "--database-url", &url];

    let summary = answer(&import);
    assert!(summary.starts_with("imported 6 messages"), "{summary}");
    assert!(summary.contains(&format!("{NOON_TEXT} by the gateways' clocks")), "{summary}");
    let counts = "4 receptions of 3 packets stored, 2 refused (malformed 1, duplicate 1)";
    assert!(summary.trim_end().ends_with(counts), "{summary}");
    let millis = |seconds: u32, more: i64| i64::from(NOON + seconds) * 1000 + more;
    let expected = [
        ("one".to_owned(), millis(0, 0)),
        ("two".to_owned(), millis(sixteen_minutes, 0)),
        ("three".to_owned(), millis(sixteen_minutes, 700)),
    ];
    assert_eq!(messages(folder.path()).await, expected);
    let mut database = Database::in_folder(folder.path()).await;
    let arrivals = "SELECT arrived FROM receptions ORDER BY arrived";
    let expected: Vec<_> = [(0, 0), (600, 0), (sixteen_minutes, 0), (sixteen_minutes, 700)]
        .map(|(s, ms)| millis(s, ms))
        .into();
    assert_eq!(database.column::<i64>(arrivals).await, expected);

    // Under another name and with another date it is the same recording.
    let copy = folder.path().join("copy.mpk");
    std::fs::copy(file, &copy).unwrap();
    let summary = answer(&["import", copy.to_str().unwrap(), "--database-url", &url]);
    let counts = "0 receptions of 0 packets stored, 6 refused (malformed 1, duplicate 5)";
    assert!(summary.trim_end().ends_with(counts), "{summary}");
    assert_eq!(database.column::<i64>(arrivals).await, expected);
    answer(&["check", "--database-url", &url]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_may_be_told_when_it_began() {
    let folder = TempDir::new().unwrap();
    let undated = Radio(1).heard_by(1, 7, 0, PortNum::TextMessageApp, b"one");
    let file = record(folder.path(), [(90_000, &undated)]);
    let (file, url) = (file.to_str().unwrap(), database_url(folder.path()));
    let import = ["import", file, "--database-url", &url];
    let summary = answer(&[&import[..], &["--began-at", NOON_TEXT]].concat());
    assert!(summary.contains(&format!("recorded from {NOON_TEXT})")), "{summary}");
    assert_eq!(messages(folder.path()).await, [("one".to_owned(), i64::from(NOON + 90) * 1000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_the_database_of_a_running_server_is_refused() {
    let folder = TempDir::new().unwrap();
    let _geocast = Geocast::with_broker(folder.path()).await;
    let file = record(folder.path(), [(0, &text(1, 1, 7, 0, "one"))]);
    let import = ["import", file.to_str().unwrap(), "--database-url", &database_url(folder.path())];
    let line = refusal(&import);
    assert!(line.contains("geocast.db: another process uses it"), "{line}");
}

#[test]
fn what_is_no_recording_is_refused_and_one_that_was_cut_off_is_imported_as_far_as_it_goes() {
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "Dear reader").unwrap();
    let line = refusal(&["import", letter.to_str().unwrap(), "--database-url", &url]);
    assert!(line.contains("letter.txt") && line.contains("not an .mpk file"), "{line}");

    let file =
        record(folder.path(), [(0, &text(1, 1, 7, 0, "one")), (1, &text(1, 1, 8, 0, "two"))]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let summary = answer(&["import", file.to_str().unwrap(), "--database-url", &url]);
    assert!(summary.starts_with("imported 1 messages"), "{summary}");
    assert!(summary.contains("after 1 whole records"), "{summary}");
}

/// A database that another program holds keeps the import waiting, so it is still at it when it is
/// asked to stop.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_interrupted_stores_what_it_has_read_and_says_so() {
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let publishes: Vec<_> = (1..=60_000).map(|id| text(1, 1, id, 0, "x")).collect();
    let file = record(folder.path(), publishes.iter().map(|publish| (0, publish)));
    answer(&["migrate", "--database-url", &url]);
    let mut database = Database::in_folder(folder.path()).await;
    database.execute("BEGIN IMMEDIATE").await;
    let mut import = command(&["import", file.to_str().unwrap(), "--database-url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(import.stderr.take().unwrap());
    let mut said = Vec::new();
    let mut lines = errors.lines().map_while(Result::ok);
    let waits = lines.any(|line| {
        said.push(line);
        said.last().is_some_and(|line| line.contains("could not store"))
    });
    assert!(waits, "{said:?}");
    let process = rustix::process::Pid::from_child(&import);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    database.execute("ROLLBACK").await;
    let mut summary = String::new();
    import.stdout.take().unwrap().read_to_string(&mut summary).unwrap();
    said.extend(lines);
    assert!(import.wait().unwrap().success(), "{summary}{said:?}");
    assert!(summary.contains("; interrupted)"), "{summary}");
    let stored = database.number("SELECT count(*) FROM receptions").await;
    assert!((1..60_000).contains(&stored), "{stored}");
    let counts = format!("{stored} receptions of {stored} packets stored, 0 refused");
    assert!(summary.starts_with(&format!("imported {stored} messages")), "{summary}");
    assert!(summary.trim_end().ends_with(&counts), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_capture_imported_shows_the_truth() {
    let (Some(capture), Some(truth)) =
        (shared("data/real-mesh.mpk"), shared("data/real-mesh.json"))
    else {
        return;
    };
    let truth: Value = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let import = ["import", capture.to_str().unwrap(), "--database-url", &url];
    let summary = answer(&import);
    let number = |name: &str| truth[name].as_u64().unwrap();
    let packets = number("unique") - number("undecryptable");
    assert!(summary.starts_with(&format!("imported {} messages", truth["published"])), "{summary}");
    assert!(summary.contains(&format!("of {packets} packets stored")), "{summary}");
    let again = answer(&import);
    assert!(again.contains("0 receptions of 0 packets stored"), "{again}");

    // What was long ago is known to a server that remembers for long enough.
    let kept = ["--forget-after", "100000d", "--keep-positions", "0", "--keep-telemetry", "0"];
    let geocast = Geocast::with(folder.path(), &kept).await;
    let records = all_nodes(&geocast).await;
    let mut expected = truth["nodes"].as_object().unwrap().clone();
    let checkup: Value =
        serde_json::from_str(&answer(&["check", "--json", "--database-url", &url])).unwrap();
    // A node whose clock runs ahead of everything recorded is not believed, so it is not dated.
    let latest = checkup["lastCommit"].as_u64().unwrap() / 1000 + 300;
    for position in expected.values_mut().filter_map(|node| node.get_mut("position")) {
        if position[4].as_u64().unwrap() > latest {
            position[4] = 0.into();
        }
    }
    assert_eq!(records.len(), expected.len());
    for (id, truth) in &expected {
        compare(id, &records[id], truth);
        compare_history(&geocast, id, truth).await;
    }
}
