//! What goes wrong with a request, as problem details (RFC 9457).

use axum::{
    Json,
    extract::rejection::{JsonRejection, QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;
use tracing::error;

use super::{access::Denied, filter::InvalidFilter, gate::Refusal, request_id::RequestId};
use crate::{broadcast::Stopped, storage::StoreError};

/// What went wrong, as clients are told (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The name of this request: it stands in the header `X-Request-Id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The media type of a [`Problem`].
pub(super) const PROBLEM: &str = "application/problem+json";

impl Problem {
    /// What is wrong, in words.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Unknown");
        let request_id = RequestId::current().map(|id| id.to_string());
        Self { title, status: status.as_u16(), detail: detail.into(), request_id }
    }

    /// As it is written.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, PROBLEM)], Json(self)).into_response()
    }
}

/// Why a request is not answered.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    /// The request is wrong; the text says how.
    #[error("{0}")]
    BadRequest(String),
    /// The body is too large, or is said not to be JSON.
    #[error("{1}")]
    BadBody(StatusCode, String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(&'static str),
    /// This client may not come in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// The database does not answer.
    #[error("the database does not answer")]
    Store(#[source] StoreError),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::BadBody(status, _) => *status,
            Self::Refused(refusal) => refusal.status(),
            Self::Denied(denied) => denied.status(),
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Stopping | Self::Store(StoreError::Unavailable(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if let Self::Store(cause) = &self {
            error!("a request failed in the database: {cause}");
        }
        let mut response = Problem::new(status, self.to_string()).into_response();
        match &self {
            Self::Denied(denied) => {
                denied.advise(response.headers_mut());
                // For whoever counts.
                response.extensions_mut().insert(*denied);
            }
            Self::Refused(refusal) => {
                if let Some(seconds) = refusal.retry_after_s() {
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                }
            }
            _ => {}
        }
        response
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            status @ (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
                Self::BadBody(status, rejection.body_text())
            }
            _ => Self::BadRequest(rejection.body_text()),
        }
    }
}

impl From<InvalidFilter> for ApiError {
    fn from(invalid: InvalidFilter) -> Self {
        Self::BadRequest(invalid.message)
    }
}

impl From<Stopped> for ApiError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopping
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidCursor => Self::BadRequest(error.to_string()),
            error => Self::Store(error),
        }
    }
}
