//! Share links: a view of the map, and nothing beside it.

use serde_json::{Value, json};

use super::{AFAR, House, get, ids, knock, post, socket};
use crate::harness::{Radio, Screen, answer, database_url, now_millis};

async fn share(house: &House, wanted: Value) -> String {
    let said = [("authorization", &*house.operator)];
    let made = post(&house.geocast, "/api/shares", &said, wanted).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let share = made.body["share"].as_str().unwrap().to_owned();
    assert_eq!(made.body["url"], format!("/?share={share}"));
    share
}

fn here() -> Value {
    json!({ "north": 11.0, "south": 9.0, "east": 11.0, "west": 9.0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_shows_its_view_and_nothing_else_by_any_way_out() {
    let mut house = House::open(&["--public", "off"]).await;
    // It was elsewhere, and is here now.
    house.gateway.publish(Radio(4).at(50.0, 50.0));
    house.gateway.publish(Radio(4).at(10.2, 10.2));
    let share = share(&house, json!({ "bounds": here(), "expires": "1h" })).await;
    let ask = async |path: &str| {
        let sign = if path.contains('?') { '&' } else { '?' };
        get(&house.geocast, &format!("{path}{sign}share={share}"), &[AFAR]).await
    };
    let here = ["!00000001", "!00000003", "!00000004"];
    assert_eq!(ids(&ask("/api/nodes").await.body), here);
    assert_eq!(ids(&ask("/api/nodes?bbox=-180,-90,180,90").await.body), here);
    assert_eq!(ids(&ask("/api/nodes?bbox=19,19,21,21").await.body), [""; 0]);
    assert_eq!(ids(&ask("/api/nodes?q=Node%202").await.body), [""; 0]);
    let features = ask("/api/nodes?format=geojson").await.body["features"].clone();
    assert_eq!(features.as_array().unwrap().len(), 3);
    assert_eq!(ask("/api/nodes/!00000001").await.status, 200);
    for path in ["", "/positions", "/telemetry"] {
        assert_eq!(ask(&format!("/api/nodes/!00000002{path}")).await.status, 404, "{path}");
    }
    let positions = ask("/api/nodes/!00000004/positions").await.body;
    let latitudes = positions["positions"].as_array().unwrap().iter();
    let latitudes: Vec<_> = latitudes.map(|position| position["latitude"].as_f64()).collect();
    assert_eq!(latitudes, [Some(10.2)], "not where it was before");
    let visits = ask("/api/positions?bbox=-180,-90,180,90").await.body;
    assert!(!visits.to_string().contains("!00000002"), "{visits}");
    assert_eq!(visits["positions"].as_array().unwrap().len(), 3);
    for path in ["/api/messages", "/api/links", "/api/stats", "/metrics", "/api/audit"] {
        assert_eq!(ask(path).await.status, 403, "{path}");
    }
    let with_token = [AFAR, ("authorization", &*house.administrator)];
    let narrowed = get(&house.geocast, &format!("/api/nodes?share={share}"), &with_token).await;
    assert_eq!(ids(&narrowed.body), here, "a share narrows whoever shows it");

    let mut screen = Screen::ask(socket(&house.geocast, &format!("?share={share}"), &[AFAR])).await;
    for filter in [
        json!({}),
        json!({ "bounds": { "north": 90, "south": -90, "east": 180, "west": -180 } }),
        json!({ "alsoIds": ["!00000002"] }),
    ] {
        screen.subscribe(filter.clone()).await;
        screen.until("snapshot").await;
        let shown: Vec<_> = screen.nodes.keys().map(String::as_str).collect();
        assert_eq!(shown, here, "{filter}");
    }
    screen.subscribe(json!({ "nodeIds": ["!00000002"] })).await;
    screen.until("snapshot").await;
    assert!(screen.nodes.is_empty());
    screen.subscribe(json!({})).await;
    screen.until("snapshot").await;
    house.gateway.publish(Radio(2).at(20.1, 20.1));
    house.gateway.publish(Radio(2).text("elsewhere"));
    house.gateway.publish(Radio(1).at(10.1, 10.1));
    loop {
        let next = screen.next().await;
        assert!(!next.to_string().contains("!00000002"), "{next}");
        if next.to_string().contains("!00000001") {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_nodes_shows_these_only() {
    let house = House::open(&["--public", "off", "--public-messages", "on"]).await;
    let share = share(&house, json!({ "nodeIds": ["!00000002", "!00000009"], "expires": "1h" }));
    let share = share.await;
    let nodes = get(&house.geocast, &format!("/api/nodes?share={share}"), &[AFAR]).await;
    assert_eq!(ids(&nodes.body), ["!00000002"]);
    let of = |id: &str| format!("/api/nodes/{id}/positions?share={share}");
    assert_eq!(get(&house.geocast, &of("!00000002"), &[AFAR]).await.status, 200);
    assert_eq!(get(&house.geocast, &of("!00000001"), &[AFAR]).await.status, 404);
    let mut screen = Screen::ask(socket(&house.geocast, &format!("?share={share}"), &[AFAR])).await;
    screen.subscribe(json!({ "nodeIds": ["!00000001", "!00000002"] })).await;
    let snapshot = screen.until("snapshot").await;
    assert_eq!(screen.nodes.keys().collect::<Vec<_>>(), ["!00000002"]);
    assert_eq!(snapshot["messages"], json!([]), "not what it says");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_was_tampered_with_is_void() {
    let house = House::open(&[]).await;
    let good = share(&house, json!({ "bounds": here(), "expires": "1h" })).await;
    let wide = share(&house, json!({ "expires": "1h" })).await;
    let (content, tag) = good.split_once('.').unwrap();
    let (other, _) = wide.split_once('.').unwrap();
    let flip = |text: &str| {
        let first = if text.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &text[1..])
    };
    for bad in [
        format!("{other}.{tag}"),
        format!("{}.{tag}", flip(content)),
        format!("{content}.{}", flip(tag)),
        format!("{content}."),
        format!("{content}.{}", &tag[..20]),
        content.to_owned(),
        String::new(),
        format!(".{tag}"),
        format!("{content}.{tag}.{tag}"),
        "x".repeat(9000),
    ] {
        let answer = get(&house.geocast, &format!("/api/nodes?share={bad}"), &[AFAR]).await;
        assert_eq!(answer.status, 403, "{bad}");
        assert_eq!(knock(socket(&house.geocast, &format!("?share={bad}"), &[AFAR])).await, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_ends_when_it_says_and_its_sockets_are_closed() {
    let house = House::open(&["--public", "off"]).await;
    let share = share(&house, json!({ "expires": now_millis() + 5000 })).await;
    let query = format!("?share={share}");
    let mut screen = Screen::ask(socket(&house.geocast, &query, &[AFAR])).await;
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    super::becomes(&house.geocast, &format!("/api/nodes{query}"), &[AFAR], 403).await;
    let said = [("authorization", &*house.operator)];
    for wanted in [
        json!({ "expires": 0 }),
        json!({ "expires": "0s" }),
        json!({ "expires": "9000d" }),
        json!({ "expires": i64::MAX }),
        json!({ "expires": "soon" }),
        json!({ "bounds": here() }),
        json!({ "expires": "1h", "alsoIds": ["!00000001"] }),
        json!({ "expires": "1h", "nodeIds": vec!["!00000001"; 99_999] }),
        json!({ "expires": "1h", "bounds": { "north": 1, "south": 2, "east": 1, "west": 0 } }),
    ] {
        let made = post(&house.geocast, "/api/shares", &said, wanted.clone()).await;
        assert_eq!(made.status, 400, "{wanted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_share_is_listed_and_revoked_and_the_others_stay() {
    let house = House::open(&["--public", "off"]).await;
    let said = [("authorization", &*house.operator)];
    let one = share(&house, json!({ "bounds": here(), "expires": "1h" })).await;
    let other = share(&house, json!({ "nodeIds": ["!00000002"], "expires": "1h" })).await;
    let listed = get(&house.geocast, "/api/shares", &said).await;
    let shares = listed.body["shares"].as_array().unwrap();
    assert_eq!(shares.len(), 2, "{}", listed.body);
    assert_eq!(shares[0]["bounds"], json!([here()]));
    assert_eq!(
        (&shares[0]["nodeIds"], &shares[1]["nodeIds"]),
        (&Value::Null, &json!(["!00000002"]))
    );
    assert!(shares[0]["madeBy"].as_str().unwrap().starts_with("token "), "{}", listed.body);
    for link in [&one, &other] {
        let signature = link.split_once('.').unwrap().1;
        assert!(!listed.body.to_string().contains(signature), "the link itself is not listed");
    }
    let path = format!("/api/shares/{}", shares[0]["id"].as_str().unwrap());
    let viewer = [("authorization", &*house.viewer)];
    assert_eq!(get(&house.geocast, "/api/shares", &viewer).await.status, 403);
    assert_eq!(house.geocast.delete(&path, &viewer).await, 403);
    assert_eq!(house.geocast.delete(&path, &[]).await, 401);

    let query = format!("?share={one}");
    let mut screen = Screen::ask(socket(&house.geocast, &query, &[AFAR])).await;
    let mut stays = Screen::ask(socket(&house.geocast, &format!("?share={other}"), &[AFAR])).await;
    assert_eq!(house.geocast.delete(&path, &said).await, 204);
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    assert_eq!(get(&house.geocast, &format!("/api/nodes{query}"), &[AFAR]).await.status, 403);
    assert_eq!(house.geocast.delete(&path, &said).await, 404);
    assert_eq!(house.geocast.delete("/api/shares/none", &said).await, 404);
    stays.subscribe(json!({})).await;
    assert_eq!(stays.until("snapshot").await["nodes"].as_array().unwrap().len(), 1);
    let listed = get(&house.geocast, "/api/shares", &said).await;
    assert_eq!(listed.body["shares"].as_array().unwrap().len(), 1);
    let administrator = [("authorization", &*house.administrator)];
    let audit = get(&house.geocast, "/api/audit", &administrator).await.body.to_string();
    assert!(audit.contains("share.revoke"), "{audit}");
    let denied = get(&house.geocast, "/metrics", &viewer).await;
    assert_eq!(denied.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_counted_by_its_reason() {
    let house = House::open(&["--public", "on"]).await;
    let denied = async |reason: &str| {
        let metric = format!("geocast_requests_denied_total{{reason=\"{reason}\"}}");
        house.geocast.metric(&metric).await
    };
    let before = denied("sign_in").await;
    for (path, headers, reason, status) in [
        ("/api/audit", vec![], "sign_in", 401),
        ("/api/audit", vec![("authorization", "Bearer wrong")], "bad_token", 401),
        ("/api/audit", vec![("authorization", &*house.viewer)], "role_too_low", 403),
        ("/api/nodes?share=wrong", vec![], "bad_share", 403),
        ("/api/nodes?token=x", vec![], "token_in_url", 400),
        ("/api/messages", vec![], "no_messages", 401),
        ("/api/ws?ticket=wrong", vec![], "bad_ticket", 401),
    ] {
        assert_eq!(get(&house.geocast, path, &headers).await.status, status, "{path}");
        let expected = if reason == "sign_in" { before + 1 } else { 1 };
        assert_eq!(denied(reason).await, expected, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_share_is_void_once_that_is_asked_for() {
    let house = House::open(&["--public", "off"]).await;
    let share = share(&house, json!({ "expires": "1h" })).await;
    let query = format!("?share={share}");
    let mut screen = Screen::ask(socket(&house.geocast, &query, &[AFAR])).await;
    answer(&["token", "revoke-shares", "--database-url", &database_url(house.folder.path())]);
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    super::becomes(&house.geocast, &format!("/api/nodes{query}"), &[AFAR], 403).await;
}
