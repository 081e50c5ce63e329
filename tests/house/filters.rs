//! What every part of a filter shows.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio};

struct House {
    geocast: Geocast,
    gateway: Gateway,
    _folder: TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let mut geocast = Geocast::with_broker(folder.path()).await;
        let gateway = Gateway::connect(geocast.broker().await);
        Self { geocast, gateway, _folder: folder }
    }
}

fn shown(screen: &crate::harness::Screen) -> Vec<&str> {
    screen.nodes.keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rectangles_show_what_is_in_any_of_them_once() {
    let mut house = House::open().await;
    house.gateway.publish(Radio(1).at(10.0, 10.0));
    house.gateway.publish(Radio(2).at(20.0, 20.0));
    house.gateway.publish(Radio(3).at(50.0, 50.0));
    let boxes = "?bbox=9,9,21,21&bbox=19,19,21,21&bbox=49,49,51,51";
    let mut screen = house.geocast.look(boxes).await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["nodes"].as_array().unwrap().len(), 3, "{snapshot}");

    let corner = json!({ "north": 11, "south": 9, "east": 11, "west": 9 });
    screen.subscribe(json!({ "bounds": [corner, corner] })).await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["full"], false);
    assert_eq!(shown(&screen), ["!00000001"]);
    house.gateway.publish(Radio(1).at(10.5, 10.5));
    let moved = screen.until("position_update").await;
    assert_eq!(moved["positions"].as_array().unwrap().len(), 1, "once: {moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_node_is_shown_wherever_it_goes() {
    let mut house = House::open().await;
    house.gateway.publish(Radio(1).at(10.0, 10.0));
    house.gateway.publish(Radio(2).at(50.0, 50.0));
    house.gateway.publish(Radio(3).at(50.0, 50.0));
    let mut screen = house.geocast.look("?bbox=9,9,11,11&also=!00000002,!00000009").await;
    screen.until("snapshot").await;
    assert_eq!(shown(&screen), ["!00000001", "!00000002"]);
    for (latitude, longitude) in [(10.0, 10.0), (-50.0, 170.0), (10.1, 10.1)] {
        house.gateway.publish(Radio(2).at(latitude, longitude));
        let moved = screen.until("position_update").await;
        assert_eq!(moved["positions"][0]["id"], "!00000002");
        assert_eq!(moved["positions"].as_array().unwrap().len(), 1);
    }
    // One without a place, too.
    house.gateway.publish(Radio(9).named("Nine", "9"));
    assert_eq!(screen.until("node_enter").await["nodes"][0]["id"], "!00000009");
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_count_the_nodes_of_each_map_tile_as_they_come_and_go() {
    let mut house = House::open().await;
    house.gateway.publish(Radio(1).at(52.52, 13.40));
    house.gateway.publish(Radio(2).at(52.53, 13.41));
    house.gateway.publish(Radio(3).at(-33.87, 151.21));
    house.gateway.publish(Radio(4).named("nowhere", "4"));
    let mut screen = house.geocast.look("?cells=4&also=!00000003").await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(
        snapshot["cells"],
        json!([
            { "cell": "4/8/5", "total": 2, "online": 2 },
            { "cell": "4/14/9", "total": 1, "online": 1 },
        ])
    );
    assert_eq!(shown(&screen), ["!00000003"], "of nodes, only the one that is followed");

    house.gateway.publish(Radio(2).at(-33.88, 151.22));
    let update = screen.until("cell_update").await;
    assert_eq!(
        update["cells"],
        json!([
            { "cell": "4/8/5", "total": 1, "online": 1 },
            { "cell": "4/14/9", "total": 2, "online": 2 },
        ])
    );
    house.gateway.publish(Radio(1).at(-33.86, 151.20));
    let update = screen.until("cell_update").await;
    assert_eq!(update["cells"][0], json!({ "cell": "4/8/5", "total": 0, "online": 0 }));

    screen.subscribe(json!({ "cells": { "zoom": 0 } })).await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(snapshot["full"], true, "other cells are another picture");
    assert_eq!(snapshot["cells"], json!([{ "cell": "0/0/0", "total": 3, "online": 3 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_is_refused_with_its_own_code() {
    let house = House::open().await;
    let mut screen = house.geocast.look("").await;
    let nine: Vec<Value> =
        (0..9).map(|_| json!({ "north": 1, "south": 0, "east": 1, "west": 0 })).collect();
    let many: Vec<String> = (0..1001_u32).map(|number| format!("!{number:08x}")).collect();
    for (filter, code) in [
        (json!({ "bounds": nine }), "invalid_bounds"),
        (json!({ "bounds": [{ "north": 1, "south": 2, "east": 1, "west": 0 }] }), "invalid_bounds"),
        (json!({ "bounds": 7 }), "invalid_message"),
        (json!({ "bounds": [[1, 2, 3, 4]] }), "invalid_bounds"),
        (json!({ "alsoIds": many }), "invalid_node_ids"),
        (json!({ "cells": { "zoom": 15 } }), "invalid_cells"),
        (json!({ "cells": { "zoom": -1 } }), "invalid_message"),
        (json!({ "cells": {} }), "invalid_message"),
    ] {
        screen.subscribe(filter.clone()).await;
        let error = screen.until("error").await;
        assert_eq!(error["code"], code, "{filter}: {error}");
    }
}
