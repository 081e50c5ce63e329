//! Whose pages may use the server.

use reqwest::header::HeaderMap;
use tempfile::TempDir;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest},
};

use crate::harness::{DEADLINE, Geocast};

/// Asks for a WebSocket as a page of `origin` does: the status, and the body if it is refused.
async fn connect(geocast: &Geocast, origin: &str, host: Option<&str>) -> (u16, String) {
    let url = format!("ws://{}/api/ws", geocast.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    if let Some(host) = host {
        request.headers_mut().insert("x-forwarded-host", host.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, answer)) => (answer.status().as_u16(), String::new()),
        Err(tungstenite::Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            (answer.status().as_u16(), String::from_utf8(body).unwrap())
        }
        Err(error) => panic!("{error}"),
    }
}

async fn headers(geocast: &Geocast, origin: &str) -> HeaderMap {
    let url = format!("http://{}/api/nodes", geocast.address);
    let request = reqwest::Client::new().get(url).header("origin", origin).timeout(DEADLINE);
    request.send().await.unwrap().headers().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_our_own_may_connect_and_others_may_not() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let own = format!("http://{}", geocast.address);
    assert_eq!(connect(&geocast, &own, None).await.0, 101);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let (status, body) = connect(&geocast, origin, Some("evil.example")).await;
        assert_eq!(status, 403, "{origin}");
        assert!(body.contains("\"status\":403"), "problem details: {body}");
        assert!(!headers(&geocast, origin).await.contains_key("access-control-allow-origin"));
    }
    let refused = "geocast_connections_refused_total{reason=\"foreign_origin\"}";
    assert_eq!(geocast.metric(refused).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_sites_may_connect_and_read() {
    let folder = TempDir::new().unwrap();
    let settings = ["--allow-origin", "https://map.example,https://other.example:8443"];
    let geocast = Geocast::with(folder.path(), &settings).await;
    for origin in ["https://map.example", "https://other.example:8443"] {
        assert_eq!(connect(&geocast, origin, None).await.0, 101, "{origin}");
        let headers = headers(&geocast, origin).await;
        assert_eq!(headers["access-control-allow-origin"], origin);
    }
    assert_eq!(connect(&geocast, "https://other.example", None).await.0, 403);
    assert_eq!(connect(&geocast, "null", None).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_connect_where_that_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--allow-origin", "*"]).await;
    for origin in ["https://evil.example", "null"] {
        assert_eq!(connect(&geocast, origin, None).await.0, 101, "{origin}");
    }
    assert_eq!(headers(&geocast, "null").await["access-control-allow-origin"], "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_says_by_which_name_the_server_was_called() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with(folder.path(), &["--trusted-proxy", "127.0.0.0/8"]).await;
    let page = "https://map.example";
    assert_eq!(connect(&geocast, page, Some("map.example")).await.0, 101);
    assert_eq!(connect(&geocast, page, None).await.0, 403);
}
