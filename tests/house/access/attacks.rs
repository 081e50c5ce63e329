//! What somebody tries who means harm.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use reqwest::{Client, Method};
use ring::hmac;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    AFAR, Answer, House, OURS, becomes, get, ids, knock, make_token, post, revoke_token,
    roles::routes, send, socket,
};
use crate::harness::{DEADLINE, EventSource, Geocast, Radio};

const PROXY: [&str; 2] = ["--trusted-proxy", "127.0.0.0/8"];

/// The head of a request to the letter, and the whole answer.
async fn say(geocast: &Geocast, line: &str, headers: &[(&str, &str)]) -> String {
    let mut stream = TcpStream::connect(geocast.address).await.unwrap();
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = format!(
        "{line} HTTP/1.1\r\nHost: map.example\r\nConnection: close\r\n{}\r\n",
        headers.collect::<String>()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn sign_in(house: &House, token: &str, headers: &[(&str, &str)]) -> Answer {
    let token = json!({ "token": token.strip_prefix("Bearer ").unwrap() });
    post(&house.geocast, "/api/login", headers, token).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_writing_a_path_or_a_method_leads_around_a_role() {
    let house = House::open(&["--public", "off"]).await;
    let viewer = [("authorization", &*house.viewer)];
    for path in [
        "//api/audit",
        "/api//audit",
        "/api/audit/",
        "/api/./audit",
        "/api/nodes/../audit",
        "/api/nodes/%2e%2e/audit",
        "/%2e%2e/api/audit",
        "/api%2faudit",
        "/api/%61udit",
        "/API/audit",
        "/api/audit;a=b",
        "/api/audit%00",
        "/api/config/../audit",
        "/api\\audit",
        "http://map.example/api/audit",
        "http://localhost/api/audit",
    ] {
        for who in [&[][..], &viewer] {
            let answer = say(&house.geocast, &format!("GET {path}"), who).await;
            assert!([400, 401, 403, 404].contains(&status(&answer)), "{path}: {answer}");
            assert!(!answer.contains("token.create"), "{path}: {answer}");
        }
    }
    let node = "/api/nodes/!00000001";
    let over = [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/api/audit"),
        ("x-rewrite-url", "/api/audit"),
        ("x-forwarded-uri", "/api/audit"),
        ("x-forwarded-user", "admin"),
        ("x-remote-user", "admin"),
    ];
    for (line, who, expected) in [
        ("HEAD /api/audit", None, 401),
        ("HEAD /api/audit", Some(viewer[0]), 403),
        ("HEAD /api/nodes", None, 401),
        ("OPTIONS /api/audit", None, 405),
        ("GET /api/ticket", Some(viewer[0]), 405),
        ("GET /", None, 200),
        ("GET /api/audit", Some(viewer[0]), 403),
        (&*format!("POST {node}"), Some(viewer[0]), 405),
        (&*format!("POST {node}?_method=DELETE"), Some(viewer[0]), 405),
        (&*format!("DELETE {node}"), Some(viewer[0]), 403),
        (&*format!("DELETE {node}"), Some(("authorization", &*house.operator)), 403),
        ("DELETE /api/nodes/%2100000001", Some(viewer[0]), 403),
    ] {
        let said: Vec<_> = who.into_iter().chain(over).collect();
        let answer = say(&house.geocast, line, &said).await;
        assert_eq!(status(&answer), expected, "{line}: {answer}");
        assert!(!answer.contains("token.create"), "{line}: {answer}");
        assert!(!line.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "{answer}");
    }
    assert_eq!(get(&house.geocast, node, &viewer).await.status, 200, "it is still there");

    let upgrade = [
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let told = post(&house.geocast, "/api/ticket", &viewer, json!({})).await;
    let ticket = told.body["ticket"].as_str().unwrap();
    for path in ["/api/nodes", "/api/audit", "/metrics", "/ogc/collections"] {
        let line = format!("GET {path}?ticket={ticket}");
        let answer = say(&house.geocast, &line, &upgrade).await;
        assert_eq!(status(&answer), 401, "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_no_token_and_only_one_of_many_at_once_gets_in_by_it() {
    let house = House::open(&["--public", "off"]).await;
    let told = async |who: &str| {
        let made = post(&house.geocast, "/api/ticket", &[("authorization", who)], json!({})).await;
        made.body["ticket"].as_str().unwrap().to_owned()
    };
    let ticket = told(&house.administrator).await;
    let (said, cookie) = (format!("Bearer {ticket}"), format!("geocast={ticket}"));
    for header in [("authorization", &*said), ("cookie", &*cookie)] {
        for path in ["/api/nodes", "/api/audit", "/api/events"] {
            assert_eq!(get(&house.geocast, path, &[header]).await.status, 401, "{header:?}");
        }
    }
    let query = format!("?ticket={ticket}");
    let share = json!({ "expires": "1h" });
    for path in ["/api/audit", "/api/stats", "/api/messages"] {
        assert_eq!(get(&house.geocast, &format!("{path}{query}"), &[]).await.status, 401, "{path}");
    }
    for path in ["/api/shares", "/api/ticket"] {
        let answer = post(&house.geocast, &format!("{path}{query}"), &[], share.clone()).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let login = json!({ "token": ticket });
    assert_eq!(post(&house.geocast, "/api/login", &[], login).await.status, 401);
    // None of it has used the ticket up, and many at once do.
    let tries = (0..8).map(|_| knock(socket(&house.geocast, &query, &[AFAR])));
    let mut statuses = futures_util::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [101, 401, 401, 401, 401, 401, 401, 401]);

    // A page of another site that got hold of one does not come in by it either.
    for origin in ["https://evil.example", "null"] {
        let query = format!("?ticket={}", told(&house.viewer).await);
        let request = socket(&house.geocast, &query, &[AFAR, ("origin", origin)]);
        assert_eq!(knock(request).await, 403, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_one_that_the_server_made_and_only_its_own_page_uses_it() {
    let house = House::open(&["--public", "off"]).await;
    let made_up = BASE64.encode([7; 32]);
    let fixed = format!("geocast={made_up}; __Host-geocast={made_up}");
    let login = sign_in(&house, &house.operator, &[AFAR, ("cookie", &fixed)]).await;
    let cookie = login.cookie();
    assert!(cookie.len() > 43 && !cookie.contains(&made_up), "a name that was made up is not kept");
    let known = [AFAR, ("cookie", &*fixed)];
    assert_eq!(get(&house.geocast, "/api/nodes", &known).await.status, 401);
    let again = sign_in(&house, &house.operator, &[AFAR, OURS, ("cookie", &cookie)]).await;
    assert_ne!(again.cookie(), cookie, "each has its own");
    let cookie = again.cookie();

    // Whoever is no trusted proxy cannot say that it came by TLS.
    let forwarded = [AFAR, ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")];
    let set = sign_in(&house, &house.viewer, &forwarded).await;
    let set = set.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("geocast=") && !set.contains("Secure"), "{set}");
    let viewer = ("authorization", &*house.viewer);
    let links = get(&house.geocast, "/ogc", &[&forwarded[..], &[viewer]].concat()).await.body;
    assert!(!links.to_string().contains("evil.example"), "{links}");
    assert!(!links.to_string().contains("https://127"), "{links}");

    // A form of another site sends what needs no leave, and the cookie with it.
    let url = |path: &str| format!("http://{}{path}", house.geocast.address);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json"] {
        for path in ["/api/shares", "/api/logout", "/api/ticket"] {
            let request = Client::new()
                .post(url(path))
                .header("cookie", &cookie)
                .header("content-type", kind)
                .body("{\"expires\":\"1h\"}");
            let answer = request.timeout(DEADLINE).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{kind} {path}");
        }
    }
    let login = Client::new().post(url("/api/login")).header("content-type", "text/plain");
    let token = json!({ "token": house.viewer.strip_prefix("Bearer ").unwrap() });
    let login = login.body(token.to_string()).timeout(DEADLINE).send().await.unwrap();
    assert_eq!(login.status(), 415, "nor is anybody signed in so");
    let known = [AFAR, ("cookie", &*cookie)];
    assert_eq!(
        get(&house.geocast, "/api/nodes", &known).await.status,
        200,
        "it is still signed in"
    );
    let nodes = get(&house.geocast, "/api/nodes/!00000001/positions", &known).await;
    assert_eq!(nodes.headers["cache-control"], "private, no-cache", "nobody keeps it for others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_came_in_clear_does_not_speak_for_who_signed_in_by_tls() {
    let house = House::open(&[&["--public", "off"][..], &PROXY].concat()).await;
    let secure = [AFAR, ("x-forwarded-proto", "https")];
    let cookie = sign_in(&house, &house.operator, &secure).await.cookie();
    let host = house.geocast.address.to_string();
    for (scheme, status, upgraded) in [("https", 200, 101), ("http", 403, 403), ("HTTP", 403, 403)]
    {
        let origin = format!("{scheme}://{host}");
        let headers = [AFAR, secure[1], ("cookie", &*cookie), ("origin", &*origin)];
        let ours = [&headers[..], &[OURS]].concat();
        let shared = post(&house.geocast, "/api/shares", &ours, json!({ "expires": "1h" })).await;
        assert_eq!(shared.status, status, "{origin}");
        assert_eq!(knock(socket(&house.geocast, "", &headers)).await, upgraded, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_addresses_in_front_of_its_own_stays_who_it_is() {
    let rate = "--max-requests-per-minute-per-address";
    let limits = [rate, "1", "--request-burst-per-address", "3"];
    let house = House::open(&[&PROXY[..], &limits].concat()).await;
    let ask = async |hops: &str| {
        get(&house.geocast, "/api/config", &[("x-forwarded-for", hops)]).await.status
    };
    for forged in ["203.0.113.1", "127.0.0.1", "nonsense"] {
        assert_eq!(ask(&format!("{forged}, 192.0.2.7")).await, 200, "{forged}");
    }
    for hops in [
        "203.0.113.4, 192.0.2.7",
        "192.0.2.7",
        "192.0.2.7:4711",
        "::ffff:192.0.2.7",
        "203.0.113.5, 192.0.2.7, 127.0.0.2",
        "192.0.2.8, 203.0.113.6,192.0.2.7 , 127.0.0.1",
    ] {
        assert_eq!(ask(hops).await, 429, "{hops}");
    }
    assert_eq!(ask("192.0.2.7, 192.0.2.8").await, 200, "another one is not held up");

    let other = House::open(&[]).await;
    let hops = [("x-forwarded-for", "127.0.0.1, 192.0.2.9"), ("forwarded", "for=203.0.113.8")];
    for (house, address) in [(&house, "192.0.2.9"), (&other, "127.0.0.1")] {
        assert_eq!(sign_in(house, "Bearer wrong", &hops).await.status, 401);
        let said = [("authorization", &*house.administrator)];
        let audit = get(&house.geocast, "/api/audit?limit=1", &said).await.body;
        let entry = &audit["entries"][0];
        assert_eq!((&entry["action"], &entry["address"]), (&json!("login"), &json!(address)));
        let logged = house.geocast.log();
        assert!(logged.contains(&format!("anonymous at {address}: login")), "{logged}");
        assert!(!logged.contains("203.0.113.8"));
    }
}

async fn share(house: &House, wanted: Value) -> String {
    let said = [("authorization", &*house.operator)];
    let made = post(&house.geocast, "/api/shares", &said, wanted).await;
    made.body["share"].as_str().unwrap().to_owned()
}

fn here() -> Value {
    json!({ "north": 11.0, "south": 9.0, "east": 11.0, "west": 9.0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_opens_no_route_that_is_not_made_for_it_whoever_shows_it() {
    let house = House::open(&[]).await;
    let share = share(&house, json!({ "bounds": here(), "expires": "1h" })).await;
    let query = format!("?share={share}");
    let administrator = [AFAR, ("authorization", &*house.administrator)];
    let mut shut = BTreeSet::new();
    for (path, rule, method) in routes() {
        if ["Rule::Open", "Rule::Shared", "Rule::Live"].contains(&&*rule) {
            continue;
        }
        for who in [&administrator[..1], &administrator] {
            let path = format!("{path}{query}");
            let answer = send(&house.geocast, method.clone(), &path, who, None).await;
            assert_eq!(answer.status, 403, "{method} {path}");
        }
        shut.insert(path);
    }
    for path in ["/api/explain/!00000001", "/api/messages", "/api/links", "/kml", "/metrics"] {
        assert!(shut.contains(path), "{path} is not among {shut:?}");
    }
    for (method, path) in [
        (Method::POST, "/api/shares".to_owned()),
        (Method::DELETE, "/api/nodes/!00000001".to_owned()),
        (Method::DELETE, "/api/shares/0000000000000000".to_owned()),
    ] {
        let wanted = Some(json!({ "expires": "1h" }));
        let path = format!("{path}{query}");
        let answer = send(&house.geocast, method.clone(), &path, &administrator, wanted).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    let nodes = ["!00000001", "!00000003"];
    let shown = get(&house.geocast, &format!("/api/nodes{query}"), &[AFAR]).await;
    assert_eq!(ids(&shown.body), nodes, "nothing is gone");

    // What is asked for with a share is held to it: so is a ticket, and so is an event stream.
    let path = format!("/api/ticket{query}");
    let ticket = post(&house.geocast, &path, &administrator, json!({})).await;
    let ticket = ticket.body["ticket"].as_str().unwrap().to_owned();
    for path in [format!("/api/events?ticket={ticket}"), format!("/api/events{query}")] {
        let path = format!("{path}&bbox=-180,-90,180,90");
        let mut events = EventSource::connect(house.geocast.address, &path).await;
        let snapshot = events.until("snapshot").await;
        assert_eq!(events.nodes.keys().collect::<Vec<_>>(), nodes, "{path}");
        assert!(!snapshot.to_string().contains("secret words"), "{snapshot}");
    }

    // Nobody but the server signs one.
    let content = json!({ "e": 4_000_000_000_000_i64 }).to_string();
    let content = BASE64.encode(content);
    for key in [&[][..], &[0; 32], content.as_bytes(), b"geocast", house.operator.as_bytes()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), content.as_bytes());
        let path = format!("/api/nodes?share={content}.{}", BASE64.encode(tag));
        assert_eq!(get(&house.geocast, &path, &[AFAR]).await.status, 403);
    }
    // The first one counts, and a second does not widen it.
    let path = format!("/api/nodes{query}&share={content}.x");
    assert_eq!(ids(&get(&house.geocast, &path, &[AFAR]).await.body), nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_share_do_not_tell_that_there_is_something_withheld() {
    let mut house = House::open(&[]).await;
    for step in [0.1, 0.2, 0.3] {
        house.gateway.publish(Radio(2).at(20.0 + step, 20.0));
        house.gateway.publish(Radio(1).at(10.0 + step, 10.0));
        // It was elsewhere, and comes here.
        house.gateway.publish(Radio(4).at(50.0 + step, 50.0));
    }
    house.gateway.publish(Radio(4).at(10.2, 10.2));
    let count = |body: &Value| body["positions"].as_array().map_or(0, Vec::len);
    house.geocast.ask_until("/api/positions", |_, body| count(body) == 13).await;
    for wanted in [
        json!({ "bounds": here(), "expires": "1h" }),
        json!({ "nodeIds": ["!00000001", "!00000003"], "expires": "1h" }),
        json!({ "bounds": [here(), { "north": 1, "south": 0, "east": 1, "west": 0 }],
                "nodeIds": ["!00000001", "!00000003", "!00000004"], "expires": "1h" }),
    ] {
        let share = share(&house, wanted.clone()).await;
        let ask = async |path: &str| {
            let path = format!("{path}&share={share}");
            let answer = get(&house.geocast, &path, &[AFAR]).await;
            assert_eq!(answer.status, 200, "{path}");
            answer.body
        };
        for place in ["19,19,21,21&limit=1", "49,49,51,51&limit=1", "9,9,21,21&limit=9"] {
            let page = ask(&format!("/api/positions?bbox={place}")).await;
            assert_eq!(page["next"], Value::Null, "{place}: {wanted}");
            assert!(!page.to_string().contains("!00000002"), "{page}");
        }
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = ask(&format!("/api/positions?limit=1{cursor}")).await;
            let positions = page["positions"].as_array().unwrap();
            assert_eq!(positions.len(), 1, "no page is empty: {wanted}");
            seen.push(positions[0]["node"].clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.iter().filter(|node| **node == "!00000001").count(), 4, "{wanted}");
        assert!(!seen.contains(&json!("!00000002")), "{seen:?}");
    }
    let share = share(&house, json!({ "bounds": here(), "expires": "1h" })).await;
    for format in ["json", "geojson", "gpx", "csv"] {
        let path = format!("/api/nodes/!00000004/positions?limit=1&format={format}&share={share}");
        let answer = get(&house.geocast, &path, &[AFAR]).await;
        assert_eq!(answer.status, 200, "{format}");
        assert_eq!(answer.body["next"], Value::Null, "{format}");
        assert!(!answer.headers.contains_key("link"), "{format}");
    }
    let mut told = BTreeSet::new();
    for id in ["!00000002", "!0000dead"] {
        for more in ["", "/positions", "/telemetry"] {
            let path = format!("/api/nodes/{id}{more}?share={share}");
            let answer = get(&house.geocast, &path, &[AFAR]).await;
            told.insert((answer.status, answer.body["detail"].to_string()));
        }
    }
    assert_eq!(told.len(), 1, "one that is withheld is as one that is not there: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_tell_what_there_is() {
    let house = House::open(&["--public", "off"]).await;
    let (secret, id) = make_token(house.folder.path(), "admin", &[]);
    let revoked = format!("Bearer {secret}");
    revoke_token(house.folder.path(), &id);
    becomes(&house.geocast, "/api/nodes", &[("authorization", &revoked)], 401).await;
    let never = format!("Bearer geocast_{}", BASE64.encode([9; 32]));
    let short = |answer: &Answer| {
        let challenge = answer.headers.get("www-authenticate").cloned();
        (answer.status, answer.body["detail"].clone(), challenge)
    };
    let cut = &house.administrator[..house.administrator.len() - 1];
    let mut refusals = Vec::new();
    for said in [&*revoked, &*never, cut, "Bearer x"] {
        for path in ["/api/nodes/!00000001", "/api/nodes/!0000dead", "/api/audit"] {
            let answer = get(&house.geocast, path, &[("authorization", said)]).await;
            refusals.push(short(&answer));
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    share(&house, json!({ "expires": "1h" })).await;
    let operator = [("authorization", &*house.operator)];
    let shares = get(&house.geocast, "/api/shares", &operator).await.body;
    let there = shares["shares"][0]["id"].as_str().unwrap();
    for (who, expected) in [(&[][..], 401), (&[("authorization", &*house.viewer)], 403)] {
        let mut refusals = Vec::new();
        for id in [there, "0000000000000000", "x"] {
            let path = format!("/api/shares/{id}");
            let answer = send(&house.geocast, Method::DELETE, &path, who, None).await;
            assert_eq!(answer.status, expected, "{path}");
            refusals.push(short(&answer));
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
    }
}
