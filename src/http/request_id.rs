//! One name for each request, through the log, the answer and what is said of an error.

use std::{
    fmt,
    future::Future,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::{
    extract::MatchedPath,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri},
    response::Response,
};
use tracing::{Instrument, debug, field::Empty, info_span, trace_span};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name that is taken over from a client.
const MAX_BYTES: usize = 64;

/// How much of a path is logged.
const MAX_PATH_BYTES: usize = 200;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Names a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(Box<str>);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RequestId {
    /// The one that is being answered.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The name that a client or its proxy gives, if it is one.
    fn given(headers: &HeaderMap) -> Option<Self> {
        let given = headers.get(HEADER)?.to_str().ok()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
        let is_name = (1..=MAX_BYTES).contains(&given.len()) && given.bytes().all(is_plain);
        is_name.then(|| Self(given.into()))
    }
}

/// Makes names that no other request of this run has.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Names the run.
    run: Box<str>,
    next: AtomicU64,
}

impl RequestIds {
    /// Those of a run.
    pub(super) fn new(run: &str) -> Self {
        let plain = run.chars().filter(char::is_ascii_alphanumeric).take(MAX_BYTES / 2);
        Self { run: plain.collect(), next: AtomicU64::new(1) }
    }

    /// The name of a request: its own, or a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        RequestId::given(headers).unwrap_or_else(|| {
            RequestId(format!("{}-{:x}", self.run, self.next.fetch_add(1, Relaxed)).into())
        })
    }
}

/// What is asked, by whom.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// Whether its connection is encrypted.
    pub(super) is_tls: bool,
    /// The span that it belongs to, as the client says.
    pub(super) traceparent: Option<HeaderValue>,
}

/// Answers a request under its name, which every line of the log in between bears, and as a span of
/// its trace.
pub(super) async fn answered<E>(
    asked: Asked,
    answer: impl Future<Output = Result<Response, E>>,
) -> Result<Response, E> {
    let Asked { id, method, uri, is_tls, traceparent } = asked;
    // The query may hold what gives access.
    let path = uri.path().get(..MAX_PATH_BYTES).unwrap_or(uri.path());
    let span = info_span!("request", %id, %method, path);
    let traced = trace_span!(
        target: "geocast::otel",
        "request",
        otel.kind = "server",
        http.request.method = known(&method),
        http.route = Empty,
        http.response.status_code = Empty,
        url.path = path,
        url.scheme = if is_tls { "https" } else { "http" },
        geocast.request_id = %id,
        traceparent = traceparent.as_ref().and_then(|parent| parent.to_str().ok()),
    );
    let value = HeaderValue::try_from(&*id.0);
    let answer = async {
        let answer = answer.await;
        if let Ok(answer) = &answer {
            debug!(status = answer.status().as_u16(), "a request is answered");
        }
        answer
    };
    let mut answer = CURRENT.scope(id, answer.instrument(span).instrument(traced.clone())).await?;
    traced.record("http.response.status_code", answer.status().as_u16());
    if let Some(route) = answer.extensions().get::<MatchedPath>() {
        traced.record("http.route", route.as_str());
    }
    if let Ok(value) = value {
        answer.headers_mut().insert(HEADER, value);
    }
    Ok(answer)
}

/// Of what a client may write there, only what HTTP knows.
fn known(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE"
        | "CONNECT") => known,
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, given.parse().unwrap());
        RequestIds::new("a-run!").of(&headers).to_string()
    }

    #[test]
    fn a_name_that_is_given_is_kept_unless_it_could_be_taken_for_something_else() {
        assert_eq!(named("3f2c-77.a_b:c"), "3f2c-77.a_b:c");
        for wrong in ["", "two words", "quote\"", "{}", &"x".repeat(65)] {
            assert_eq!(named(wrong), "arun-1", "{wrong}");
        }
    }

    #[test]
    fn no_two_requests_get_the_same_name() {
        let ids = RequestIds::new("run");
        let none = HeaderMap::new();
        assert_ne!(ids.of(&none), ids.of(&none));
    }
}
