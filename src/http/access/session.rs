//! Sessions: how a browser signs in, once, and is known from then on by a cookie.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

use super::{Access, AdminToken, By, Caller, Denied, Oidc, Outcome, Standing, cookie};
use crate::{
    domain::{Role, Timestamp},
    http::{AppState, error::ApiError, gate::Client},
    storage::{Session, hash_of, random_bytes},
};

/// How long a session lasts, unless what it was opened with ends before.
const LIFETIME: Duration = Duration::from_hours(7 * 24);

/// What a browser signs in with.
#[derive(Deserialize)]
pub(in crate::http) struct Login {
    token: String,
}

impl Access {
    /// Who a browser's cookie says it is. A cookie that is void says nothing.
    pub(super) async fn by_cookie(
        &self,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, ApiError> {
        let Some(secret) = cookie::of(client, headers) else { return Ok(None) };
        let hash = hash_of(secret);
        let session = self.known.session_of(&hash).await?;
        Ok(session.map(|session| {
            let standing = Standing::Session(hash);
            self.caller(client, session.role, &session.name, By::Cookie, standing)
        }))
    }

    /// Ends the session that somebody is known by, if it is one, and their connections.
    async fn end_session(&self, caller: &Caller) -> Result<(), ApiError> {
        if let Standing::Session(hash) = &caller.standing {
            self.known.end_session(hash).await?;
            self.live.end(&caller.standing);
            self.audit(caller, "logout", "", Outcome::Done).await;
        }
        Ok(())
    }

    /// The session that somebody who just said a token gets.
    async fn session_for(&self, caller: &Caller) -> Result<Session, ApiError> {
        let latest = self.clock.now().plus(LIFETIME);
        let session = |token_id, basis: Vec<u8>, end: Option<Timestamp>| Session {
            token_id,
            basis,
            name: caller.name.to_string(),
            role: caller.role,
            expires_at: end.map_or(latest, |end| end.min(latest)),
        };
        Ok(match &caller.standing {
            Standing::Token(hash) => {
                let token = self.known.token_of(hash).await?.ok_or(Denied::BadToken)?;
                session(Some(token.id), Vec::new(), token.expires_at)
            }
            Standing::Until(end) => {
                let basis = self.oidc.as_ref().map(Oidc::hash);
                session(None, basis.ok_or(Denied::BadToken)?.to_vec(), Some(*end))
            }
            _ => {
                let basis = self.settings.admin_token.as_ref().map(AdminToken::hash);
                session(None, basis.ok_or(Denied::BadToken)?.to_vec(), None)
            }
        })
    }
}

/// `POST /api/login`: a token against a session's cookie. The session of an older cookie ends.
pub(in crate::http) async fn login(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    login: Result<Json<Login>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(login) = login.map_err(|rejection| match ApiError::from(rejection) {
        // What is wrong with it could be read out of the token.
        ApiError::BadRequest(_) => {
            ApiError::BadRequest("JSON is needed, as {\"token\": \"...\"}".to_owned())
        }
        other => other,
    })?;
    let access = &state.access;
    let caller = access.by_token(login.token.trim(), &client).await?;
    let before = access.by_cookie(&client, &headers).await?;
    let session = access.session_for(&caller).await?;
    let secret = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
    access.known.add_session(&hash_of(&secret), &session).await?;
    access.audit(&caller, "login", "", Outcome::Done).await;
    if let Some(before) = before {
        access.end_session(&before).await?;
    }
    let answer = json!({
        "role": session.role.name(),
        "name": session.name,
        "expires": session.expires_at.as_millis(),
    });
    let max_age = session.expires_at.since(state.clock.now()).as_secs();
    let cookie = cookie::set(&secret, max_age, cookie::is_secure(&client, &headers));
    Ok(answered(Json(answer).into_response(), cookie))
}

/// `POST /api/logout`: ends the session of the cookie.
pub(in crate::http) async fn logout(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.access.end_session(&caller).await?;
    let cookie = cookie::set("", 0, cookie::is_secure(&client, &headers));
    Ok(answered(StatusCode::NO_CONTENT.into_response(), cookie))
}

/// `GET /api/session`: who one is here, and what one may see.
pub(in crate::http) async fn session(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let answer = json!({
        "role": caller.role.name(),
        "name": &*caller.name,
        "public": state.access.is_public(),
        "map": state.access.is_public() || caller.view.is_some() || caller.role > Role::Anonymous,
        "messages": caller.messages,
        "signedIn": caller.by == By::Cookie,
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn answered(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}
