//! A database that takes no commits, or takes them slowly: brokers hold what geocast cannot.

use std::{path::Path, process::Stdio};

use meshtastic::protobufs::PortNum;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{
    harness::{Gateway, Geocast, Radio, radio::Publish},
    mosquitto::{Mosquitto, tool},
};

/// What geocast is told to hold at most.
const MAX_PENDING: u64 = 100;
const PENDING: &str = "geocast_packets_pending";
const STORED: &str = "geocast_packets_stored_total";

/// Another program that holds the lock on the database.
struct Lock(SqliteConnection);

impl Lock {
    async fn open(folder: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(folder.join("geocast.db"));
        Self(options.connect().await.unwrap())
    }

    async fn take(&mut self) {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.0).await.unwrap();
    }

    async fn release(&mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
    }

    /// The packets as they were stored, of each sender in order.
    async fn stored(&mut self) -> Vec<(String, i64)> {
        let query = "SELECT sender, packet_id FROM packets ORDER BY sender, id";
        sqlx::query_as(query).fetch_all(&mut self.0).await.unwrap()
    }
}

/// The packets of a few radios in turn, numbered.
fn packets(numbers: std::ops::Range<u32>) -> Vec<Publish> {
    let packet = |number| {
        Radio(number % 7 + 1).says_through(0x6a7e_0001, number, PortNum::TextMessageApp, b"x")
    };
    numbers.map(packet).collect()
}

fn in_order(numbers: std::ops::Range<u32>) -> Vec<(String, i64)> {
    let mut expected: Vec<_> =
        numbers.map(|number| (Radio(number % 7 + 1).id(), i64::from(number))).collect();
    expected.sort();
    expected
}

fn borrowed(packets: &[Publish]) -> impl Iterator<Item = (&str, &[u8])> {
    packets.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()))
}

/// Waits until as much waits as may. How much is being committed besides is a matter of how much
/// there was when the commit began.
async fn fills(geocast: &Geocast) {
    geocast.metric_reaches(PENDING, MAX_PENDING / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_takes_nothing_mosquitto_holds_what_is_published() {
    let folder = TempDir::new().unwrap();
    let mosquitto =
        Mosquitto::with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0");
    let geocast = Geocast::start(&[
        "serve",
        "--mqtt-url",
        &mosquitto.url(),
        "--database-url",
        &format!("sqlite:{}", folder.path().join("geocast.db").display()),
        "--max-pending",
        &MAX_PENDING.to_string(),
    ])
    .await;
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let mut gateway = Gateway::connect(([127, 0, 0, 1], mosquitto.port()).into());
    let mut lock = Lock::open(folder.path()).await;

    lock.take().await;
    block_in_place(|| gateway.publish_all(borrowed(&packets(1..2000))));
    fills(&geocast).await;
    // As long as the database is waited for.
    let health = geocast
        .ask_until("/api/health", |_, health| health["problems"].to_string().contains("storage: "));
    assert!(health.await["problems"].to_string().contains("locked"));
    assert!(geocast.metric("geocast_packets_received_total").await <= MAX_PENDING);
    assert_eq!(geocast.metric(STORED).await, 0);
    let metrics = geocast.get("/metrics").await.text().await.unwrap();
    let lag = metrics.lines().find_map(|line| line.strip_prefix("geocast_lag_seconds "));
    assert!(lag.unwrap().parse::<f64>().unwrap() > 1.0, "{lag:?}");
    lock.release().await;
    geocast.metric_becomes(STORED, 1999).await;
    geocast.metric_becomes(PENDING, 0).await;
    assert_eq!(lock.stored().await, in_order(1..2000));
    geocast.ask_until("/api/health", |status, _| status == 200).await;

    // Slow, and not away.
    block_in_place(|| gateway.publish_all(borrowed(&packets(2000..4000))));
    while geocast.metric(STORED).await < 3999 {
        lock.take().await;
        assert!(geocast.metric(PENDING).await <= MAX_PENDING);
        lock.release().await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(lock.stored().await, in_order(1..4000));
}

/// The embedded broker holds no messages for geocast: publishers keep what is not committed.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_takes_nothing_the_embedded_broker_acknowledges_nothing() {
    let folder = TempDir::new().unwrap();
    let max_pending = MAX_PENDING.to_string();
    let mut geocast = Geocast::with(folder.path(), &["--max-pending", &max_pending]).await;
    let broker = geocast.broker().await;
    let mut lock = Lock::open(folder.path()).await;
    lock.take().await;

    // Three at QoS 1, of whom one connects again and says everything again; and two at QoS 2.
    let all = packets(1..10);
    let name = |index| format!("gateway-{index}");
    let connect = |index| Gateway::try_connect_as(Some(&name(index)), broker).unwrap();
    let mut gateways: Vec<_> = (0..3).map(connect).collect();
    for (gateway, packets) in gateways.iter_mut().zip(all.chunks(3)) {
        borrowed(packets).for_each(|(topic, payload)| gateway.send(topic, payload));
    }
    let exactly_once = packets(10..12);
    let mut publishers: Vec<_> = borrowed(&exactly_once)
        .enumerate()
        .map(|(index, (topic, payload))| {
            let file = folder.path().join(format!("{index}.bin"));
            std::fs::write(&file, payload).unwrap();
            tool("mosquitto_pub", "mosquitto-clients")
                .args(["-h", "127.0.0.1", "-p", &broker.port().to_string(), "-q", "2", "-t", topic])
                .arg("-f")
                .arg(file)
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    // One of each is on its way, and the others wait in their connections.
    geocast.metric_becomes(PENDING, 5).await;
    let mut again = connect(0);
    for (id, packet) in (1..).zip(borrowed(&all[..3])) {
        again.try_send(id, true, packet).unwrap();
    }
    gateways[0] = again;
    geocast.metric_becomes(PENDING, 6).await;

    // Whoever publishes at QoS 0 waits in the same way once geocast is full. It goes on meanwhile
    // with who it may, so a connection is answered.
    let flood = packets(12..1012);
    let mut flooding = Gateway::connect(broker);
    let flooder = std::thread::spawn(move || {
        for packet in borrowed(&flood) {
            flooding.try_send_unanswered(packet).unwrap();
        }
        flooding
    });
    fills(&geocast).await;
    drop(Gateway::connect(broker));
    assert!(geocast.metric("geocast_packets_received_total").await <= MAX_PENDING);
    for gateway in &mut gateways {
        assert!(!gateway.is_answered(), "acknowledged before it was committed");
    }
    for publisher in &mut publishers {
        assert!(publisher.try_wait().unwrap().is_none(), "acknowledged before it was committed");
    }

    lock.release().await;
    for gateway in &mut gateways {
        for _ in 0..3 {
            block_in_place(|| gateway.acknowledged()).unwrap();
        }
    }
    for mut publisher in publishers {
        assert!(block_in_place(|| publisher.wait()).unwrap().success());
    }
    let flooding = flooder.join().unwrap();
    geocast.metric_becomes(STORED, 1011).await;
    geocast.metric_becomes(PENDING, 0).await;
    // Those of different publishers overtake each other.
    let mut stored = lock.stored().await;
    stored.sort();
    assert_eq!(stored, in_order(1..1012));
    drop(flooding);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_taken_by_the_page_and_not_by_the_huge_page() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &[]).await;
    let huge = geocast.status("THP_enabled:");
    assert!(matches!(huge.as_deref(), None | Some("0")), "huge pages: {huge:?}");
}
