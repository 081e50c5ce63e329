//! What stands before every route.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use tokio::time::Instant;

use super::{By, Caller, Denied, Rule, is_secure};
use crate::{
    domain::Role,
    http::{
        AppState, bucket::Rate, client::hosts, error::ApiError, gate::Client,
        origin::AllowedOrigins,
    },
    storage::TOKEN_PREFIX,
};

/// What a page of ours adds to what it asks for, and a page of another site cannot.
const REQUEST: HeaderName = HeaderName::from_static("x-geocast-request");

/// What browsers say about where a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What caches may do with what not everybody may see, where the answer does not say it itself.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// How others let themselves be told a token in a URL.
const TOKEN_PARAMETERS: [&str; 9] = [
    "token",
    "access_token",
    "auth_token",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "jwt",
    "id_token",
];

/// Length of what follows the beginning of a token.
const SECRET_CHARS: usize = 43;

/// Lets in who complies with the rule, and tells the handler who it is.
pub(super) async fn guard(
    State((state, rule)): State<(AppState, Rule)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let share = parts.extensions.get::<Client>().and_then(|client| client.share.clone());
    let question = share.map(|share| share.question(Instant::now()));
    let admitted = match question {
        Some((Err(wait), _)) => Err(Denied::TooManyRequests(wait).into()),
        _ => admit(&state, rule, &parts).await,
    };
    let mut response = match admitted {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refused) => refused.into_response(),
    };
    if let Some(route) = route {
        // For whoever tells of the request when it is answered.
        response.extensions_mut().insert(route);
    }
    if rule != Rule::Open {
        // Who asks next may be allowed to see less.
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(PRIVATE);
    }
    if let Some(denied) = response.extensions().get::<Denied>() {
        state.metrics.denied(*denied);
    }
    if let Some((_, left)) = question {
        tell_quota(response.headers_mut(), state.limits.questions_per_address, left);
    }
    response
}

/// How much an address may ask for, and what is left of it (the IETF's `RateLimit` header fields).
fn tell_quota(headers: &mut HeaderMap, rate: Rate, (left, full_in): (u32, Duration)) {
    let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
    let (quota, window) = rate.quota();
    let policy = format!("\"address\";q={quota};w={}", seconds(window));
    let state = format!("\"address\";r={left};t={}", seconds(full_in));
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

async fn admit(state: &AppState, rule: Rule, parts: &Parts) -> Result<Caller, ApiError> {
    let query = parts.uri.query();
    if says_a_token(query) {
        return Err(Denied::TokenInUrl.into());
    }
    // Whoever serves connections puts it there.
    let client = parts.extensions.get::<Client>().cloned().ok_or(Denied::SignIn)?;
    let caller = match state.access.identify(&client, parts, rule).await {
        // What is open stays open while the database does not answer.
        Err(ApiError::Store(_)) if rule == Rule::Open => state.access.nobody(&client),
        identified => identified?,
    };
    if !parts.method.is_safe() || rule == Rule::Live && caller.by == By::Cookie {
        check_page(&caller, &client, parts)?;
    }
    check(state, rule, &caller)?;
    Ok(caller)
}

/// Whether a caller complies with a rule.
fn check(state: &AppState, rule: Rule, caller: &Caller) -> Result<(), Denied> {
    let is_public = state.access.is_public();
    let least = match rule {
        Rule::Open => return Ok(()),
        Rule::Shared | Rule::Live if caller.view.is_some() => return Ok(()),
        _ if caller.view.is_some() => return Err(Denied::BeyondShare),
        Rule::Role(least) => least,
        Rule::Messages if !caller.messages => return Err(Denied::NoMessages),
        Rule::Map | Rule::Shared | Rule::Live | Rule::Messages if is_public => Role::Anonymous,
        Rule::Map | Rule::Shared | Rule::Live | Rule::Messages => Role::Viewer,
    };
    match caller.role {
        held if held >= least => Ok(()),
        Role::Anonymous => Err(Denied::SignIn),
        _ => Err(Denied::RoleTooLow),
    }
}

/// A browser sends a cookie, and asks from this machine, for any page. What only a page of ours may
/// ask for must come from one.
fn check_page(caller: &Caller, client: &Client, parts: &Parts) -> Result<(), Denied> {
    if !matches!(caller.by, By::Cookie | By::Local | By::Nothing) {
        return Ok(());
    }
    let headers = &parts.headers;
    let is_ours = |site: &HeaderValue| *site == "same-origin" || *site == "none";
    let hosts = hosts(headers, client.is_proxied);
    // Not those of --allow-origin: what a page of another site may read, it may not change.
    let own = AllowedOrigins::default();
    if !headers.get_all(FETCH_SITE).iter().all(is_ours)
        || headers.get_all(header::ORIGIN).iter().count() > 1
        || !own.allow(headers.get(header::ORIGIN), hosts)
    {
        return Err(Denied::ForeignPage);
    }
    // Who stands between a browser and a page without TLS writes that page.
    let is_in_clear = headers.get(header::ORIGIN).is_some_and(|origin| {
        origin.as_bytes().get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"http:"))
    });
    if caller.by == By::Cookie && is_in_clear && is_secure(client, headers) {
        return Err(Denied::ForeignPage);
    }
    let is_safe = parts.method.is_safe();
    // Browsers always say where a WebSocket comes from.
    let is_socket = headers.contains_key(header::UPGRADE);
    match caller.by {
        By::Cookie if !is_safe && !headers.contains_key(REQUEST) => Err(Denied::NoRequestHeader),
        By::Cookie if is_socket && !headers.contains_key(header::ORIGIN) => {
            Err(Denied::ForeignPage)
        }
        _ => Ok(()),
    }
}

/// Whether a URL holds what must not stand in one.
fn says_a_token(query: Option<&str>) -> bool {
    let Some(query) = query else { return false };
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.any(|(name, value)| {
        TOKEN_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known))
            || value.strip_prefix(TOKEN_PREFIX).is_some_and(|secret| secret.len() >= SECRET_CHARS)
    })
}
