//! Where a provider's keys come from. Nobody is asked who is not named in the settings.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use hyper::{Method, header};
use tokio::{fs, time::timeout};
use url::Url;

use crate::outbound::{Question, ask};

/// How long the keys may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest set of keys.
const MAX_BYTES: usize = 1 << 20;

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// At an address: https, or http on this machine.
    Url(Url),
    /// In a file.
    File(PathBuf),
}

/// What is there now, or why it cannot be had.
pub(super) async fn fetch(source: &KeySource) -> Result<Bytes, String> {
    let fetching = async {
        match source {
            KeySource::Url(url) => get(url).await,
            KeySource::File(path) => {
                fs::read(path).await.map(Bytes::from).map_err(|error| error.to_string())
            }
        }
    };
    let seconds = PATIENCE.as_secs();
    timeout(PATIENCE, fetching).await.unwrap_or_else(|_| Err(format!("nothing within {seconds} s")))
}

async fn get(url: &Url) -> Result<Bytes, String> {
    let question = Question {
        method: Method::GET,
        url,
        headers: &[(header::ACCEPT, "application/json")],
        body: Bytes::new(),
        max_bytes: MAX_BYTES,
    };
    match ask(question).await? {
        (status, keys) if status == 200 => Ok(keys),
        (status, _) => Err(format!("it answers {status}")),
    }
}
