//! OGC API - Features, as geographic tools ask for it.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{DEADLINE, Gateway, Geocast, Radio, radio::now_seconds};

const NODES: &str = "/ogc/collections/nodes/items";
const POSITIONS: &str = "/ogc/collections/positions/items";

/// Three nodes with a position, one across the antimeridian, and one without.
async fn with_nodes(folder: &TempDir) -> Geocast {
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (number, place) in [(1, (10.0, 10.0)), (2, (20.0, 20.0)), (3, (-17.0, 179.5))] {
        gateway.publish(Radio(number).named(&format!("<b>Node {number}</b>"), "N"));
        gateway.publish(Radio(number).at_time(place.0, place.1, 1_750_000_000 + number));
    }
    gateway.publish(Radio(4).named("Nowhere", "NW"));
    geocast
}

fn ids(page: &Value) -> Vec<&str> {
    let features = page["features"].as_array().unwrap_or_else(|| panic!("{page}"));
    assert_eq!(page["numberReturned"], features.len(), "{page}");
    features.iter().map(|feature| feature["id"].as_str().unwrap()).collect()
}

fn link<'a>(of: &'a Value, rel: &str) -> Option<&'a str> {
    let links = of["links"].as_array().unwrap();
    links.iter().find(|link| link["rel"] == rel)?["href"].as_str()
}

