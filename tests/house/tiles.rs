//! Vector tiles, as maps ask for them.

use prost::Message;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

/// The parts of a tile that this looks at, as the specification numbers them.
#[derive(Clone, PartialEq, Message)]
struct Tile {
    #[prost(message, repeated, tag = "3")]
    layers: Vec<Layer>,
}

#[derive(Clone, PartialEq, Message)]
struct Layer {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    features: Vec<Feature>,
    #[prost(string, repeated, tag = "3")]
    keys: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Feature {
    #[prost(uint64, tag = "1")]
    id: u64,
}

async fn get(geocast: &Geocast, path: &str, header: (&str, &str)) -> (u16, HeaderMap, Vec<u8>) {
    let url = format!("http://{}{path}", geocast.address);
    let request = reqwest::Client::new().get(url).header(header.0, header.1).timeout(DEADLINE);
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().into())
}

fn ids(bytes: &[u8]) -> Vec<u64> {
    let tile = Tile::decode(bytes).unwrap();
    let features = tile.layers.iter().flat_map(|layer| &layer.features);
    features.map(|feature| feature.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tile_json_leads_to_tiles_with_the_nodes_in_them() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for (number, place) in [(1, (52.52, 13.405)), (2, (-33.8688, 151.2093)), (3, (1.0, 1.0))] {
        gateway.publish(Radio(number).named("<b>Node</b>", "N"));
        gateway.publish(Radio(number).at(place.0, place.1));
    }
    gateway.publish(Radio(4).named("Nowhere", "NW"));
    let (_, described) = geocast.ask("/tiles/nodes.json").await;
    assert_eq!(described["tilejson"], "3.0.0");
    assert_eq!(described["vector_layers"][0]["id"], "nodes");
    let template = described["tiles"][0].as_str().unwrap();
    let base = format!("http://{}", geocast.address);
    let template = template.strip_prefix(&base).unwrap();
    for (tile, expected) in [
        (["0", "0", "0"], vec![1, 2, 3]),
        (["10", "550", "335"], vec![1]),
        (["10", "942", "614"], vec![2]),
        (["10", "100", "100"], vec![]),
    ] {
        let path = template.replace("{z}", tile[0]).replace("{x}", tile[1]).replace("{y}", tile[2]);
        for path in [path.as_str(), &path.replace(".mvt", ""), &path.replace(".mvt", ".pbf")] {
            let (status, headers, bytes) = get(&geocast, path, ("accept", "*/*")).await;
            assert_eq!(status, 200, "{path}");
            assert_eq!(headers["content-type"], "application/vnd.mapbox-vector-tile");
            assert_eq!(ids(&bytes), expected, "{path}");
        }
    }
    let (_, _, bytes) = get(&geocast, "/tiles/nodes/10/550/335", ("accept", "*/*")).await;
    let layer = Tile::decode(&*bytes).unwrap().layers.remove(0);
    let fields: Value = described["vector_layers"][0]["fields"].clone();
    assert_eq!(layer.name, "nodes");
    assert!(layer.keys.iter().all(|key| fields.get(key).is_some()), "{:?}", layer.keys);
    let (_, headers, _) = get(&geocast, "/tiles/nodes/0/0/0", ("accept-encoding", "gzip")).await;
    assert_eq!(headers["content-encoding"], "gzip");
    for (path, expected) in [
        ("1/2/0", 404),
        ("1/0/2", 404),
        ("23/0/0", 404),
        ("a/b/c", 400),
        ("1/0/0.png", 400),
        ("-1/0/0", 400),
    ] {
        let path = format!("/tiles/nodes/{path}");
        let (status, headers, _) = get(&geocast, &path, ("accept", "*/*")).await;
        assert_eq!(status, expected, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_is_sent_again_only_when_the_map_has_changed() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(52.52, 13.405));
    let path = "/tiles/nodes/0/0/0.mvt";
    let (_, headers, _) = get(&geocast, path, ("accept", "*/*")).await;
    let tag = headers["etag"].to_str().unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    for held in [tag, &format!("\"other\", {tag}"), "*"] {
        let (status, headers, bytes) = get(&geocast, path, ("if-none-match", held)).await;
        assert_eq!((status, bytes.len()), (304, 0), "{held}");
        assert_eq!(headers["etag"], tag);
    }
    gateway.publish(Radio(2).at(1.0, 1.0));
    let (status, headers, bytes) = get(&geocast, path, ("if-none-match", tag)).await;
    assert_eq!(status, 200, "what was acknowledged is in the tile");
    assert_ne!(headers["etag"], tag);
    assert_eq!(ids(&bytes), [1, 2]);
}
