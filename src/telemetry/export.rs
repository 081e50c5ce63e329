//! Sends spans to a collector: OTLP over HTTP, in protocol buffers, some at a time.

use std::time::Duration;

use hyper::{Method, header};
use prost::Message;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::{
    counters::{Counters, Fate},
    otlp::{
        ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans,
        ScopeSpans, Span, Value,
    },
};
use crate::outbound::{Question, ask};

/// How long spans gather.
const GATHER: Duration = Duration::from_secs(1);

/// Most spans in one message.
const AT_ONCE: usize = 512;

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read. Nothing is made of what it says.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Where OTLP over HTTP takes traces, below an endpoint.
const PATH: &str = "v1/traces";

/// Sends what comes.
pub(super) struct Exporter {
    url: Url,
    spans: mpsc::Receiver<Span>,
    counters: Counters,
    stop: CancellationToken,
    /// Whether the last attempt failed, which is said once.
    is_failing: bool,
}

impl Exporter {
    /// To the collector at `endpoint`, until `stop`.
    pub(super) fn new(
        endpoint: &Url,
        spans: mpsc::Receiver<Span>,
        counters: Counters,
        stop: CancellationToken,
    ) -> Self {
        Self { url: address(endpoint), spans, counters, stop, is_failing: false }
    }

    /// Sends until it is told to stop, and then what is left.
    pub(super) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let batch = self.gather().await;
            self.send(batch).await;
        }
        self.spans.close();
        let mut rest = Vec::new();
        while self.spans.recv_many(&mut rest, AT_ONCE).await > 0 {
            self.send(std::mem::take(&mut rest)).await;
        }
    }

    /// What comes within a while of the first.
    async fn gather(&mut self) -> Vec<Span> {
        let mut batch = Vec::new();
        let stop = self.stop.clone();
        let gathering = async {
            self.spans.recv_many(&mut batch, AT_ONCE).await;
            let mut pause = std::pin::pin!(sleep(GATHER));
            while batch.len() < AT_ONCE {
                let room = AT_ONCE - batch.len();
                select! {
                    received = self.spans.recv_many(&mut batch, room) => {
                        if received == 0 {
                            break;
                        }
                    }
                    () = &mut pause => break,
                }
            }
        };
        select! {
            () = gathering => {}
            () = stop.cancelled() => {}
        }
        batch
    }

    /// Sends these, once: who looks at traces can do without some.
    async fn send(&mut self, batch: Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len();
        let question = Question {
            method: Method::POST,
            url: &self.url,
            headers: &[(header::CONTENT_TYPE, "application/x-protobuf")],
            body: message(batch).encode_to_vec().into(),
            max_bytes: MAX_ANSWER_BYTES,
        };
        let sent = match timeout(PATIENCE, ask(question)).await {
            Ok(Ok((status, _))) if status.is_success() => Ok(()),
            Ok(Ok((status, _))) => Err(format!("it answers {status}")),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(format!("nothing within {} s", PATIENCE.as_secs())),
        };
        match sent {
            Ok(()) => {
                self.counters.count(Fate::Exported, count);
                if std::mem::take(&mut self.is_failing) {
                    info!("the collector of --otlp-endpoint takes traces again");
                }
            }
            Err(error) => {
                self.counters.count(Fate::Failed, count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!(
                        "the collector of --otlp-endpoint does not take traces, which are lost \
                         until it does: {error}"
                    );
                }
            }
        }
    }
}

/// Where traces are sent: below the endpoint, as OTLP has it, unless it names the place itself.
fn address(endpoint: &Url) -> Url {
    let mut url = endpoint.clone();
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}/{PATH}");
        url.set_path(&path);
    }
    url
}

fn message(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let text = |key, value: &str| KeyValue::new(key, Value::Text(value.to_owned()));
    let resource = Resource {
        attributes: vec![
            text("service.name", "geocast"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ],
    };
    let scope = InstrumentationScope {
        name: "geocast".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_endpoint_unless_it_names_their_place() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://c.example/otlp/", "https://c.example/otlp/v1/traces"),
            ("https://c.example/v1/traces", "https://c.example/v1/traces"),
        ] {
            assert_eq!(address(&endpoint.parse().unwrap()).as_str(), expected);
        }
    }
}
