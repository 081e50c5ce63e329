//! Tracks, series, links, gateways and totals.

use meshtastic::protobufs::{DeviceMetrics, Neighbor, NeighborInfo, PortNum, Telemetry, telemetry};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio, radio::now_seconds};

const WALKER: Radio = Radio(0x0a);

/// Begins a whole hour, some hours ago.
fn start() -> u32 {
    now_seconds() / 3600 * 3600 - 3 * 3600
}

/// North, and at the end a corner to the east; the fourth lies a little beside the line.
async fn after_a_walk(folder: &TempDir, places: &[(f64, f64)]) -> Geocast {
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (minute, (latitude, longitude)) in (0..).zip(places) {
        gateway.publish(WALKER.at_time(*latitude, *longitude, start() + minute * 60));
    }
    geocast
}

const WALK: [(f64, f64); 5] =
    [(50.0, 8.0), (50.001, 8.0), (50.002, 8.000_01), (50.003, 8.0), (50.003, 8.01)];

fn path(parameters: &str) -> String {
    format!("/api/nodes/{}/positions?{parameters}", WALKER.id())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_a_line_with_times_the_oldest_place_first() {
    let folder = TempDir::new().unwrap();
    let geocast = after_a_walk(&folder, &WALK).await;
    let (_, track) = geocast.ask(&path("format=geojson")).await;
    let feature = &track["features"][0];
    assert_eq!(track["features"].as_array().unwrap().len(), 1);
    assert_eq!(feature["geometry"]["type"], "LineString");
    let expected: Vec<_> = WALK.iter().map(|(lat, lon)| json!([lon, lat])).collect();
    assert_eq!(feature["geometry"]["coordinates"], Value::from(expected));
    let times: Vec<_> = (0..5).map(|minute| i64::from(start() + minute * 60) * 1000).collect();
    assert_eq!(feature["properties"]["times"], json!(times));
    assert_eq!(feature["properties"]["node"], WALKER.id());
    let stamped = feature["properties"]["coordTimes"][0].as_str().unwrap();
    assert!(stamped.ends_with(":00:00Z"), "{stamped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_simplified_to_what_a_line_within_the_tolerance_needs() {
    let folder = TempDir::new().unwrap();
    let geocast = after_a_walk(&folder, &WALK).await;
    let latitudes = async |parameters: &str| -> Vec<f64> {
        let (status, page) = geocast.ask(&path(parameters)).await;
        assert_eq!(status, 200, "{page}");
        let positions = page["positions"].as_array().unwrap().iter();
        positions.map(|position| position["latitude"].as_f64().unwrap()).collect()
    };
    assert_eq!(latitudes("simplify=5").await, [50.003, 50.003, 50.0], "the newest first");
    assert_eq!(latitudes("simplify=0.5").await.len(), 4, "the one beside the line is kept");
    assert_eq!(latitudes("").await.len(), 5);
    for wrong in ["simplify=-1", "simplify=NaN", "simplify=far", "format=kmz"] {
        let (status, problem) = geocast.ask(&path(wrong)).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_cut_where_it_crosses_the_antimeridian() {
    let folder = TempDir::new().unwrap();
    let walk = [(0.0, 179.8), (0.0, 179.9), (0.1, -179.9), (0.1, -179.8)];
    let geocast = after_a_walk(&folder, &walk).await;
    let (_, track) = geocast.ask(&path("format=geojson")).await;
    let geometry = &track["features"][0]["geometry"];
    assert_eq!(geometry["type"], "MultiLineString");
    let lines = geometry["coordinates"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    let longitudes = |line: &Value| -> Vec<f64> {
        line.as_array().unwrap().iter().map(|at| at[0].as_f64().unwrap()).collect()
    };
    assert_eq!(longitudes(&lines[0]), [179.8, 179.9, 180.0]);
    assert_eq!(longitudes(&lines[1]), [-180.0, -179.9, -179.8]);
    let crossed = (lines[0][2][1].as_f64().unwrap() * 1e6).round();
    assert!((crossed - 50_000.0).abs() < 1.0, "half way: {crossed}");
    let times = &track["features"][0]["properties"]["times"];
    assert_eq!(times[0].as_array().unwrap().len(), 3);
    assert_eq!(times[0][2], times[1][0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_written_as_gpx_and_as_csv_with_a_link_to_the_next_page() {
    let folder = TempDir::new().unwrap();
    let geocast = after_a_walk(&folder, &WALK).await;
    let gpx = geocast.get(&path("format=gpx&limit=2")).await;
    assert_eq!(gpx.headers()["content-type"], "application/gpx+xml");
    let link = gpx.headers()["link"].to_str().unwrap().to_owned();
    let text = gpx.text().await.unwrap();
    assert_eq!(text.matches("<trkpt ").count(), 2, "{text}");
    assert!(text.contains(r#"<trkpt lat="50.0030000" lon="8.0100000"><time>"#), "{text}");
    let (older, newer) = (text.find("lon=\"8.0000000\""), text.find("lon=\"8.0100000\""));
    assert!(older < newer, "the oldest first: {text}");

    let next =
        link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let rest = next.replace("format=gpx", "format=csv").replace("limit=2", "limit=9");
    let rest = geocast.get(&rest).await;
    assert!(rest.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert!(!rest.headers().contains_key("link"));
    let text = rest.text().await.unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("time,latitude,longitude,altitude,"), "{text}");
    assert!(lines[3].contains(":00:00Z,50.0000000,8.0000000,"), "the newest first: {text}");
}

fn battery(minute: u32, level: u32) -> (String, Vec<u8>) {
    let metrics = DeviceMetrics { battery_level: Some(level), ..DeviceMetrics::default() };
    let telemetry = Telemetry {
        time: start() + minute * 60,
        variant: Some(telemetry::Variant::DeviceMetrics(metrics)),
    };
    WALKER.says(PortNum::TelemetryApp, &telemetry.encode_to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_taken_together_by_the_hour() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (minute, level) in [(0, 90), (30, 80), (59, 70), (60, 60), (125, 50)] {
        gateway.publish(battery(minute, level));
    }
    let hour = |number: u32| u64::from(start() + number * 3600) * 1000;
    let path = format!("/api/nodes/{}/telemetry?bucket=1h", WALKER.id());
    let (_, first) = geocast.ask(&format!("{path}&metric=batteryLevel&limit=2")).await;
    let point = |number, count, min, mean, max| json!({"time": hour(number), "count": count, "min": min, "mean": mean, "max": max});
    assert_eq!(first["bucketMs"], 3_600_000);
    assert_eq!(
        first["series"],
        json!({"batteryLevel": [point(2, 1, 50.0, 50.0, 50.0), point(1, 1, 60.0, 60.0, 60.0)]})
    );
    let cursor = first["next"].as_str().unwrap();
    let (_, rest) = geocast.ask(&format!("{path}&cursor={cursor}")).await;
    assert_eq!(rest["series"]["batteryLevel"], json!([point(0, 3, 70.0, 80.0, 90.0)]));
    assert_eq!(rest["next"], Value::Null);
    let one_by_one = path.replace("bucket=1h", "limit=1");
    let (_, before) = geocast.ask(&format!("{one_by_one}&cursor={cursor}")).await;
    assert_eq!(before["telemetry"][0]["batteryLevel"], 70.0, "cursors are of one kind: {before}");
    let (_, none) = geocast.ask(&format!("{path}&metric=voltage")).await;
    assert_eq!(none["series"], json!({}));
    for wrong in ["bucket=0s", "bucket=often", "bucket=1h&cursor=x", "bucket=1h&cursor="] {
        let (status, problem) =
            geocast.ask(&format!("/api/nodes/{}/telemetry?{wrong}", WALKER.id())).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_told_with_their_quality_over_time() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for snr in [2.0, 4.0] {
        let neighbor = Neighbor { node_id: 0x0b, snr, ..Neighbor::default() };
        let neighbors = vec![neighbor];
        let info = NeighborInfo { node_id: WALKER.0, neighbors, ..NeighborInfo::default() };
        gateway.publish(WALKER.says(PortNum::NeighborinfoApp, &info.encode_to_vec()));
    }
    let (_, page) = geocast.ask("/api/links?bucket=366d").await;
    let link = &page["links"][0];
    assert_eq!(page["links"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!((&link["from"], &link["to"]), (&json!("!0000000b"), &json!("!0000000a")));
    assert_eq!(link["snr"], json!({"count": 2, "min": 2.0, "mean": 3.0, "max": 4.0}));
    assert_eq!(link["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_listed_with_whom_they_hear_how_well_and_from_how_far() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let (hill, valley) = (0x6a7e_0001, 0x6a7e_0002);
    gateway.publish(Radio(hill).at(50.0, 8.0));
    gateway.publish(Radio(1).at(50.1, 8.0));
    gateway.publish(Radio(2).at(50.3, 8.0));
    let (_, hello) = Radio(1).text("hello");
    gateway.publish((format!("msh/EU_868/2/e/LongFast/!{hill:08x}"), hello));
    let packet = Radio(3).heard_by(valley, 77, now_seconds(), PortNum::TextMessageApp, b"hi");
    gateway.publish(packet);

    let (_, first) = geocast.ask("/api/gateways?limit=1").await;
    let on_hill = &first["gateways"][0];
    assert_eq!(on_hill["id"], format!("!{hill:08x}"));
    assert_eq!((&on_hill["receptions"], &on_hill["nodes"]), (&json!(4), &json!(3)));
    assert_eq!(on_hill["snr"]["mean"], 5.25);
    let histogram = on_hill["rssi"]["histogram"].as_array().unwrap();
    assert_eq!(*histogram, [json!({"from": -95.0, "to": -85.0, "count": 4})]);
    let distance = &on_hill["distance"];
    assert_eq!(distance["nodes"], 2);
    let max = distance["max"].as_f64().unwrap();
    assert!((max - 33_358.0).abs() < 50.0, "{distance}");

    let cursor = first["next"].as_str().unwrap();
    let (_, rest) = geocast.ask(&format!("/api/gateways?limit=1&cursor={cursor}")).await;
    assert_eq!(rest["gateways"][0]["id"], format!("!{valley:08x}"));
    assert_eq!(rest["gateways"][0]["distance"], Value::Null, "it is not known where it is");
    assert_eq!(rest["next"], Value::Null);
    let (status, _) = geocast.ask("/api/gateways?from=0").await;
    assert_eq!(status, 400, "too long a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_tell_how_much_there_was_by_the_hour() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(50.1, 8.0));
    for handed in [0x6a7e_0001, 0x6a7e_0002] {
        gateway.publish(Radio(2).says_through(handed, 5, PortNum::TextMessageApp, b"hi"));
    }
    // Two buckets if the day ends just now.
    let (_, page) = geocast.ask("/api/totals?bucket=1d").await;
    let sum = |field: &str| -> u64 {
        page["totals"].as_array().unwrap().iter().map(|total| total[field].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("packets"), sum("receptions")), (2, 3), "{page}");
    assert_eq!(page["bucketMs"], 86_400_000);
    let (_, none) = geocast.ask("/api/totals?from=0&to=1000000").await;
    assert_eq!(none["totals"], json!([]));
    // 278 hours.
    let path = "/api/totals?from=999000000000&to=1000000000000&limit=100".to_owned();
    let (mut next, mut pages) = (path.clone(), 0);
    loop {
        let (_, page) = geocast.ask(&next).await;
        pages += 1;
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("{path}&cursor={cursor}");
    }
    assert_eq!(pages, 3);
}
