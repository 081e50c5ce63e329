//! Entity tags: an answer made of the world alone is the same while the revision is.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::AppState;
use crate::broadcast::Stopped;

/// Names a state of the world. It is weak: the same answer may be compressed or not.
#[derive(Clone, Debug)]
pub(super) struct Tag(String);

/// The tag of what is read from the world after this.
pub(super) async fn of(state: &AppState) -> Result<Tag, Stopped> {
    let revision = state.live.newest().await?;
    Ok(Tag(format!("\"{}.{}\"", state.live.epoch(), revision.0)))
}

impl Tag {
    /// The answer to a client that holds this state already.
    pub(super) fn unless_held(&self, headers: &HeaderMap) -> Option<Response> {
        let lines = headers.get_all(header::IF_NONE_MATCH).into_iter();
        let mut held = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        let is_held = held.any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.0
        });
        is_held.then(|| self.on(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// The answer with this tag. Whoever keeps it has to ask whether it still holds, and may not
    /// hand it to others, who may be allowed to see less.
    pub(super) fn on(&self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        if let Ok(tag) = HeaderValue::try_from(format!("W/{}", self.0)) {
            headers.insert(header::ETAG, tag);
        }
        headers.append(header::VARY, HeaderValue::from_static("authorization, cookie"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        answer
    }
}
