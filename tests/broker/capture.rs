//! Recording from mosquitto, and replaying to it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use geocast::{
    capture::{
        Guarantee, Pace, RecordOptions, ReplayOptions, Summary,
        mpk::{Reader, Record, Writer},
        record, replay,
    },
    ingest::MqttUrl,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{harness::soon, mosquitto::Mosquitto};

/// A recording under way.
struct Recording {
    running: JoinSet<anyhow::Result<Summary>>,
    stop: CancellationToken,
    file: PathBuf,
}

impl Recording {
    async fn start(broker: &Mosquitto, file: PathBuf) -> Self {
        let stop = CancellationToken::new();
        let subscriptions = broker.count("Sending SUBACK to geocast-record");
        let options = RecordOptions {
            url: MqttUrl::parse(&broker.url()).unwrap(),
            ca: None,
            topics: vec!["#".to_owned()],
            file: file.clone(),
        };
        let mut running = JoinSet::new();
        running.spawn(record(options, stop.clone().cancelled_owned()));
        broker.logged("Sending SUBACK to geocast-record", subscriptions + 1).await;
        Self { running, stop, file }
    }

    /// Stops, and returns what the file holds.
    async fn stop(mut self) -> (Summary, Vec<Record>) {
        self.stop.cancel();
        let summary = soon("recorded", self.running.join_next()).await.unwrap().unwrap().unwrap();
        (summary, read(&self.file))
    }
}

fn read(file: &PathBuf) -> Vec<Record> {
    Reader::new(&*fs::read(file).unwrap()).unwrap().map(Result::unwrap).collect()
}

fn said(records: &[Record]) -> Vec<(&str, &[u8])> {
    records.iter().map(|record| (record.topic.as_str(), &*record.payload)).collect()
}

fn options(broker: &Mosquitto, file: PathBuf) -> ReplayOptions {
    let url = MqttUrl::parse(&broker.url()).unwrap();
    ReplayOptions { url, ca: None, file, pace: Pace::Full, guarantee: Guarantee::AtLeastOnce }
}

/// A recording of so many messages, 10 ms apart.
fn recording(dir: &TempDir, messages: u32) -> PathBuf {
    let file = dir.path().join("made.mpk");
    let mut writer = Writer::new(fs::File::create(&file).unwrap()).unwrap();
    for number in 0..messages {
        writer.write(number * 10, &format!("t/{number}"), &number.to_be_bytes()).unwrap();
    }
    file
}

#[tokio::test]
async fn what_is_recorded_and_replayed_is_the_same() {
    let broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let first = Recording::start(&broker, dir.path().join("first.mpk")).await;
    broker.publish("msh/a", 1, &["1", "2", "3"]);
    broker.publish_bytes("msh/b", 1, &"\u{0}x\u{ffff}".repeat(9000));
    broker.logged("Received PUBACK from geocast-record", 4).await;
    let (summary, records) = first.stop().await;
    assert_eq!((summary.messages, records.len()), (4, 4));
    assert!(summary.to_string().starts_with("recorded 4 messages in "), "{summary}");
    assert!(records.is_sorted_by_key(|record| record.t_ms));

    for guarantee in [Guarantee::AtMostOnce, Guarantee::AtLeastOnce] {
        let again = dir.path().join(format!("{guarantee:?}.mpk"));
        let copy = Recording::start(&broker, again).await;
        let mut options = options(&broker, dir.path().join("first.mpk"));
        options.guarantee = guarantee;
        let summary = soon("replayed", replay(options, std::future::pending())).await.unwrap();
        assert!(summary.to_string().starts_with("published 4 messages in "), "{summary}");
        // Behind everything that was replayed.
        broker.publish("end", 1, &["end"]);
        let acks = if guarantee == Guarantee::AtMostOnce { 5 } else { 10 };
        broker.logged("Received PUBACK from geocast-record", acks).await;
        let (_, mut copied) = copy.stop().await;
        assert_eq!(copied.pop().unwrap().topic, "end");
        assert_eq!(said(&copied), said(&records));
    }
}

