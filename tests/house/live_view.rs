//! What a browser sees of nodes that come, move and go.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio, radio::now_seconds};

const TRUCK: Radio = Radio(0x7a0c_0001);
const LISBON: (f64, f64) = (38.72, -9.14);
const PARIS: (f64, f64) = (48.85, 2.35);
const LISBON_BOX: &str = "?bbox=-10,38,-9,39";

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

#[tokio::test(flavor = "multi_thread")]
async fn a_node_enters_moves_and_leaves_the_screen() {
    let mut house = House::open().await;
    let mut screen = house.geocast.look(LISBON_BOX).await;
    assert_eq!(screen.until("snapshot").await["nodes"], json!([]));

    house.gateway.publish(TRUCK.named("Seven", "T7"));
    house.gateway.publish(TRUCK.at(LISBON.0, LISBON.1));
    let enter = screen.until("node_enter").await;
    assert_eq!(enter["nodes"][0]["longName"], "Seven", "a whole record: {enter}");

    house.gateway.publish(TRUCK.at(38.73, -9.15));
    let moved = screen.until("position_update").await;
    assert_eq!(moved["positions"][0]["latitude"], 38.73);

    house.gateway.publish(TRUCK.named("Eight", "T8"));
    let renamed = screen.until("node_update").await;
    assert_eq!(
        renamed["nodes"],
        json!([{ "id": TRUCK.id(), "longName": "Eight", "shortName": "T8" }])
    );

    house.gateway.publish(TRUCK.at(PARIS.0, PARIS.1));
    let leave = screen.until("node_leave").await;
    assert_eq!(leave["ids"], json!([TRUCK.id()]));
    assert!(screen.nodes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_across_the_antimeridian_shows_both_sides() {
    let mut house = House::open().await;
    let mut screen = house.geocast.look("?bbox=170,-30,-170,0").await;
    screen.until("snapshot").await;
    house.gateway.publish(TRUCK.at(-17.0, 179.9));
    screen.shows(|screen| screen.nodes.len() == 1).await;
    house.gateway.publish(TRUCK.at(-17.0, -179.9));
    let moved = screen.until("position_update").await;
    assert_eq!(moved["positions"][0]["longitude"], -179.9, "it stays on the screen");
    house.gateway.publish(TRUCK.at(-17.0, -169.0));
    screen.until("node_leave").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_viewport_gets_what_enters_and_the_ids_that_leave() {
    let mut house = House::open().await;
    let (stays, left, found) = (Radio(1), Radio(2), Radio(3));
    house.gateway.publish(left.at(10.0, 10.0));
    house.gateway.publish(stays.at(10.0, 11.0));
    house.gateway.publish(found.at(10.0, 12.0));
    let mut screen = house.geocast.look("?bbox=9.5,9,11.5,11").await;
    screen.until("snapshot").await;
    assert_eq!(screen.nodes.len(), 2);

    screen
        .subscribe(json!({ "bounds": { "west": 10.5, "east": 12.5, "south": 9, "north": 11 } }))
        .await;
    let answer = screen.until("snapshot").await;
    assert_eq!(answer["full"], false);
    assert_eq!(answer["nodes"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["nodes"][0]["id"], found.id());
    assert_eq!(answer["removed"], json!([left.id()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_with_a_cursor_gets_only_what_it_missed() {
    let mut house = House::open().await;
    for number in 1..=20 {
        house.gateway.publish(Radio(number).at(10.0, 10.0));
    }
    let filter = json!({ "bounds": { "west": 9, "east": 11, "south": 9, "north": 11 } });
    let mut before = house.geocast.look("").await;
    before.subscribe(filter.clone()).await;
    before.until("snapshot").await;
    let (epoch, revision) = (before.hello["epoch"].clone(), before.revision);
    drop(before);

    house.gateway.publish(Radio(1).at(10.5, 10.5));
    house.gateway.publish(Radio(2).at(50.0, 50.0));
    let mut after = house.geocast.look("").await;
    let resume = json!({ "epoch": epoch, "revision": revision });
    after.say(json!({ "type": "subscribe", "filter": filter, "resume": resume })).await;
    let answer = after.until("snapshot").await;
    assert_eq!(answer["full"], false);
    assert_eq!(answer["nodes"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["nodes"][0]["id"], Radio(1).id());
    assert_eq!(answer["removed"], json!([Radio(2).id()]));

    for void in [
        json!({ "epoch": "another", "revision": revision }),
        json!({ "epoch": epoch, "revision": 999_999 }),
    ] {
        after.say(json!({ "type": "subscribe", "filter": filter, "resume": void })).await;
        let fresh = after.until("snapshot").await;
        assert_eq!(fresh["full"], true, "a void cursor gets everything: {void}");
        assert_eq!(fresh["nodes"].as_array().unwrap().len(), 19);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_groups_asked_for_are_sent() {
    let mut house = House::open().await;
    let mut places = house.geocast.look("?types=position").await;
    let mut texts = house.geocast.look("?types=message").await;
    places.until("snapshot").await;
    texts.until("snapshot").await;

    house.gateway.publish(TRUCK.named("Seven", "T7"));
    house.gateway.publish(TRUCK.at(LISBON.0, LISBON.1));
    house.gateway.publish(TRUCK.text("good morning"));
    house.gateway.publish(TRUCK.at(38.73, -9.15));

    let said = texts.next().await;
    assert_eq!(said["type"], "message", "nothing but messages");
    assert_eq!(said["messages"][0]["text"], "good morning");
    places
        .shows(|screen| {
            screen.nodes.get(&TRUCK.id()).is_some_and(|node| node["position"]["latitude"] == 38.73)
        })
        .await;
    assert_eq!(places.nodes[&TRUCK.id()].as_object().unwrap().len(), 2, "id and position");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_nodes_are_shown_wherever_they_are() {
    let mut house = House::open().await;
    let mut screen = house.geocast.look(&format!("?ids={}", TRUCK.id())).await;
    screen.until("snapshot").await;
    house.gateway.publish(Radio(5).at(1.0, 1.0));
    house.gateway.publish(TRUCK.named("Seven", "T7"));
    screen.shows(|screen| !screen.nodes.is_empty()).await;
    assert_eq!(screen.nodes.keys().collect::<Vec<_>>(), [&TRUCK.id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_position_goes_to_history_and_does_not_move_the_node() {
    let mut house = House::open().await;
    let now = now_seconds();
    house.gateway.publish(TRUCK.at_time(LISBON.0, LISBON.1, now));
    house.gateway.publish(TRUCK.at_time(PARIS.0, PARIS.1, now - 600));
    let (_, node) = house.geocast.ask(&format!("/api/nodes/{}", TRUCK.id())).await;
    assert_eq!(node["position"]["latitude"], LISBON.0);
    let (_, page) = house.geocast.ask(&format!("/api/nodes/{}/positions", TRUCK.id())).await;
    assert_eq!(page["positions"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_come_in_parts_and_many_changes_in_one_tick() {
    let mut house = House::open().await;
    let messages: Vec<_> =
        (1..=600).map(|number| Radio(number).at(10.0, f64::from(number) / 10.0)).collect();
    let all = || messages.iter().map(|(topic, payload)| (topic.as_str(), payload.as_slice()));
    house.gateway.publish_all(all());
    let mut screen = house.geocast.look("?bbox=-180,-90,180,90").await;
    let first = screen.until("snapshot").await;
    assert_eq!(first["more"], true);
    screen.shows(|screen| screen.nodes.len() == 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_turns_offline_and_leaves_the_map_but_not_the_history() {
    let folder = TempDir::new().unwrap();
    let database = format!("sqlite:{}", folder.path().join("geocast.db").display());
    let mut geocast = Geocast::start(&[
        "serve",
        "--broker-listen",
        "127.0.0.1:0",
        "--database-url",
        &database,
        "--offline-after",
        "2s",
        "--forget-after",
        "4s",
    ])
    .await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut screen = geocast.look("?bbox=-10,38,-9,39").await;
    screen.until("snapshot").await;
    gateway.publish(TRUCK.at(LISBON.0, LISBON.1));
    let enter = screen.until("node_enter").await;
    assert_eq!(enter["nodes"][0]["online"], true);
    let status = screen.until("node_status").await;
    assert_eq!(status["nodes"][0]["online"], false);
    let leave = screen.until("node_leave").await;
    assert_eq!(leave["ids"], json!([TRUCK.id()]));
    assert_eq!(geocast.ask(&format!("/api/nodes/{}", TRUCK.id())).await.0, 404);
    let (_, page) = geocast.ask(&format!("/api/nodes/{}/positions", TRUCK.id())).await;
    assert_eq!(page["positions"].as_array().unwrap().len(), 1);
}
