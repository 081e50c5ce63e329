//! Long answers, which are read and sent a piece at a time.

use meshtastic::protobufs::{
    DeviceMetrics, Neighbor, NeighborInfo, PortNum, Telemetry, telemetry::Variant,
};
use prost::Message as _;
use reqwest::header::LINK;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    harness::{
        DEADLINE, Database, Gateway, Geocast, Radio, database_url, radio::Publish, raw::connect,
    },
    postgres_server,
};

const WALKER: Radio = Radio(0x0a);

/// More than a piece of those that are read in the largest.
const POSITIONS: u32 = 2_600;

/// More than a piece.
const OTHERS: u32 = 1_100;

/// One of everything that there are histories of.
fn said() -> Vec<Publish> {
    let metrics = DeviceMetrics { battery_level: Some(50), ..DeviceMetrics::default() };
    let telemetry = Telemetry { time: 0, variant: Some(Variant::DeviceMetrics(metrics)) };
    let neighbors = vec![Neighbor { node_id: 0x0b, snr: 5.0, ..Neighbor::default() }];
    let info = NeighborInfo { node_id: WALKER.0, neighbors, ..NeighborInfo::default() };
    vec![
        WALKER.at(50.0, 8.0),
        WALKER.says(PortNum::TelemetryApp, &telemetry.encode_to_vec()),
        WALKER.text("one of many"),
        WALKER.says(PortNum::NeighborinfoApp, &info.encode_to_vec()),
    ]
}

/// Makes many of the one row of each history. Some of them have the same time.
fn many() -> [String; 4] {
    let of = |table, columns: &str, values: &str, rows: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1) \
             INSERT INTO {table} ({columns}) SELECT {values} FROM {table} CROSS JOIN n"
        )
    };
    [
        of(
            "positions",
            "packet, node, time, heard, own_clock, latitude_e7, longitude_e7, altitude_m",
            "packet + i, node, time + i / 3, heard, own_clock, latitude_e7 + i, longitude_e7, i % 9",
            POSITIONS,
        ),
        of(
            "telemetry",
            "packet, node, time, heard, own_clock, section, readings",
            "packet + i, node, time + i / 3, heard, own_clock, section, readings",
            OTHERS,
        ),
        of(
            "messages",
            "packet, network, packet_id, sender, text, time",
            "packet + i, network, packet_id + i, sender, text, time + i / 3",
            OTHERS,
        ),
        of(
            "links",
            "packet, from_node, to_node, time, snr_db, source",
            "packet + i, from_node, to_node, time + i / 3, snr_db, source",
            OTHERS,
        ),
    ]
}

async fn after_little(database: &str) -> Geocast {
    let usual = ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", database];
    let mut geocast = Geocast::start(&usual).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for publish in said() {
        gateway.publish(publish);
    }
    geocast
}

async fn after_much(folder: &TempDir) -> Geocast {
    let geocast = after_little(&database_url(folder.path())).await;
    let mut database = Database::in_folder(folder.path()).await;
    for statement in many() {
        database.execute(&statement).await;
    }
    database.close().await;
    geocast
}

fn positions_path() -> String {
    format!("/api/nodes/{}/positions?", WALKER.id())
}

/// The lists of all pages of this size, one after the other.
async fn paged(geocast: &Geocast, path: &str, list: &str, limit: u32) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let (status, mut page) = geocast.ask(&format!("{path}limit={limit}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        rows.append(page[list].as_array_mut().unwrap());
        pages += 1;
        let links = page["links"].as_array();
        let link = links.and_then(|links| links.iter().find(|link| link["rel"] == "next"));
        let next = link.and_then(|link| link["href"].as_str()?.split_once("cursor="));
        match page["next"].as_str().or(next.map(|(_, next)| next)) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, pages),
        }
    }
}

/// The same of an answer that names the next page in a header.
async fn linked(geocast: &Geocast, path: String) -> Vec<String> {
    let (mut pages, mut next) = (Vec::new(), Some(path));
    while let Some(path) = next {
        let page = geocast.get(&path).await;
        assert_eq!(page.status(), 200);
        let link = page.headers().get(LINK).map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
        pages.push(page.text().await.unwrap());
    }
    pages
}