#[tokio::test]
async fn a_replay_ends_when_the_last_message_is_there() {
    let broker = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0");
    let dir = TempDir::new().unwrap();
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let before = broker.count("Received PUBLISH from geocast-replay");
        let options = ReplayOptions { guarantee, ..options(&broker, recording(&dir, 5000)) };
        let summary = soon("replayed", replay(options, std::future::pending())).await.unwrap();
        assert_eq!(summary.messages, 5000);
        broker.logged("Received PUBLISH from geocast-replay", before + 5000).await;
    }
}

#[tokio::test]
async fn a_recording_is_never_overwritten() {
    let broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let file = recording(&dir, 3);
    let mut second = Recording::start(&broker, file.clone()).await;
    let failure = soon("failed", second.running.join_next()).await.unwrap().unwrap().unwrap_err();
    assert!(format!("{failure:#}").contains("made.mpk"), "{failure:#}");
    assert_eq!(read(&file).len(), 3);
}

#[tokio::test]
async fn a_replay_keeps_the_pace_it_is_told() {
    let broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let file = recording(&dir, 21);
    for pace in [Pace::Rate(200.0), Pace::Speed(2.0)] {
        let began = Instant::now();
        let options = ReplayOptions { pace, ..options(&broker, file.clone()) };
        let summary = soon("replayed", replay(options, std::future::pending())).await.unwrap();
        assert_eq!(summary.messages, 21);
        assert!(began.elapsed() >= Duration::from_millis(100), "{pace:?}: {summary}");
    }
}

#[tokio::test]
async fn a_recording_that_was_cut_off_is_replayed_as_far_as_it_goes() {
    let broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let file = recording(&dir, 3);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let replayed = replay(options(&broker, file), std::future::pending());
    let summary = soon("replayed", replayed).await.unwrap();
    assert_eq!(summary.messages, 2);
    assert!(summary.to_string().contains("at byte 42"), "{summary}");
}

#[tokio::test]
async fn a_replay_that_cannot_be_done_says_why() {
    let mut broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let fails = async |options| {
        let failure = soon("failed", replay(options, std::future::pending())).await.unwrap_err();
        format!("{failure:#}")
    };
    let missing = fails(options(&broker, dir.path().join("none.mpk"))).await;
    assert!(missing.contains("none.mpk"), "{missing}");
    let other = dir.path().join("other");
    fs::write(&other, "SQLite format 3").unwrap();
    let not_mpk = fails(options(&broker, other)).await;
    assert!(not_mpk.contains("not an .mpk file"), "{not_mpk}");
    let wild = dir.path().join("wild.mpk");
    let mut writer = Writer::new(fs::File::create(&wild).unwrap()).unwrap();
    writer.write(0, "t/#", b"").unwrap();
    let cannot = fails(options(&broker, wild)).await;
    assert!(cannot.contains("message 1 has a topic"), "{cannot}");
    let slow = ReplayOptions { pace: Pace::Rate(0.0), ..options(&broker, recording(&dir, 1)) };
    assert!(fails(slow).await.contains("above zero"));
    broker.stop();
    let away = fails(options(&broker, recording(&dir, 1))).await;
    assert!(
        away.contains("cannot publish to mqtt://127.0.0.1") && away.contains("refused"),
        "{away}"
    );
}

#[tokio::test]
async fn a_broker_that_goes_away_fails_the_replay() {
    let mut broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let slow = ReplayOptions { pace: Pace::Rate(1.0), ..options(&broker, recording(&dir, 60)) };
    let mut running = JoinSet::new();
    running.spawn(replay(slow, std::future::pending()));
    broker.logged("Received PUBLISH from geocast-replay", 1).await;
    broker.stop();
    let failure = soon("failed", running.join_next()).await.unwrap().unwrap().unwrap_err();
    assert!(format!("{failure:#}").contains("failed after 1 messages"), "{failure:#}");
}

#[tokio::test]
async fn a_replay_that_is_interrupted_says_so() {
    let broker = Mosquitto::start();
    let dir = TempDir::new().unwrap();
    let slow = ReplayOptions { pace: Pace::Rate(1.0), ..options(&broker, recording(&dir, 60)) };
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(replay(slow, stop.clone().cancelled_owned()));
    broker.logged("Received PUBLISH from geocast-replay", 1).await;
    stop.cancel();
    let summary = soon("stopped", running.join_next()).await.unwrap().unwrap().unwrap();
    assert!(summary.to_string().ends_with("(interrupted)"), "{summary}");
}
