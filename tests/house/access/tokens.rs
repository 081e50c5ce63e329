//! Tokens: made, said, revoked.

use serde_json::json;

use super::{AFAR, House, bearer, becomes, get, make_token, post, revoke_token, socket};
use crate::harness::{Screen, answer, database_url, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let house = House::open(&[]).await;
    let more = ["--name", "wall map", "--expires", "30d"];
    let (secret, id) = make_token(house.folder.path(), "operator", &more);
    assert!(secret.starts_with("geocast_") && secret.len() > 43, "{secret}");
    let list = answer(&["token", "list", "--database-url", &database_url(house.folder.path())]);
    let line = list.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("operator") && line.contains("until 20") && line.ends_with("wall map"));
    assert!(!list.contains(&secret));
    let said = bearer(&secret);
    assert_eq!(get(&house.geocast, "/api/messages", &[("authorization", &said)]).await.status, 200);
    let folder = house.folder.path().to_owned();
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let at = bytes.windows(secret.len()).find(|window| *window == secret.as_bytes());
        assert_eq!(at, None, "the secret is in the database");
    }
    assert!(!house.geocast.log().contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_and_its_sockets_are_closed() {
    let house = House::open(&[]).await;
    let (secret, id) = make_token(house.folder.path(), "viewer", &[]);
    let said = bearer(&secret);
    let mut screen = Screen::ask(socket(&house.geocast, "", &[("authorization", &said)])).await;
    screen.subscribe(json!({})).await;
    screen.until("snapshot").await;
    let mut other =
        Screen::ask(socket(&house.geocast, "", &[("authorization", &house.viewer)])).await;
    revoke_token(house.folder.path(), &id);
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    let refused = becomes(&house.geocast, "/api/nodes", &[("authorization", &said)], 401).await;
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    other.say(json!({ "type": "ping", "id": 1 })).await;
    other.until("pong").await;
    let url = database_url(house.folder.path());
    assert!(refusal(&["token", "revoke", &id, "--database-url", &url]).contains("revoked already"));
    assert!(refusal(&["token", "revoke", "x", "--database-url", &url]).contains("no token x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_refused_and_its_sockets_are_closed() {
    let house = House::open(&[]).await;
    let (secret, _) = make_token(house.folder.path(), "admin", &["--expires", "5s"]);
    let said = bearer(&secret);
    let mut screen = Screen::ask(socket(&house.geocast, "", &[("authorization", &said)])).await;
    assert_eq!(u16::from(screen.closed().await.unwrap().code), 4503);
    becomes(&house.geocast, "/api/audit", &[("authorization", &said)], 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_even_where_the_map_is_public() {
    let house = House::open(&[]).await;
    for wrong in ["", "geocast_", "x", "geocast_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let said = bearer(wrong);
        let answer = get(&house.geocast, "/api/nodes", &[("authorization", &said)]).await;
        assert_eq!(answer.status, 401, "{wrong}");
    }
    let other_scheme = [("authorization", "Basic dXNlcjpwYXNzd29yZA=="), AFAR];
    assert_eq!(get(&house.geocast, "/api/nodes", &other_scheme).await.status, 200, "a proxy's");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_tokens_has_to_wait() {
    let house = House::open(&[]).await;
    let mut statuses = Vec::new();
    for guess in 0..40 {
        let login = json!({ "token": format!("guess-{guess}") });
        let answer = post(&house.geocast, "/api/login", &[], login).await;
        if answer.status == 429 {
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..20], [401; 20]);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(get(&house.geocast, "/api/nodes", &[]).await.status, 200, "others are not");
}
