//! One name for each request, in the answer, in the log and in what is said of an error.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Geocast};

async fn ask(geocast: &Geocast, path: &str, id: Option<&str>) -> (String, Value) {
    let mut request = reqwest::Client::new().get(format!("http://{}{path}", geocast.address));
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    let answer = request.timeout(DEADLINE).send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    (id, answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_bears_one_name_through_answer_and_log() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with(folder.path(), &["--log", "geocast=debug"]).await;
    let (id, problem) = ask(&geocast, "/api/nodes?bbox=1&share=s3cret", Some("from-proxy.7")).await;
    assert_eq!(id, "from-proxy.7");
    assert_eq!(problem["requestId"], "from-proxy.7", "{problem}");
    geocast.logged("id=from-proxy.7").await;
    assert!(!geocast.log().contains("s3cret"), "{}", geocast.log());
    let (own, _) = ask(&geocast, "/api/nodes", None).await;
    let (other, _) = ask(&geocast, "/api/nodes", Some("no name {}")).await;
    assert_ne!(own, other);
    assert_ne!(other, "no name {}");
    geocast.logged(&format!("id={own}")).await;
}
