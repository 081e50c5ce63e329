//! Clients that come back, also to a server that was started again meanwhile.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio, Screen};

const EARTH: &str = "?bbox=-180,-90,180,90";

/// Where a screen has got to.
fn cursor(screen: &Screen, epoch: &Value) -> Value {
    json!({ "epoch": epoch, "revision": screen.revision })
}

async fn resume(geocast: &Geocast, filter: Value, cursor: &Value) -> (Screen, Value) {
    let mut screen = geocast.look("").await;
    screen.say(json!({ "type": "subscribe", "filter": filter, "resume": cursor })).await;
    let snapshot = screen.until("snapshot").await;
    (screen, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_after_an_orderly_restart_with_what_it_missed_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    for number in 1..=3 {
        gateway.publish(Radio(number).at(10.0, 10.0));
    }
    gateway.publish(Radio(1).text("before"));
    let mut screen = geocast.look(EARTH).await;
    let epoch = screen.until("snapshot").await["epoch"].clone();
    let held = cursor(&screen, &epoch);
    drop(screen);
    gateway.publish(Radio(2).named("Hill", "H"));
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");

    let geocast = Geocast::with_broker(folder.path()).await;
    let everywhere = json!({ "bounds": { "north": 90, "south": -90, "east": 180, "west": -180 } });
    let (_, snapshot) = resume(&geocast, everywhere.clone(), &held).await;
    assert_eq!(snapshot["full"], false);
    assert_eq!(snapshot["epoch"], epoch);
    assert_eq!(snapshot["nodes"].as_array().unwrap().len(), 1, "{snapshot}");
    assert_eq!(snapshot["nodes"][0]["longName"], "Hill");
    assert_eq!(snapshot["messages"], json!([]), "heard before");

    let now = json!({ "epoch": epoch, "revision": snapshot["revision"] });
    let (_, snapshot) = resume(&geocast, everywhere, &now).await;
    assert_eq!((&snapshot["full"], &snapshot["nodes"]), (&json!(false), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_every_cursor_is_answered_by_a_full_picture() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(10.0, 10.0));
    let (_, first) = resume(&geocast, json!({}), &Value::Null).await;
    geocast.stop().await;
    // What the first run left is taken by the second, which leaves nothing.
    let geocast = Geocast::with_broker(folder.path()).await;
    drop(geocast);
    let geocast = Geocast::with_broker(folder.path()).await;
    let held = json!({ "epoch": first["epoch"], "revision": first["revision"] });
    let (screen, snapshot) = resume(&geocast, json!({}), &held).await;
    assert_eq!(snapshot["full"], true);
    assert_ne!(snapshot["epoch"], first["epoch"]);
    assert_eq!(screen.nodes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_nowhere_gets_a_full_picture_and_no_error() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(10.0, 10.0));
    let (_, first) = resume(&geocast, json!({}), &Value::Null).await;
    for (epoch, revision) in [
        (first["epoch"].clone(), json!(u64::MAX)),
        (json!("another"), first["revision"].clone()),
        (json!(""), json!(0)),
    ] {
        let cursor = json!({ "epoch": epoch, "revision": revision });
        let (_, snapshot) = resume(&geocast, json!({}), &cursor).await;
        assert_eq!(snapshot["full"], true, "{cursor}");
    }
}
