//! What answers say to browsers, and how much one address may ask.

use serde_json::json;

use super::{AFAR, House, get, post};
use crate::harness::Geocast;

const ALWAYS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "SAMEORIGIN"),
    ("permissions-policy", "geolocation=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_closed_to_what_browsers_could_be_made_to_do_with_it() {
    let house = House::open(&["--public", "off"]).await;
    for path in ["/", "/api/config", "/api/nodes", "/nowhere", "/metrics", "/api/nodes?token=x"] {
        let answer = get(&house.geocast, path, &[AFAR]).await;
        for (name, part) in ALWAYS {
            let value = answer.headers[name].to_str().unwrap();
            assert!(value.contains(part), "{path} {name}: {value}");
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "this is not TLS");
    }
    let page = get(&house.geocast, "/", &[]).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("object-src 'none'"));
    let api = get(&house.geocast, "/api/config", &[]).await;
    let policy = api.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let login = post(&house.geocast, "/api/login", &[], json!({ "token": "x" })).await;
    assert_eq!(login.headers["x-content-type-options"], "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_much_is_told_when_to_come_back_and_others_are_not() {
    let arguments = [
        "demo",
        "--broker-listen",
        "127.0.0.1:0",
        "--trusted-proxy",
        "127.0.0.0/8",
        "--max-requests-per-minute-per-address",
        "6",
        "--request-burst-per-address",
        "3",
    ];
    let geocast = Geocast::start(&arguments).await;
    let ask =
        async |address: &str| get(&geocast, "/api/config", &[("x-forwarded-for", address)]).await;
    for left in ["2", "1", "0"] {
        let answer = ask("192.0.2.1").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["ratelimit-policy"], "\"address\";q=3;w=30");
        let limit = answer.headers["ratelimit"].to_str().unwrap();
        assert!(limit.starts_with(&format!("\"address\";r={left};t=")), "{limit}");
    }
    let refused = ask("192.0.2.1").await;
    assert_eq!((refused.status, &refused.body["status"]), (429, &json!(429)));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait), "{wait}");
    assert!(refused.headers["ratelimit"].to_str().unwrap().starts_with("\"address\";r=0;"));
    assert_eq!(ask("192.0.2.2").await.status, 200);
    let page = get(&geocast, "/", &[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!(page.status, 200, "the page's own files are not counted");
    let here = get(&geocast, "/api/config", &[]).await;
    assert!(!here.headers.contains_key("ratelimit"), "no limit holds for this machine");
}
