//! Sessions: how a browser signs in.

use serde_json::json;

use super::{AFAR, House, OURS, bearer, becomes, get, make_token, post, revoke_token, socket};
use crate::harness::Screen;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_a_token_and_out_again() {
    let house = House::open(&["--public", "off"]).await;
    let token = house.operator.strip_prefix("Bearer ").unwrap();
    let login = post(&house.geocast, "/api/login", &[AFAR], json!({ "token": token })).await;
    assert_eq!((login.status, &login.body["role"]), (200, &json!("operator")));
    let set = login.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Domain"), "{set}");
    assert!(!set.contains(token) && !login.body.to_string().contains(token));
    let cookie = login.cookie();
    let known = [AFAR, ("cookie", &*cookie)];
    assert_eq!(get(&house.geocast, "/api/nodes", &known).await.status, 200);
    let session = get(&house.geocast, "/api/session", &known).await.body;
    assert_eq!((&session["role"], &session["signedIn"]), (&json!("operator"), &json!(true)));

    let ours = [AFAR, OURS, ("cookie", &*cookie)];
    let logout = post(&house.geocast, "/api/logout", &ours, json!({})).await;
    assert_eq!(logout.status, 204);
    assert!(logout.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(get(&house.geocast, "/api/nodes", &known).await.status, 401, "it is over");
    assert!(!house.geocast.log().contains(cookie.split('=').nth(1).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_again_leaves_no_session_behind() {
    let house = House::open(&["--public", "off"]).await;
    let sign_in = async |token: &str, headers: &[(&str, &str)]| {
        let token = token.strip_prefix("Bearer ").unwrap();
        let login = post(&house.geocast, "/api/login", headers, json!({ "token": token })).await;
        assert_eq!(login.status, 200, "{}", login.body);
        login.cookie()
    };
    let status = async |cookie: &str| {
        get(&house.geocast, "/api/nodes", &[AFAR, ("cookie", cookie)]).await.status
    };
    let [first, others] = [&house.operator, &house.viewer].map(|token| sign_in(token, &[AFAR]));
    let (first, others) = (first.await, others.await);
    let mut open = Screen::ask(socket(
        &house.geocast,
        "",
        &[AFAR, ("cookie", &first), ("origin", &format!("http://{}", house.geocast.address))],
    ))
    .await;
    let again = sign_in(&house.viewer, &[AFAR, OURS, ("cookie", &first)]).await;
    assert_eq!(status(&again).await, 200);
    assert_eq!(status(&first).await, 401, "it is over");
    assert_eq!(status(&others).await, 200, "it is somebody else's");
    assert!(open.closed().await.is_some(), "and with it what it had opened");
    let void = sign_in(&house.viewer, &[AFAR, ("cookie", &first)]).await;
    assert_eq!(status(&void).await, 200, "a void cookie is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_act_with_a_cookie() {
    let house = House::open(&["--allow-origin", "https://evil.example"]).await;
    let token = house.operator.strip_prefix("Bearer ").unwrap();
    let login = post(&house.geocast, "/api/login", &[AFAR], json!({ "token": token })).await;
    let cookie = login.cookie();
    let known = ("cookie", &*cookie);
    let share = || json!({ "expires": "1h" });
    let own = format!("http://{}", house.geocast.address);
    for headers in [
        &[AFAR, known][..],
        &[AFAR, known, ("origin", &own)],
        &[AFAR, known, OURS, ("origin", "https://evil.example")],
        &[AFAR, known, OURS, ("origin", "null")],
        &[AFAR, known, OURS, ("origin", &own), ("sec-fetch-site", "cross-site")],
        &[AFAR, known, OURS, ("sec-fetch-site", "same-site")],
    ] {
        let answer = post(&house.geocast, "/api/shares", headers, share()).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    for headers in [&[AFAR, known, OURS][..], &[AFAR, known, OURS, ("origin", &own)]] {
        assert_eq!(post(&house.geocast, "/api/shares", headers, share()).await.status, 200);
    }
    let foreign = [AFAR, ("origin", "https://evil.example")];
    let login = post(&house.geocast, "/api/login", &foreign, json!({ "token": token })).await;
    assert_eq!(login.status, 403, "nor sign somebody in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let house = House::open(&["--public", "off"]).await;
    let (secret, id) = make_token(house.folder.path(), "viewer", &[]);
    let login = post(&house.geocast, "/api/login", &[], json!({ "token": secret })).await;
    let cookie = login.cookie();
    let known = [AFAR, ("cookie", &*cookie)];
    assert_eq!(get(&house.geocast, "/api/nodes", &known).await.status, 200);
    revoke_token(house.folder.path(), &id);
    becomes(&house.geocast, "/api/nodes", &known, 401).await;
    let said = bearer(&secret);
    becomes(&house.geocast, "/api/nodes", &[("authorization", &said)], 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_speaks_tls_the_cookie_is_bound_to_it() {
    let house = House::open(&["--trusted-proxy", "127.0.0.0/8"]).await;
    let token = house.viewer.strip_prefix("Bearer ").unwrap();
    let secure = [AFAR, ("x-forwarded-proto", "https")];
    let login = post(&house.geocast, "/api/login", &secure, json!({ "token": token })).await;
    let set = login.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-geocast=") && set.ends_with("; Secure"), "{set}");
    let cookie = login.cookie();
    let known = [AFAR, ("cookie", &*cookie), ("x-forwarded-proto", "https")];
    assert_eq!(get(&house.geocast, "/api/messages", &known).await.status, 200);
    let plain = cookie.replace("__Host-", "");
    let tossed = [AFAR, ("cookie", &*plain), ("x-forwarded-proto", "https")];
    assert_eq!(get(&house.geocast, "/api/messages", &tossed).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_signs_nobody_in() {
    let house = House::open(&["--admin-token", "s3cret-word"]).await;
    for body in [json!({}), json!([]), json!({ "token": 7 }), json!("x")] {
        let login = post(&house.geocast, "/api/login", &[], body.clone()).await;
        assert_eq!(login.status, 400, "{body}");
    }
    for token in ["", "s3cret-wort", "geocast"] {
        let login = post(&house.geocast, "/api/login", &[], json!({ "token": token })).await;
        assert_eq!(login.status, 401, "{token}");
        assert!(!login.headers.contains_key("set-cookie"));
    }
    let login = post(&house.geocast, "/api/login", &[], json!({ "token": "s3cret-word" })).await;
    assert_eq!(login.body["role"], "administrator");
    let cookie = login.cookie();
    assert_eq!(get(&house.geocast, "/api/audit", &[("cookie", &*cookie)]).await.status, 200);
    assert!(!house.geocast.log().contains("s3cret-word"));
}
