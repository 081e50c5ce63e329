//! What the server says of itself, held against what it does.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{DEADLINE, Gateway, Geocast, Radio, Schema};

async fn with_nodes(folder: &TempDir) -> Geocast {
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for number in 1..=3 {
        gateway.publish(Radio(number).named("<b>Node</b>", "N"));
        gateway.publish(Radio(number).at(10.0, f64::from(number)));
        gateway.publish(Radio(number).text("hello"));
    }
    geocast
}

/// A path with something in its place for each part.
pub(crate) fn filled(path: &str) -> String {
    let parts = [
        ("{id}", "!00000001"),
        ("{collectionId}", "nodes"),
        ("{featureId}", "!00000001"),
        ("{name}", "ServerMessage"),
        ("{z}", "1"),
        ("{x}", "1"),
        ("{y}", "0.mvt"),
    ];
    let path = parts.iter().fold(path.to_owned(), |path, (part, value)| path.replace(part, value));
    assert!(!path.contains('{'), "nothing is known to put into {path}");
    path
}

/// The schema of an answer, with all that it refers to.
fn validator(document: &Value, schema: &Value) -> Schema {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    Schema::new(whole)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_the_document_says() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    let (_, document) = geocast.ask("/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], format!("http://{}", geocast.address));
    let (_, page) = geocast.ask("/ogc/collections/positions/items").await;
    let was = format!("positions/items/{}", page["features"][0]["id"].as_str().unwrap());
    let mut checked = 0;
    let paths = document["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(_, item)| item["get"].is_object()) {
        for query in ["", "?format=geojson", "?limit=1"] {
            let has = |name: &str| {
                let parameters = item["get"]["parameters"].as_array().unwrap();
                parameters.iter().any(|parameter| parameter["name"] == name)
            };
            if let Some((name, _)) = query.trim_start_matches('?').split_once('=')
                && !has(name)
            {
                continue;
            }
            let path = path.replace("positions/items/{featureId}", &was);
            let asked = format!("{}{query}", filled(&path));
            let answer = geocast.get(&asked).await;
            assert_eq!(answer.status(), 200, "{asked}");
            let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
            let contents = item["get"]["responses"]["200"]["content"].as_object().unwrap();
            let said = contents.iter().find(|(said, _)| kind.starts_with(said.as_str()));
            let (_, said) = said.unwrap_or_else(|| panic!("{asked} answers {kind}"));
            if kind.contains("json") {
                let body: Value = answer.json().await.unwrap();
                let problems = validator(&document, &said["schema"]).complaints(&body);
                assert_eq!(problems, [""; 0], "{asked}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} answers were looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems_and_methods_are_those_that_are_allowed() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    let (_, document) = geocast.ask("/api/openapi.json").await;
    let problem = &document["components"]["responses"]["Problem"]["content"];
    let problem = validator(&document, &problem["application/problem+json"]["schema"]);
    let client = reqwest::Client::new();
    let ask = async |method: Method, path: &str| {
        let url = format!("http://{}{path}", geocast.address);
        client.request(method, url).timeout(DEADLINE).send().await.unwrap()
    };
    let live = ["/api/ws", "/api/events"];
    let live: Vec<_> = live.iter().map(|path| (*path, json!({ "get": {} }))).collect();
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.map(|(path, item)| (path.as_str(), item.clone())).chain(live);
    for (path, item) in paths {
        let answer = ask(Method::from_bytes(b"BREW").unwrap(), &filled(path)).await;
        assert_eq!(answer.status(), 405, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap();
        let allowed: BTreeSet<_> = allowed.split(',').map(|m| m.trim().to_lowercase()).collect();
        let mut said: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        if said.contains("get") {
            said.insert("head".to_owned());
        }
        assert_eq!(allowed, said, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        assert!(problem.accepts(&answer.json().await.unwrap()), "{path}");
    }
    for (path, status) in [
        ("/api/nothing", 404),
        ("/api", 404),
        ("/ogc/nothing", 404),
        ("/tiles/nothing", 404),
        ("/api/nodes/!000000ff", 404),
        ("/api/nodes/%ff", 400),
        ("/api/nodes?limit=many", 400),
        ("/api/nodes?bbox=0,10,1,5", 400),
        ("/ogc/collections/nodes/items?datetime=", 400),
        ("/api/nodes?format=shapefile", 400),
        ("/api/ws", 400),
        ("/tiles/nodes/9/9/x", 400),
        ("/tiles/nodes/1/2/0", 404),
    ] {
        let answer = ask(Method::GET, path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let body: Value = answer.json().await.unwrap();
        assert!(problem.accepts(&body), "{path}: {body}");
        assert_eq!(body["status"], status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_any_size_counts_as_the_most_there_may_be() {
    let folder = TempDir::new().unwrap();
    let geocast = with_nodes(&folder).await;
    for path in [
        "/api/nodes",
        "/api/nodes/!00000001/positions",
        "/api/nodes/!00000001/telemetry",
        "/api/positions",
        "/api/messages",
        "/api/links",
        "/api/gateways",
        "/api/totals",
        "/api/audit",
        "/ogc/collections/nodes/items",
    ] {
        let (status, answer) = geocast.ask(&format!("{path}?limit=184467440737095516160")).await;
        assert_eq!(status, 200, "{path}: {answer}");
        let (status, answer) = geocast.ask(&format!("{path}?limit=-1")).await;
        assert_eq!(status, 400, "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_or_too_large_is_told_so() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let client = reqwest::Client::new();
    let huge = "x".repeat(5 << 20);
    for path in ["/api/login", "/api/shares"] {
        for (kind, body, status) in [
            ("text/plain", "{}", 415),
            ("application/json", "{", 400),
            ("application/json", huge.as_str(), 413),
        ] {
            let url = format!("http://{}{path}", geocast.address);
            let request = client.post(url).header("content-type", kind).body(body.to_owned());
            let answer = request.timeout(DEADLINE).send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {kind}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_a_body_to_its_end_before_reading_finds_the_answer() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    // More than the sockets on the way hold.
    let body = "x".repeat(12 << 20);
    let length = body.len();
    for (path, more, status) in [
        ("/api/login", "Content-Type: application/json\r\n", "413"),
        ("/api/login", "", "415"),
        ("/api/nodes", "", "405"),
        ("/api/login?token=x", "", "400"),
        ("/nowhere", "", "404"),
    ] {
        let mut stream = TcpStream::connect(geocast.address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: here\r\n{more}Content-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_to_be_asked_for_a_body_is_not_where_nobody_wants_it() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut stream = TcpStream::connect(geocast.address).await.unwrap();
    let head = "POST /api/nodes HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n\
        Content-Length: 5000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 405");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_document_needs_nothing_from_elsewhere() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    for path in ["/api/docs", "/api/docs.js", "/api/docs.css"] {
        let answer = geocast.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("://"), "{path} names another place");
        for inline in ["<style", "style=", "onclick", "onload"] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
    }
}
