//! What each role may, and what everybody may.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::{AFAR, House, get, ids, knock, post, send, socket};
use crate::{harness::Geocast, openapi::filled};

/// What only those may ask for who may look at the map.
const MAP: [&str; 9] = [
    "/api/nodes",
    "/api/nodes/!00000001",
    "/api/nodes/!00000001/positions",
    "/api/nodes/!00000001/telemetry",
    "/api/positions",
    "/api/links",
    "/api/stats",
    "/metrics",
    "/api/events",
];

#[tokio::test(flavor = "multi_thread")]
async fn where_the_map_is_not_public_nobody_sees_anything_of_it_without_signing_in() {
    let house = House::open(&["--public", "off"]).await;
    for path in MAP.iter().chain(&["/api/messages", "/api/audit"]) {
        let answer = get(&house.geocast, path, &[AFAR]).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(knock(socket(&house.geocast, "", &[AFAR])).await, 401);
    assert_eq!(post(&house.geocast, "/api/ticket", &[AFAR], json!({})).await.status, 401);
    for path in ["/", "/api/config", "/api/session"] {
        assert_eq!(get(&house.geocast, path, &[AFAR]).await.status, 200, "{path}");
    }
    let health = get(&house.geocast, "/api/health", &[AFAR]).await;
    assert_eq!((health.status, health.body), (200, json!({ "status": "ok" })));
    assert!(
        house
            .geocast
            .log()
            .contains("without signing in, everybody who reaches this server sees nothing")
    );
}

/// Each route in the table of routes: path, rule and method.
pub(super) fn routes() -> Vec<(String, String, Method)> {
    let source = include_str!("../../../src/http/mod.rs");
    let table = source.split_once("fn routes() -> Routes {").unwrap().1;
    let rows = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let routes = rows.split(" .").filter_map(|row| {
        let (method, rest) = row.split_once("(\"/")?;
        let parts: Vec<_> = rest.splitn(3, ',').map(str::trim).collect();
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let path = parts[0].trim_matches('"').replace("{id}", "!00000001");
        Some((format!("/{path}"), parts[1].to_owned(), method))
    });
    let routes: Vec<_> = routes.collect();
    assert!(routes.len() > 40, "the table was not understood: {routes:?}");
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_open_ones_is_closed_to_who_has_not_signed_in() {
    let house = House::open(&["--public", "off"]).await;
    let routes = routes();
    let open: Vec<_> = routes.iter().filter(|(_, rule, _)| rule == "Rule::Open").collect();
    let open: Vec<_> = open.iter().map(|(path, _, _)| path.as_str()).collect();
    assert_eq!(
        open,
        [
            "/api/geocast.v1.proto",
            "/api/session",
            "/api/login",
            "/api/logout",
            "/api/health",
            "/api/openapi.json",
            "/api/asyncapi.json",
            "/api/schema",
            "/api/schema/{name}",
            "/api/docs",
            "/api/docs.js",
            "/api/docs.css",
            "/api/config"
        ]
    );
    for (path, _, method) in &routes {
        let answer = send(&house.geocast, method.clone(), path, &[AFAR], None).await;
        let is_open = open.contains(&path.as_str());
        assert_eq!(answer.status == 401, !is_open, "{method} {path}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_opens_each_route() {
    for settings in [&["--public", "off"][..], &[], &["--public-messages"]] {
        let house = House::open(settings).await;
        let said = [("authorization", &*house.operator)];
        let made = post(&house.geocast, "/api/shares", &said, json!({ "expires": "1h" })).await;
        let share = made.body["share"].as_str().unwrap();
        let document = get(&house.geocast, "/api/openapi.json", &[AFAR]).await.body;
        let schemes = document["components"]["securitySchemes"].as_object().unwrap();
        assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "session", "share", "ticket"]);
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let path = filled(path);
                let is_let_in = async |path: &str, headers: &[(&str, &str)]| {
                    let answer = send(&house.geocast, verb.clone(), path, headers, None).await;
                    ![401, 403].contains(&answer.status)
                };
                let ways = operation["security"].as_array().unwrap();
                let is_open = ways.contains(&json!({}));
                assert_eq!(is_let_in(&path, &[AFAR]).await, is_open, "{method} {path}");
                let least = ways.iter().find_map(|way| way["bearer"][0].as_str());
                let roles = ["viewer", "operator", "administrator"];
                let rank = |name: &str| roles.iter().position(|role| *role == name).unwrap();
                for (role, token) in
                    roles.iter().zip([&house.viewer, &house.operator, &house.administrator])
                {
                    let expected = is_open || least.is_some_and(|least| rank(role) >= rank(least));
                    let said = [("authorization", &**token)];
                    assert_eq!(is_let_in(&path, &said).await, expected, "{role} {method} {path}");
                }
                let shared = format!("{path}?share={share}");
                let expected = ways.contains(&json!({ "share": [] })) || *ways == [json!({})];
                assert_eq!(is_let_in(&shared, &[AFAR]).await, expected, "{method} {shared}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_map_is_public_everybody_sees_it_without_what_is_said() {
    let mut house = House::open(&[]).await;
    let nodes = get(&house.geocast, "/api/nodes", &[AFAR]).await;
    assert_eq!(ids(&nodes.body), ["!00000001", "!00000002", "!00000003"]);
    assert_eq!(get(&house.geocast, "/api/messages", &[AFAR]).await.status, 401);
    let as_viewer = [("authorization", &*house.viewer)];
    let messages = get(&house.geocast, "/api/messages", &as_viewer).await;
    assert_eq!(messages.body["messages"][0]["text"], "secret words");

    let mut anybody = crate::harness::Screen::ask(socket(&house.geocast, "", &[AFAR])).await;
    anybody.subscribe(json!({ "messageTypes": ["node", "message"] })).await;
    let snapshot = anybody.until("snapshot").await;
    assert!(!snapshot.to_string().contains("secret words"), "{snapshot}");
    let request = socket(&house.geocast, "", &[("authorization", &house.viewer)]);
    let mut viewer = crate::harness::Screen::ask(request).await;
    viewer.subscribe(json!({})).await;
    let snapshot = viewer.until("snapshot").await;
    assert_eq!(snapshot["messages"][0]["text"], "secret words");

    house.gateway.publish(crate::harness::Radio(2).text("more words"));
    house.gateway.publish(crate::harness::Radio(2).named("Told", "T"));
    assert_eq!(viewer.until("message").await["messages"][0]["text"], "more words");
    loop {
        let next = anybody.next().await;
        assert_ne!(next["type"], "message", "{next}");
        if next.to_string().contains("Told") {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_public_where_that_is_asked_for() {
    let house = House::open(&["--public-messages"]).await;
    let messages = get(&house.geocast, "/api/messages", &[AFAR]).await;
    assert_eq!(messages.body["messages"][0]["text"], "secret words");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_it_is_for() {
    let house = House::open(&["--public", "off"]).await;
    let share = json!({ "expires": "1h" });
    for (token, shares, audit) in
        [(&house.viewer, 403, 403), (&house.operator, 200, 403), (&house.administrator, 200, 200)]
    {
        let said = [("authorization", &**token)];
        for path in MAP.iter().filter(|path| **path != "/api/events") {
            assert_eq!(get(&house.geocast, path, &said).await.status, 200, "{path}");
        }
        assert_eq!(post(&house.geocast, "/api/shares", &said, share.clone()).await.status, shares);
        assert_eq!(get(&house.geocast, "/api/audit", &said).await.status, audit);
        let sees_who =
            get(&house.geocast, "/api/stats", &said).await.body["connections"].is_array();
        assert_eq!(sees_who, audit == 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_from_here_is_an_administrator_until_there_is_a_token() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--public", "off"]).await;
    assert_eq!(get(&geocast, "/api/audit", &[]).await.status, 200);
    assert_eq!(get(&geocast, "/api/audit", &[AFAR]).await.status, 401);
    let mut screen = geocast.look("").await;
    super::make_token(folder.path(), "viewer", &[]);
    super::becomes(&geocast, "/api/audit", &[], 401).await;
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_act_for_who_asks_from_here() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--allow-origin", "*"]).await;
    let share = json!({ "expires": "1h" });
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = post(&geocast, "/api/shares", &[foreign], share.clone()).await;
        assert!([401, 403].contains(&answer.status), "{foreign:?}: {}", answer.status);
    }
    assert_eq!(post(&geocast, "/api/shares", &[], share).await.status, 200);
    let wrong = send(&geocast, Method::DELETE, "/api/shares", &[], None).await;
    assert_eq!(wrong.status, 405);
}
