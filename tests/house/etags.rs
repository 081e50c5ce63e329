//! Answers that are sent again only when they have changed.

use reqwest::{Response, header::HeaderMap};
use tempfile::TempDir;

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

async fn get(geocast: &Geocast, path: &str, held: Option<&str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(held) = held {
        headers.insert("if-none-match", held.parse().unwrap());
    }
    let url = format!("http://{}{path}", geocast.address);
    let request = reqwest::Client::new().get(url).headers(headers).timeout(DEADLINE);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_nodes_are_sent_again_only_when_the_map_has_changed() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(10.0, 10.0));
    for (number, path) in (2..).zip([
        "/api/nodes",
        "/api/nodes?format=geojson&limit=50",
        "/api/nodes/!00000001",
        "/ogc/collections/nodes/items",
        "/ogc/collections/nodes/items?bbox=0,0,20,20&limit=50",
        "/ogc/collections/nodes/items/!00000001",
    ]) {
        let answer = get(&geocast, path, None).await;
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers()["cache-control"], "private, no-cache", "{path}");
        let same = get(&geocast, path, Some(&tag)).await;
        assert_eq!(
            (same.status().as_u16(), &same.headers()["etag"]),
            (304, &answer.headers()["etag"])
        );
        assert_eq!(same.bytes().await.unwrap().len(), 0, "{path}");
        gateway.publish(Radio(number).at(10.0, 11.0));
        let other = get(&geocast, path, Some(&tag)).await;
        assert_eq!(other.status(), 200, "what was acknowledged is in the answer to {path}");
        assert_ne!(other.headers()["etag"].to_str().unwrap(), tag, "{path}");
    }
}