/// The path and query of a link to this server.
fn path(geocast: &Geocast, link: &str) -> String {
    let base = format!("http://{}", geocast.address);
    link.strip_prefix(&base).unwrap_or_else(|| panic!("{link} is not at {base}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_by_links_from_the_landing_page() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    let (_, landing) = geocast.ask("/ogc").await;
    for (rel, kind) in [
        ("self", "application/json"),
        ("service-desc", "application/vnd.oai.openapi+json;version=3.0"),
        ("conformance", "application/json"),
        ("data", "application/json"),
    ] {
        let answer = geocast.get(&path(&geocast, link(&landing, rel).unwrap())).await;
        assert_eq!(answer.status(), 200, "{rel}");
        assert_eq!(answer.headers()["content-type"], kind, "{rel}");
    }
    let (_, conformance) = geocast.ask("/ogc/conformance").await;
    let conforms: BTreeSet<_> =
        conformance["conformsTo"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    for class in ["core", "oas30", "geojson"] {
        let uri = format!("http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{class}");
        assert!(conforms.contains(uri.as_str()), "{conformance}");
    }
    let (_, definition) = geocast.ask("/ogc/api").await;
    assert_eq!(definition["openapi"], "3.0.3");
    assert_eq!(definition["servers"][0]["url"], format!("http://{}/ogc", geocast.address));
    let (_, collections) = geocast.ask("/ogc/collections").await;
    for collection in collections["collections"].as_array().unwrap() {
        let (status, alone) = geocast.ask(&path(&geocast, link(collection, "self").unwrap())).await;
        assert_eq!((status, &alone), (200, collection));
        let items = geocast.get(&path(&geocast, link(collection, "items").unwrap())).await;
        assert_eq!(items.headers()["content-type"], "application/geo+json");
        let items: Value = items.json().await.unwrap();
        let feature = &items["features"][0];
        let id = feature["id"].as_str().unwrap();
        let one = format!("/ogc/collections/{}/items/{id}", collection["id"].as_str().unwrap());
        let (status, mut alone) = geocast.ask(&one).await;
        let up = path(&geocast, link(&alone, "collection").unwrap());
        assert_eq!(up, format!("/ogc/collections/{}", collection["id"].as_str().unwrap()));
        let own = path(&geocast, link(&alone, "self").unwrap());
        assert_eq!(geocast.ask(&own).await.1, alone, "its own link leads to itself");
        alone.as_object_mut().unwrap().remove("links");
        assert_eq!((status, &alone), (200, feature));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_packets_say_alike_is_two_features() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let time = now_seconds();
    for _ in 0..2 {
        gateway.publish(Radio(1).at_time(10.0, 10.0, time));
    }
    let (_, page) = geocast.ask(POSITIONS).await;
    let ids = ids(&page);
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
    for (id, feature) in ids.iter().zip(page["features"].as_array().unwrap()) {
        let one = geocast.ask(&format!("{POSITIONS}/{id}")).await;
        assert_eq!((one.0, &one.1["id"]), (200, &feature["id"]));
    }
    for unknown in ["!00000001", "!00000001.1", "!00000001.x.1", "!00000001.1.1"] {
        let (status, _) = geocast.ask(&format!("{POSITIONS}/{unknown}")).await;
        assert_eq!(status, 404, "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_found_by_place_and_time() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    let all = ["!00000001", "!00000002", "!00000003"];
    let (_, page) = geocast.ask(NODES).await;
    assert_eq!(ids(&page), all, "a node without a position is no feature");
    assert_eq!(page["numberMatched"], 3);
    assert!(page["timeStamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{page}");
    let first = &page["features"][0];
    assert_eq!(first["geometry"], json!({ "type": "Point", "coordinates": [10.0, 10.0] }));
    assert_eq!(first["properties"]["longName"], "<b>Node 1</b>");
    assert_eq!(first["properties"]["time"], "2025-06-15T15:06:41Z");

    for (query, expected) in [
        ("bbox=9,9,11,11", &all[..1]),
        ("bbox=175,-30,-175,0", &all[2..]),
        ("bbox=9,9,-10,11,11,10", &all[..1]),
        ("datetime=2100-01-01T00:00:00Z/..", &[]),
        ("datetime=../2100-01-01T00:00:00Z", &all[..]),
        ("bbox=9,9,11,11&datetime=../2001-01-01T00:00:00%2B02:00", &[]),
    ] {
        let (status, page) = geocast.ask(&format!("{NODES}?{query}")).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(ids(&page), expected, "{query}");
        assert_eq!(page["numberMatched"], expected.len(), "{query}");
    }
    // Each said its name first, so every second packet says where one was.
    let position = |number: u32| {
        let time_ms = 1_750_000_000_000 + 1000 * u64::from(number);
        format!("!{number:08x}.{time_ms}.{}", 2 * number)
    };
    for (query, expected) in [
        ("", vec![position(3), position(2), position(1)]),
        ("bbox=175,-30,-175,0", vec![position(3)]),
        ("datetime=2025-06-15T15:06:41Z", vec![position(1)]),
        ("datetime=2025-06-15T15:06:41Z/2025-06-15T15:06:42Z", vec![position(2), position(1)]),
        ("datetime=2025-06-15T15:06:42.001Z/..", vec![position(3)]),
        ("datetime=../2025-06-15T15:06:40Z", vec![]),
    ] {
        let (status, page) = geocast.ask(&format!("{POSITIONS}?{query}")).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(ids(&page), expected, "{query}");
        assert_eq!(page["numberMatched"], Value::Null, "not known");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn next_links_lead_through_everything_once() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    for collection in [NODES, POSITIONS] {
        let (mut seen, mut pages) = (BTreeSet::new(), 0);
        let mut next = Some(format!("{collection}?limit=1&bbox=-180,-90,180,90"));
        while let Some(this) = next {
            let (status, page) = geocast.ask(&this).await;
            assert_eq!(status, 200, "{page}");
            for id in ids(&page) {
                assert!(seen.insert(id.to_owned()), "{id} is on two pages");
            }
            assert_eq!(path(&geocast, link(&page, "self").unwrap()), this);
            next = link(&page, "next").map(|next| path(&geocast, next));
            pages += 1;
            assert!(pages < 10, "{collection} has no end");
        }
        assert_eq!(seen.len(), 3, "{collection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_or_unknown_is_told_as_a_problem() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    for (path, expected) in [
        (format!("{NODES}?limit=0"), 400),
        (format!("{NODES}?limit=x"), 400),
        (format!("{NODES}?bbox=1,2,3"), 400),
        (format!("{NODES}?bbox=1,5,2,3"), 400),
        (format!("{NODES}?datetime=yesterday"), 400),
        (format!("{NODES}?datetime=../.."), 400),
        (format!("{NODES}?datetime=2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"), 400),
        (format!("{NODES}?bbox=1,2,9,3,4,5"), 400),
        (format!("{NODES}?limit=1&limit=2"), 400),
        (format!("{NODES}?colour=red"), 400),
        (format!("{NODES}/!00000001?limit=1"), 400),
        (format!("{POSITIONS}?cursor=garbage"), 400),
        ("/ogc/collections?limit=1".to_owned(), 400),
        ("/ogc/collections/trees".to_owned(), 404),
        ("/ogc/collections/trees/items".to_owned(), 404),
        (format!("{NODES}/!000000ff"), 404),
        (format!("{NODES}/!00000004"), 404),
        (format!("{POSITIONS}/nonsense"), 404),
        (format!("{POSITIONS}/!00000001.1"), 404),
    ] {
        let answer = geocast.get(&path).await;
        assert_eq!(answer.status().as_u16(), expected, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    let (status, page) = geocast.ask(&format!("{NODES}?limit=1000000")).await;
    assert_eq!((status, ids(&page).len()), (200, 3), "more than the most is the most");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_those_of_the_proxy_that_is_trusted() {
    let folder = TempDir::new().unwrap();
    let headers = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "map.example"),
        ("x-forwarded-prefix", "/mesh"),
    ];
    let linked = async |geocast: &Geocast| {
        let mut request = reqwest::Client::new().get(format!("http://{}/ogc", geocast.address));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let landing: Value = request.timeout(DEADLINE).send().await.unwrap().json().await.unwrap();
        link(&landing, "data").unwrap().to_owned()
    };
    let alone = Geocast::with_broker(folder.path()).await;
    let expected = format!("http://{}/ogc/collections", alone.address);
    assert_eq!(linked(&alone).await, expected);
    let folder = TempDir::new().unwrap();
    let proxied = Geocast::with(folder.path(), &["--trusted-proxy", "127.0.0.1/32"]).await;
    assert_eq!(linked(&proxied).await, "https://map.example/mesh/ogc/collections");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_answered_as_gets_are() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    for path in ["/ogc", "/ogc/api", "/ogc/conformance", "/ogc/collections", NODES, POSITIONS] {
        let url = format!("http://{}{path}", geocast.address);
        let head = reqwest::Client::new().head(url).timeout(DEADLINE).send().await.unwrap();
        let got = geocast.get(path).await;
        assert_eq!(head.status(), 200, "{path}");
        assert_eq!(head.headers()["content-type"], got.headers()["content-type"], "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

/// What `ogrinfo` says; none where GDAL is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn ogrinfo(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ogrinfo").args(arguments).stdin(Stdio::null()).output();
    let Ok(output) = output else {
        eprintln!("skipped: ogrinfo is not here (gdal-bin), so GDAL does not open the map");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn gdal_opens_the_map_as_layers() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    let source = format!("OAPIF:http://{}/ogc", geocast.address);
    let look = |arguments: &[&str]| {
        let arguments: Vec<_> = ["-ro", "-oo", "PAGE_SIZE=2", &source]
            .into_iter()
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        tokio::task::spawn_blocking(move || {
            ogrinfo(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
    };
    let Some(layers) = look(&[]).await.unwrap() else { return };
    assert!(layers.contains("nodes") && layers.contains("positions"), "{layers}");
    let nodes = look(&["nodes", "-spat", "0", "0", "30", "30"]).await.unwrap().unwrap();
    assert!(nodes.contains("Feature Count: 2"), "{nodes}");
    assert!(nodes.contains("POINT (20 20)"), "{nodes}");
    assert!(nodes.contains("longName (String) = <b>Node 1</b>"), "{nodes}");
    assert!(nodes.contains("lastHeard (DateTime)"), "{nodes}");
    let positions = look(&["positions", "-al"]).await.unwrap().unwrap();
    assert_eq!(positions.matches("OGRFeature(positions)").count(), 3, "{positions}");
    // With a page size of 2, the third came by the link to the next page.
    let all = look(&["nodes", "-al", "-q"]).await.unwrap().unwrap();
    for node in ["POINT (10 10)", "POINT (20 20)", "POINT (179.5 -17)"] {
        assert!(all.contains(node), "{node} is not in {all}");
    }
    let heard = |comparison: &str| format!("lastHeard {comparison} '2100/01/01 00:00:00'");
    for (comparison, count) in [("<", 3), (">=", 0)] {
        let found = look(&["nodes", "-q", "-where", &heard(comparison)]).await.unwrap().unwrap();
        assert_eq!(found.matches("OGRFeature(nodes)").count(), count, "{comparison}: {found}");
    }
    let one = look(&["positions", "-q", "-spat", "9", "9", "11", "11"]).await.unwrap().unwrap();
    assert_eq!(one.matches("OGRFeature(positions)").count(), 1, "{one}");
    assert!(one.contains("POINT (10 10)") && one.contains("node (String) = !00000001"), "{one}");
}
