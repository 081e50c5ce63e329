//! Who may see and do what.

mod attacks;
mod audit;
mod headers;
mod roles;
mod sessions;
mod shares;
mod signed;
mod sockets;
mod tls;
mod tokens;

use std::path::Path;

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest, http::Request},
};

use crate::harness::{DEADLINE, Gateway, Geocast, Radio, answer, database_url};

/// A header of a request that a proxy passed on: so it does not come from this machine.
const AFAR: (&str, &str) = ("x-forwarded-for", "192.0.2.1");

/// What a page of ours adds to what it asks for.
const OURS: (&str, &str) = ("x-geocast-request", "1");

/// An answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// The cookie that it sets, as a browser sends it back.
    fn cookie(&self) -> String {
        let cookie = self.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

async fn send(
    geocast: &Geocast,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let url = format!("http://{}{path}", geocast.address);
    let mut request = Client::new().request(method, url).timeout(DEADLINE);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
}

async fn get(geocast: &Geocast, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(geocast, Method::GET, path, headers, None).await
}

async fn post(geocast: &Geocast, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    send(geocast, Method::POST, path, headers, Some(body)).await
}

/// Asks until the status is this one: what was changed beside the server shows after a moment.
async fn becomes(geocast: &Geocast, path: &str, headers: &[(&str, &str)], status: u16) -> Answer {
    let asking = async {
        loop {
            let answer = get(geocast, path, headers).await;
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("the status does not become so")
}

/// Makes a token beside a server: what it says, and its id.
fn make_token(folder: &Path, role: &str, more: &[&str]) -> (String, String) {
    let url = database_url(folder);
    let usual = ["token", "create", "--database-url", &url, "--role", role];
    let said = answer(&[&usual, more].concat());
    let (secret, rest) = said.split_once('\n').unwrap();
    let id = rest.strip_prefix("token ").unwrap().split(',').next().unwrap();
    (secret.to_owned(), id.to_owned())
}

fn revoke_token(folder: &Path, id: &str) {
    answer(&["token", "revoke", id, "--database-url", &database_url(folder)]);
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The request for a WebSocket with these headers.
fn socket(geocast: &Geocast, query: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let url = format!("ws://{}/api/ws{query}", geocast.address);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// The status that a request for a WebSocket is answered with.
async fn knock(request: Request<()>) -> u16 {
    match connect_async(request).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

/// A server with these settings, three nodes of which the second speaks, and a token of each role.
struct House {
    folder: TempDir,
    geocast: Geocast,
    gateway: Gateway,
    viewer: String,
    operator: String,
    administrator: String,
}

impl House {
    async fn open(settings: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut geocast = Geocast::with(folder.path(), settings).await;
        let mut gateway = Gateway::connect(geocast.broker().await);
        for (number, place) in [(1, (10.0, 10.0)), (2, (20.0, 20.0)), (3, (10.5, 10.5))] {
            gateway.publish(Radio(number).named(&format!("Node {number}"), "N"));
            gateway.publish(Radio(number).at(place.0, place.1));
        }
        gateway.publish(Radio(2).text("secret words"));
        let [viewer, operator, administrator] = ["viewer", "operator", "admin"]
            .map(|role| bearer(&make_token(folder.path(), role, &[]).0));
        let house = Self { folder, geocast, gateway, viewer, operator, administrator };
        // Until tokens are known, who asks from here is an administrator.
        becomes(&house.geocast, "/api/audit", &[], 401).await;
        house
    }
}

fn ids(body: &Value) -> Vec<&str> {
    body["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect()
}
