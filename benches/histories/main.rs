//! How long questions about the past, commits and removals take in a database with many positions.
//!
//! `cargo bench --bench histories [-- ROWS DAYS [FOLDER]]`: fills a new database in `FOLDER`
//! (that for temporary files if not given) with `ROWS` positions of 12,000 nodes in `DAYS` days: ten
//! million in one day if not given.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

use std::{
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use geocast::{
    domain::{
        Bounds, Network, NodeId, Packet, PacketKey, Patch, Place, Position, Reception, Report,
        Stamp, Timestamp,
    },
    storage::{self, HistoryQuery, Keep, PlaceQuery, Store},
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const NODES: i64 = 12_000;
const FOREVER: Duration = Duration::from_hours(24 * 365);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let rows: i64 = arguments.next().map_or(Ok(10_000_000), |rows| rows.parse())?;
    let days: i64 = arguments.next().map_or(Ok(1), |days| days.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(folder)?;
    let url = format!("sqlite:{}", directory.path().join("geocast.db").display());
    let begun = Instant::now();
    fill(&url, rows, days * 86_400_000).await?;
    println!("{rows} positions of {days} days, filled in {:.0?}", begun.elapsed());

    let store = storage::open(&url, FOREVER).await?;
    ask(&store, days).await?;
    let sizes = timed("sizes", async || store.sizes().await).await?;
    println!("  {sizes:?}");
    commit(&store, START.plus(Duration::from_hours(24) * u32::try_from(days)?)).await?;
    remove(&store).await?;
    store.close().await;
    Ok(())
}

/// Indexes are made at the end, which is much faster.
async fn fill(url: &str, rows: i64, span_millis: i64) -> Result<(), Box<dyn Error>> {
    storage::open(url, FOREVER).await?.close().await;
    let mut database = SqliteConnection::connect(url).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'positions'",
    )
    .fetch_all(&mut database)
    .await?;
    for pragma in ["synchronous = OFF", "cache_size = -400000"] {
        sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}"))).execute(&mut database).await?;
    }
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut database).await?;
    }
    // A node speaks about as often as the others, at no fixed pace, from near its own place.
    sqlx::query(
        "INSERT INTO positions \
         WITH RECURSIVE n(i, node, time) AS ( \
             SELECT 1, 0, ?1 UNION ALL \
             SELECT i + 1, (i * 2654435761) % ?4, ?1 + i * ?3 / ?2 FROM n WHERE i < ?2) \
         SELECT i, printf('!%08x', node), time / 1000 * 1000, time, 1, \
             450000000 + node * 8333 + abs(random()) % 10000, \
             50000000 + node * 40503 % 100000000 + abs(random()) % 10000, 100, 1.5, 180.5, 9, 32 \
         FROM n",
    )
    .bind(START.as_millis())
    .bind(rows)
    .bind(span_millis)
    .bind(NODES)
    .execute(&mut database)
    .await?;
    for (_, sql) in indexes {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut database).await?;
    }
    sqlx::query("UPDATE tallies SET positions = ?1, last_row = ?1")
        .bind(rows)
        .execute(&mut database)
        .await?;
    database.close().await?;
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
async fn commit(store: &Arc<dyn Store>, now: Timestamp) -> Result<(), Box<dyn Error>> {
    const BATCHES: u64 = 100;
    let mut spent = Duration::ZERO;
    for batch in 0..BATCHES {
        let reports: Vec<_> = (0..1000).map(|n| report(batch * 1000 + n, now)).collect();
        let reports: Vec<_> = reports.iter().collect();
        let begun = Instant::now();
        store.commit(&reports).await?;
        spent += begun.elapsed();
    }
    let each = spent.as_secs_f64() * 1e6 / 1e3 / f64::from(u32::try_from(BATCHES)?);
    println!("commits of 1000 packets with positions: {each:.1} us each packet");
    Ok(())
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
    }
}

/// Steps of several sizes.
async fn remove(store: &Arc<dyn Store>) -> Result<(), Box<dyn Error>> {
    let keep = Keep { positions: Some(Duration::from_millis(1)), ..Keep::default() };
    let now = START.plus(Duration::from_hours(12));
    for rows in [50, 250, 1000, 2000] {
        let mut times = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            store.sweep(&keep, now, rows).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("a removal of {rows} rows: {:.1} ms, at most {:.1} ms", times[25], times[49]);
    }
    Ok(())
}
