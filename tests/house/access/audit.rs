//! What was done, by whom, and where it stands.

use serde_json::{Value, json};

use super::{AFAR, House, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_stands_in_the_audit_and_in_the_log() {
    let house = House::open(&[]).await;
    let operator = [("authorization", &*house.operator)];
    post(&house.geocast, "/api/shares", &operator, json!({ "expires": "1h" })).await;
    post(&house.geocast, "/api/login", &[AFAR], json!({ "token": "guess-work" })).await;
    let administrator = [("authorization", &*house.administrator)];
    let audit = get(&house.geocast, "/api/audit", &administrator).await.body;
    let entries = audit["entries"].as_array().unwrap();
    let short = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        (text("actor").split(' ').next().unwrap().to_owned(), text("action"), text("outcome"))
    };
    let expected = [
        ("anonymous", "login", "refused"),
        ("token", "share.create", "done"),
        ("command", "token.create", "done"),
        ("command", "token.create", "done"),
        ("command", "token.create", "done"),
    ];
    let expected =
        expected.map(|(who, what, how)| (who.to_owned(), what.to_owned(), how.to_owned()));
    assert_eq!(entries.iter().map(short).collect::<Vec<_>>(), expected);
    assert_eq!(
        (&entries[1]["role"], &entries[1]["address"]),
        (&json!("operator"), &json!("127.0.0.1"))
    );
    assert!(entries[1]["time"].as_i64().unwrap() > 1_700_000_000_000);
    assert!(house.geocast.log().contains("share.create"));
    for secret in ["guess-work", &house.operator["Bearer ".len()..]] {
        assert!(!audit.to_string().contains(secret) && !house.geocast.log().contains(secret));
    }

    let mut paged = Vec::new();
    let mut path = "/api/audit?limit=2".to_owned();
    loop {
        let page = get(&house.geocast, &path, &administrator).await.body;
        paged.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/audit?limit=2&cursor={next}");
    }
    assert_eq!(&paged, entries);
    assert_eq!(get(&house.geocast, "/api/audit?cursor=x", &administrator).await.status, 400);
}
