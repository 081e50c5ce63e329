//! Makes problem details (RFC 9457) of answers that say less: those of the router itself, which
//! knows the method or the path to be wrong before anything of ours is asked.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::error::Problem;

/// Longest text that is taken over into the details.
const MAX_TEXT_BYTES: usize = 1024;

/// Passes an answer on; an error without a body that programs can read gets one.
pub(super) async fn complete(answer: Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_said = kind.is_some_and(|kind| !kind.starts_with(b"text/"));
    if !(status.is_client_error() || status.is_server_error()) || is_said {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let text = to_bytes(body, MAX_TEXT_BYTES).await.unwrap_or_default();
    let detail = match (std::str::from_utf8(&text), status) {
        (Ok(text), _) if !text.trim().is_empty() => text.trim().to_owned(),
        (_, StatusCode::METHOD_NOT_ALLOWED) => "this path does not take this method".to_owned(),
        _ => "the request cannot be answered".to_owned(),
    };
    let problem = Problem::new(status, detail).into_response();
    let (said, body): (_, Body) = problem.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(said.headers);
    Response::from_parts(parts, body)
}
