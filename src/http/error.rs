//! What goes wrong with a request, as problem details (RFC 9457).

use axum::{
    Json,
    extract::rejection::QueryRejection,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use thiserror::Error;
use tracing::error;

use super::{access::Denied, filter::InvalidFilter, gate::Refusal};
use crate::{broadcast::Stopped, storage::StoreError};

/// Why a request is not answered.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    /// The request is wrong; the text says how.
    #[error("{0}")]
    BadRequest(String),
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
        let problem = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, Json(problem)).into_response();
        match &self {
            Self::Denied(denied) => denied.advise(response.headers_mut()),
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
