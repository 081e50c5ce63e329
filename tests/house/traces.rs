//! Traces, as a collector of OpenTelemetry is told of them.

use std::net::SocketAddr;

use prost::{Message, Oneof};
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

/// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`, as far as it is looked at.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
#[expect(clippy::struct_field_names, reason = "they are named as the protocol names them")]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Whole(i64),
}

fn value(attributes: &[Attribute], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::Text(text) => text.clone(),
        Value::Whole(number) => number.to_string(),
    })
}

/// Takes what is sent to it.
struct Collector {
    address: SocketAddr,
    told: mpsc::Receiver<Export>,
    heard: Vec<Span>,
    _tasks: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel(1000);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if tell.send(take(stream).await).await.is_err() {
                    return;
                }
            }
        });
        Self { address, told, heard: Vec::new(), _tasks: tasks }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for a span of which this is so.
    async fn span(&mut self, is_wanted: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(at) = self.heard.iter().position(&is_wanted) {
                return self.heard.remove(at);
            }
            let Ok(Some(export)) = timeout(DEADLINE, self.told.recv()).await else {
                panic!("no such span in {:?}", self.heard);
            };
            for spans in export.resource_spans {
                let resource = spans.resource.unwrap();
                assert_eq!(value(&resource.attributes, "service.name").unwrap(), "geocast");
                self.heard.extend(spans.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
    }
}

/// Reads one request and answers it.
async fn take(stream: TcpStream) -> Export {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
    }
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.get_mut().write_all(answer).await.unwrap();
    Export::decode(&*body).unwrap()
}

async fn get(geocast: &Geocast, path: &str, traceparent: &str) -> (StatusCode, String) {
    let url = format!("http://{}{path}", geocast.address);
    let request = reqwest::Client::new().get(url).header("traceparent", traceparent);
    let answer = request.timeout(DEADLINE).send().await.unwrap();
    (answer.status(), answer.headers()["x-request-id"].to_str().unwrap().to_owned())
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// In hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let number = bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:0width$x}", width = 2 * bytes.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_spans_of_the_traces_that_clients_name() {
    let folder = TempDir::new().unwrap();
    let mut collector = Collector::start().await;
    let settings = ["--otlp-endpoint", &collector.endpoint()];
    let mut geocast = Geocast::with(folder.path(), &settings).await;

    let unwanted = format!("00-{TRACE}-{PARENT}-00");
    get(&geocast, "/api/health", &unwanted).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let (status, id) = get(&geocast, "/api/nodes/!00000001?secret=1", &parent).await;
    assert_eq!(status, 404);
    let span = collector.span(|span| span.kind == 2).await;
    assert_eq!(span.name, "GET /api/nodes/{id}", "the one before was not wanted by its client");
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(span.span_id.len(), 8);
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/nodes/{id}"),
        ("http.response.status_code", "404"),
        ("url.path", "/api/nodes/!00000001"),
        ("url.scheme", "http"),
        ("geocast.request_id", &id),
    ] {
        assert_eq!(value(&span.attributes, key).as_deref(), Some(expected), "{key}");
    }
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert!(!format!("{span:?}").contains("secret"), "a query may hold what gives access");

    // What is no name of a trace begins one.
    get(&geocast, "/nowhere", "00-nonsense").await;
    let root = collector.span(|span| span.kind == 2).await;
    assert_eq!((root.name.as_str(), root.parent_span_id.len()), ("GET", 0));
    assert_eq!(root.trace_id.len(), 16);
    assert_ne!(hex(&root.trace_id), TRACE);

    Gateway::connect(geocast.broker().await).publish(Radio(1).at(10.0, 10.0));
    let commit = collector.span(|span| span.name == "commit").await;
    assert_eq!(value(&commit.attributes, "geocast.reports").as_deref(), Some("1"));
    let tick = collector.span(|span| span.name == "tick").await;
    assert_eq!(value(&tick.attributes, "geocast.changes").as_deref(), Some("1"));

    // What is under way when it stops is not lost.
    get(&geocast, "/api/config", &parent).await;
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    collector.span(|span| span.name == "GET /api/config").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_told_of_once_and_holds_up_nothing() {
    let folder = TempDir::new().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = format!("http://{nobody}/v1/traces");
    let geocast = Geocast::with(folder.path(), &["--otlp-endpoint", &endpoint]).await;
    for least in [1, 5] {
        assert_eq!(geocast.ask("/api/nodes").await.0, 200);
        geocast.metric_reaches("geocast_trace_spans_total{outcome=\"failed\"}", least).await;
    }
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("does not take traces").count(), 1, "{log}");
}