async fn long_answers_are_what_short_ones_are_together(geocast: Geocast) {
    let positions = positions_path();
    let telemetry = format!("/api/nodes/{}/telemetry?", WALKER.id());
    for (path, list, length) in [
        (positions.as_str(), "positions", POSITIONS),
        (&telemetry, "telemetry", OTHERS),
        ("/api/messages?", "messages", OTHERS),
        ("/api/links?", "links", OTHERS),
        ("/api/positions?", "positions", POSITIONS),
        ("/api/positions?format=geojson&", "features", POSITIONS),
        ("/ogc/collections/positions/items?", "features", POSITIONS),
    ] {
        let (all, pages) = paged(&geocast, path, list, 10_000).await;
        assert_eq!((all.len(), pages), (length as usize, 1), "{path}");
        let by_time = |row: &Value| row["time"].as_i64();
        assert!(all.is_sorted_by(|one, other| by_time(one) >= by_time(other)), "{path}");
        let (together, pages) = paged(&geocast, path, list, 700).await;
        assert!(together == all, "{path}");
        assert_eq!(pages, length.div_ceil(700) as usize, "{path}");
    }

    let lines = |page: &str| page.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let csv = |limit| linked(&geocast, format!("{positions}format=csv&limit={limit}"));
    let [all] = &csv(10_000).await[..] else { panic!("more than one page") };
    assert_eq!(lines(all).len(), POSITIONS as usize);
    let together: Vec<_> = csv(1_700).await.iter().flat_map(|page| lines(page)).collect();
    assert!(together == lines(all));

    // The oldest first in each page, and the newest page first.
    let points = |page: &String| {
        assert!(page.starts_with("<?xml") && page.ends_with("</gpx>\n"), "{page}");
        page.lines().filter(|line| line.contains("<trkpt")).map(str::to_owned).collect::<Vec<_>>()
    };
    let gpx = |limit| linked(&geocast, format!("{positions}format=gpx&limit={limit}"));
    let [all] = &gpx(10_000).await[..] else { panic!("more than one page") };
    assert_eq!(points(all).len(), POSITIONS as usize);
    let together: Vec<_> = gpx(1_700).await.iter().rev().flat_map(points).collect();
    assert!(together == points(all));

    let line = format!("{positions}format=geojson&");
    let (all, _) = paged(&geocast, &line, "features", 10_000).await;
    let (parts, _) = paged(&geocast, &line, "features", 1_700).await;
    for list in ["/geometry/coordinates", "/properties/times", "/properties/coordTimes"] {
        let of = |feature: &Value| feature.pointer(list).unwrap().as_array().unwrap().clone();
        assert_eq!(of(&all[0]).len(), POSITIONS as usize);
        let together: Vec<_> = parts.iter().rev().flat_map(of).collect();
        assert!(together == of(&all[0]), "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_what_short_ones_are_together_over_sqlite() {
    let folder = TempDir::new().unwrap();
    long_answers_are_what_short_ones_are_together(after_much(&folder).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_what_short_ones_are_together_over_postgres() {
    let database = postgres_server::Database::create();
    let geocast = after_little(&database.url).await;
    for statement in many() {
        database.sql(&statement);
    }
    long_answers_are_what_short_ones_are_together(geocast).await;
}

/// The head of an answer in lower case, and the lengths of the parts of its body if it says them.
async fn answered(geocast: &Geocast, path: &str) -> (String, Vec<usize>) {
    let mut stream = connect(geocast.address).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, mut body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    let mut lengths = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let (length, rest) = body.split_once("\r\n").unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            if length == 0 {
                break;
            }
            lengths.push(length);
            body = &rest[length + 2..];
        }
    }
    (head, lengths)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_comes_in_pieces_and_a_short_one_whole() {
    let folder = TempDir::new().unwrap();
    let geocast = after_much(&folder).await;
    for path in [
        &format!("{}limit=10000", positions_path()),
        &format!("{}limit=10000&format=csv", positions_path()),
        &format!("{}limit=10000&format=gpx", positions_path()),
        &format!("{}limit=10000&format=geojson", positions_path()),
        "/api/positions?limit=10000",
        "/api/positions?limit=10000&format=geojson",
        "/ogc/collections/positions/items?limit=10000",
    ] {
        let (head, lengths) = answered(&geocast, path).await;
        assert!(head.starts_with("http/1.1 200") && !head.contains("content-length"), "{head}");
        assert!(lengths.len() > 1, "{path}: {lengths:?}");
        let (head, _) = answered(&geocast, &path.replace("limit=10000", "limit=10")).await;
        assert!(head.contains("content-length"), "{path}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_a_long_answer_holds_up_nobody() {
    let folder = TempDir::new().unwrap();
    let geocast = after_much(&folder).await;
    let path = format!("{}limit=10000", positions_path());
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").repeat(20);
    let mut deaf = connect(geocast.address).await;
    deaf.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(deaf.read_u8().await.unwrap(), b'H', "the answer has begun");
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    drop(deaf);
}
