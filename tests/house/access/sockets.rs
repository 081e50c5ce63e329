//! How a WebSocket or an event stream is let in.

use serde_json::json;

use super::{AFAR, House, OURS, get, knock, make_token, post, revoke_token, socket};
use crate::harness::{EventSource, Screen};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_lets_one_connection_in_with_the_role_of_who_asked_for_it() {
    let house = House::open(&["--public", "off"]).await;
    let said = [("authorization", &*house.viewer), AFAR];
    let ticket = post(&house.geocast, "/api/ticket", &said, json!({})).await;
    assert_eq!(ticket.status, 200);
    assert_eq!(ticket.headers["cache-control"], "no-store");
    assert!(ticket.body["expires"].as_i64().unwrap() > 1_700_000_000_000);
    let query = format!("?ticket={}", ticket.body["ticket"].as_str().unwrap());
    let mut screen = Screen::ask(socket(&house.geocast, &query, &[AFAR])).await;
    screen.subscribe(json!({})).await;
    assert_eq!(screen.until("snapshot").await["messages"][0]["text"], "secret words");
    assert_eq!(knock(socket(&house.geocast, &query, &[AFAR])).await, 401, "only once");
    assert_eq!(knock(socket(&house.geocast, "?ticket=x", &[AFAR])).await, 401);

    let ticket = post(&house.geocast, "/api/ticket", &said, json!({})).await;
    let path = format!("/api/events?ticket={}", ticket.body["ticket"].as_str().unwrap());
    let mut events = EventSource::connect(house.geocast.address, &path).await;
    events.until("snapshot").await;

    let ticket = post(&house.geocast, "/api/ticket", &said, json!({})).await;
    let query = format!("?ticket={}", ticket.body["ticket"].as_str().unwrap());
    let elsewhere = get(&house.geocast, &format!("/api/nodes{query}"), &[AFAR]).await;
    assert_eq!(elsewhere.status, 401, "a ticket is for a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_void_when_the_token_is_that_it_was_asked_for_with() {
    let house = House::open(&["--public", "off"]).await;
    let (secret, id) = make_token(house.folder.path(), "viewer", &[]);
    let said = super::bearer(&secret);
    let said = [("authorization", &*said)];
    let ticket = post(&house.geocast, "/api/ticket", &said, json!({})).await;
    revoke_token(house.folder.path(), &id);
    super::becomes(&house.geocast, "/api/nodes", &said, 401).await;
    let query = format!("?ticket={}", ticket.body["ticket"].as_str().unwrap());
    assert_eq!(knock(socket(&house.geocast, &query, &[AFAR])).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_url_is_refused_wherever_it_stands() {
    let house = House::open(&[]).await;
    let token = house.administrator.strip_prefix("Bearer ").unwrap();
    for name in ["token", "access_token", "ticket", "anything", "share"] {
        for path in ["/api/ws", "/api/events", "/api/nodes", "/api/health"] {
            let answer = get(&house.geocast, &format!("{path}?{name}={token}"), &[]).await;
            assert_eq!(answer.status, 400, "{path} {name}");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains("does not belong in a URL"), "{detail}");
            assert!(!detail.contains(token));
        }
    }
    assert_eq!(knock(socket(&house.geocast, &format!("?token={token}"), &[])).await, 400);
    assert!(!house.geocast.log().contains(token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_a_socket_for_a_page_of_ours_only() {
    let house = House::open(&["--public", "off", "--allow-origin", "*"]).await;
    let token = house.viewer.strip_prefix("Bearer ").unwrap();
    let login = post(&house.geocast, "/api/login", &[AFAR], json!({ "token": token })).await;
    let cookie = login.cookie();
    let own = format!("http://{}", house.geocast.address);
    let with = async |origin: &str| {
        knock(socket(&house.geocast, "", &[AFAR, ("cookie", &cookie), ("origin", origin)])).await
    };
    assert_eq!(with(&own).await, 101);
    for foreign in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(with(foreign).await, 403, "{foreign}");
    }
    let without = knock(socket(&house.geocast, "", &[AFAR, ("cookie", &cookie)])).await;
    assert_eq!(without, 403, "a browser says where it comes from");
    let from_another = [AFAR, ("cookie", &*cookie), ("sec-fetch-site", "cross-site")];
    assert_eq!(get(&house.geocast, "/api/events", &from_another).await.status, 403);

    let request = socket(&house.geocast, "", &[AFAR, ("cookie", &cookie), ("origin", &own)]);
    let mut screen = Screen::ask(request).await;
    let ours = [AFAR, OURS, ("cookie", &*cookie), ("origin", &own)];
    assert_eq!(post(&house.geocast, "/api/logout", &ours, json!({})).await.status, 204);
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
}
