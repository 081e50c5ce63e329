//! The live map without a WebSocket.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{EventSource, Gateway, Geocast, Radio};

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

    async fn listen(&self, query: &str) -> EventSource {
        EventSource::connect(self.geocast.address, &format!("/api/events{query}")).await
    }

    /// More nodes than one part of a snapshot has room for.
    fn crowd(&mut self) {
        let messages: Vec<_> =
            (1..=600).map(|number| Radio(number).at(10.0, f64::from(number) / 10.0)).collect();
        let all = messages.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
        self.gateway.publish_all(all);
    }

    /// What a client that comes now is shown.
    async fn truth(&self, query: &str) -> std::collections::BTreeMap<String, Value> {
        let mut screen = self.geocast.look(query).await;
        while screen.until("snapshot").await["more"] == true {}
        screen.nodes.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_moves_without_a_websocket() {
    let mut house = House::open().await;
    let mut events = house.listen("?bbox=9,9,11,11").await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert_eq!(events.headers["cache-control"], "no-store");
    assert_eq!(events.headers["x-accel-buffering"], "no");
    let hello = events.next().await;
    assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello"), &json!(1)));
    assert_eq!(events.retry_ms, Some(2000));
    assert_eq!(events.last_event_id, "", "hello is nothing to go on from");
    let snapshot = events.next().await;
    assert_eq!((&snapshot["type"], &snapshot["full"]), (&json!("snapshot"), &json!(true)));
    let epoch = snapshot["epoch"].as_str().unwrap();
    assert_eq!(events.last_event_id, format!("{epoch}:{}", snapshot["revision"]));

    house.gateway.publish(Radio(1).at(10.0, 10.0));
    let enter = events.until("node_enter").await;
    assert_eq!(enter["nodes"][0]["id"], Radio(1).id());
    house.gateway.publish(Radio(1).at(10.1, 10.1));
    let moved = events.until("position_update").await;
    assert_eq!(events.last_event_id, format!("{epoch}:{}", moved["revision"]));
    house.gateway.publish(Radio(1).at(50.0, 50.0));
    events.until("node_leave").await;
    assert!(events.nodes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_by_itself_goes_on_where_it_was() {
    let mut house = House::open().await;
    house.crowd();
    let mut events = house.listen("?bbox=0,0,90,90").await;
    while events.until("snapshot").await["more"] == true {}
    assert_eq!(events.nodes.len(), 600);
    house.gateway.publish(Radio(1).at(11.0, 11.0));
    house.gateway.publish(Radio(2).at(-50.0, 50.0));
    events.reconnect().await;
    let missed = events.until("snapshot").await;
    assert_eq!(missed["full"], false);
    assert!(missed["nodes"].as_array().unwrap().len() <= 1, "{missed}");
    assert_eq!(events.nodes, house.truth("?bbox=0,0,90,90").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_between_the_parts_of_a_snapshot_starts_afresh() {
    let mut house = House::open().await;
    house.crowd();
    let mut events = house.listen("").await;
    assert_eq!(events.until("snapshot").await["more"], true);
    assert_eq!(events.last_event_id, "");
    events.reconnect().await;
    let first = events.until("snapshot").await;
    assert_eq!((&first["full"], &first["more"]), (&json!(true), &json!(true)));
    while events.until("snapshot").await["more"] == true {}
    assert_eq!(events.nodes.len(), 600);

    // What is void is answered in parts again, and takes back the id that was held.
    events.last_event_id = "another:7".to_owned();
    events.reconnect().await;
    assert_eq!(events.until("snapshot").await["more"], true);
    assert_eq!(events.last_event_id, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_the_middle_of_a_tick_hears_the_tick_again() {
    let mut house = House::open().await;
    let mut events = house.listen("").await;
    events.until("snapshot").await;
    // Whenever a second has passed, a node that moves was also heard later.
    let mut north = 10.0;
    let whole = loop {
        let held = events.last_event_id.clone();
        house.gateway.publish(Radio(1).at(north, 10.0));
        north += 0.001;
        if events.next().await["more"] == true {
            break held;
        }
    };
    assert_eq!(events.last_event_id, whole, "half a tick is nothing to go on from");
    events.reconnect().await;
    let missed = events.until("snapshot").await;
    assert_eq!((&missed["full"], &missed["more"]), (&json!(false), &json!(false)));
    assert_eq!(events.nodes, house.truth("?types=node,position,telemetry,status").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_nowhere_gets_everything_and_no_error() {
    let mut house = House::open().await;
    house.gateway.publish(Radio(1).at(10.0, 10.0));
    let mut events = house.listen("").await;
    let epoch = events.until("snapshot").await["epoch"].as_str().unwrap().to_owned();
    let whole = events.last_event_id.clone();
    for id in ["7", ":", "another:1", &format!("{epoch}:{}", u64::MAX), &format!("{whole}x"), "ü:1"]
    {
        events.last_event_id = id.to_owned();
        events.reconnect().await;
        assert_eq!(events.until("snapshot").await["full"], true, "{id}");
    }
    let query = |id: &str| format!("?lastEventId={id}");
    let mut other = house.listen(&query(&whole)).await;
    assert_eq!(other.until("snapshot").await["full"], false, "said in the URL");
    let mut other = house.listen(&query("another:1")).await;
    assert_eq!(other.until("snapshot").await["full"], true);
    other.last_event_id = whole;
    other.reconnect().await;
    assert_eq!(other.until("snapshot").await["full"], false, "what the browser says goes before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_filter_is_told_in_words() {
    let house = House::open().await;
    for query in
        ["?bbox=1,2,3", "?bbox=0,50,10,40", "?types=weather", "?ids=%20!,x%00", "?cells=99"]
    {
        let (status, problem) = house.geocast.ask(&format!("/api/events{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_ends_with_the_last_batch_when_the_server_stops() {
    let House { geocast, mut gateway, _folder } = House::open().await;
    let mut events = EventSource::connect(geocast.address, "/api/events").await;
    let _reads_nothing = EventSource::connect(geocast.address, "/api/events").await;
    events.until("snapshot").await;
    gateway.publish(Radio(1).at(1.0, 1.0));
    let (status, log) = geocast.stop().await;
    assert_eq!(status.code(), Some(0), "{log}");
    while events.receive().await.is_some() {}
    assert_eq!(events.nodes.len(), 1, "the last batch came before the end");
}
