//! How long questions about the past, commits and removals take in a database with many positions.
//!
//! `cargo bench --bench histories [-- ROWS DAYS [FOLDER | POSTGRES_URL]]`: fills a new `SQLite`
//! database in `FOLDER` (that for temporary files if not given), or an empty Postgres database, with
//! `ROWS` positions of 12,000 nodes in `DAYS` days: ten million in one day if not given.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

mod fill;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use geocast::{
    domain::{
        Bounds, Network, NodeId, Packet, PacketKey, Patch, Place, Position, Reception, Report,
        Stamp, Terms, Timestamp,
    },
    storage::{self, HistoryQuery, Keep, PlaceQuery, Store},
};
use tokio::sync::watch;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const NODES: i64 = 12_000;
const DAY: Duration = Duration::from_hours(24);
const FOREVER: Duration = Duration::from_hours(24 * 365);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let rows: i64 = arguments.next().map_or(Ok(10_000_000), |rows| rows.parse())?;
    let days: i64 = arguments.next().map_or(Ok(1), |days| days.parse())?;
    let place = arguments.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let mut directory = None;
    let url = if place.starts_with("postgres") {
        place
    } else {
        let path = directory.insert(tempfile::tempdir_in(place)?).path().join("geocast.db");
        format!("sqlite:{}", path.display())
    };
    let begun = Instant::now();
    fill::positions(&url, rows, days).await?;
    println!("{rows} positions of {days} days, filled in {:.0?}", begun.elapsed());

    let store = storage::open(&url, FOREVER).await?;
    ask(&store, days).await?;
    let sizes = timed("sizes", async || store.sizes().await).await?;
    println!("  {sizes:?}");
    let end = START.plus(DAY * u32::try_from(days)?);
    commit_batches(&store, end).await?;
    commit_beside_removals(&store, end).await?;
    for rows in [50, 250, 1000, 2000] {
        remove(&store, rows, end).await?;
    }
    store.close().await;
    Ok(())
}

/// Runs it five times and says how long each took.
async fn timed<T, E>(what: &str, run: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    let mut times = Vec::new();
    loop {
        let begun = Instant::now();
        let answer = run().await?;
        times.push(begun.elapsed());
        if times.len() == 5 {
            let times: Vec<_> =
                times.iter().map(|time| format!("{:.1}", time.as_secs_f64() * 1e3)).collect();
            println!("{what}: {} ms", times.join(" "));
            return Ok(answer);
        }
    }
}

async fn ask(store: &Arc<dyn Store>, days: i64) -> Result<(), Box<dyn Error>> {
    let hour = |hour: u32| START.plus(Duration::from_hours(1) * hour);
    let at = 24 * u32::try_from(days)? / 2;
    for (name, [west, south, east, north]) in [
        ("an empty sea", [-40.0, 30.0, -30.0, 40.0]),
        ("a town", [9.0, 48.0, 9.2, 48.2]),
        ("a country", [6.0, 47.0, 15.0, 55.0]),
    ] {
        let query = PlaceQuery {
            bounds: Bounds::new(north, south, east, west)?,
            from: Some(hour(at)),
            to: Some(hour(at + 1)),
            limit: 1000,
            cursor: None,
        };
        let page = timed(&format!("{name}, one hour"), async || store.visits(&query).await).await?;
        println!("  {} records, more: {}", page.records.len(), page.next.is_some());
        let all = PlaceQuery { from: None, to: None, ..query };
        let page = timed(&format!("{name}, any time"), async || store.visits(&all).await).await?;
        println!("  {} records, more: {}", page.records.len(), page.next.is_some());
    }
    for limit in [100, 1000, 10_000] {
        let query = HistoryQuery {
            node: Some(NodeId::Radio(4711)),
            from: Some(hour(at - 12)),
            to: Some(hour(at + 12)),
            limit,
            cursor: None,
        };
        let what = format!("a day of a node, {limit} a page");
        let page = timed(&what, async || store.positions(&query).await).await?;
        println!("  {} records, more: {}", page.records.len(), page.next.is_some());
    }
    Ok(())
}

/// Commits of 1000 packets with positions.
async fn commit_batches(store: &Arc<dyn Store>, now: Timestamp) -> Result<(), Box<dyn Error>> {
    let times = commits(store, 0, (100, 1000), now).await?;
    let each = times.iter().sum::<f64>() * 1e3 / 1e5;
    println!("commits of 1000 packets with positions: {each:.1} us each packet");
    Ok(())
}

/// Small commits, alone and while history is removed as the keeper does it.
async fn commit_beside_removals(
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> Result<(), Box<dyn Error>> {
    const SMALL: (u64, u64) = (500, 20);
    let times = commits(store, 1_000_000, SMALL, now).await?;
    println!("commits of 20 packets, alone: {}", spread(times));
    let (done, is_done) = watch::channel(false);
    let committing = async {
        let times = commits(store, 2_000_000, SMALL, now).await;
        done.send_replace(true);
        times
    };
    let removing = async {
        let mut removed = 0;
        while !*is_done.borrow() {
            let begun = Instant::now();
            let swept = store.sweep(&all_but_a_moment(), now, 250).await?;
            removed += swept.removed.iter().map(|(.., rows)| rows).sum::<u64>();
            tokio::time::sleep(begun.elapsed()).await;
        }
        Ok::<_, storage::StoreError>(removed)
    };
    let (times, removed) = tokio::join!(committing, removing);
    println!("commits of 20 packets, while {} rows are removed: {}", removed?, spread(times?));
    Ok(())
}

/// How long each commit took, in ms.
async fn commits(
    store: &Arc<dyn Store>,
    first: u64,
    (batches, size): (u64, u64),
    now: Timestamp,
) -> Result<Vec<f64>, storage::StoreError> {
    let mut times = Vec::new();
    for batch in 0..batches {
        let reports: Vec<_> = (0..size).map(|n| report(first + batch * size + n, now)).collect();
        let reports: Vec<_> = reports.iter().collect();
        let begun = Instant::now();
        store.commit(&reports).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// The middle, the ninety-ninth of a hundred, and the longest.
fn spread(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    format!("{:.1} ms, of a hundred one {:.1} ms, at most {:.1} ms", at(50), at(99), at(100))
}

fn report(number: u64, now: Timestamp) -> Report {
    let node = NodeId::Radio(u32::try_from(number * 7919 % 12_000).unwrap_or_default());
    let step = i32::try_from(number % 10_000).unwrap_or_default();
    let mut patch = Patch::heard(node.clone(), Network::Meshtastic, now);
    patch.position = Place::from_e7(450_000_000 + step, 90_000_000).ok().map(|place| Position {
        stamp: Stamp::dated(now, now),
        place,
        altitude_m: Some(100),
        ground_speed_kmh: Some(1.5),
        ground_track_deg: Some(180.5),
        sats_in_view: Some(9),
        precision_bits: Some(32),
    });
    Report {
        packet: Packet {
            key: PacketKey { network: Network::Meshtastic, sender: node.clone(), id: number },
            port: 3,
            channel: Some("LongFast".into()),
            to: None,
            payload: vec![7; 40],
        },
        reception: Reception {
            gateway: node,
            arrived: now,
            redelivered_since: None,
            snr_db: Some(5.25),
            rssi_dbm: Some(-90),
            hop_start: Some(3),
            hop_limit: Some(3),
        },
        patch,
        links: Vec::new(),
        terms: Terms::default(),
    }
}

/// What came less than a moment ago.
fn all_but_a_moment() -> Keep {
    Keep { positions: Some(Duration::from_millis(1)), ..Keep::default() }
}

/// Steps, each of at most so many rows where commits wait for them.
async fn remove(store: &Arc<dyn Store>, rows: u32, now: Timestamp) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    let mut removed = 0;
    for _ in 0..50 {
        let begun = Instant::now();
        let swept = store.sweep(&all_but_a_moment(), now, rows).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        removed += swept.removed.iter().map(|(.., rows)| rows).sum::<u64>();
    }
    println!("50 steps of {rows} rows, {removed} in all: {}", spread(times));
    Ok(())
}
