//! The cookie that a browser is known by.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::{client::values, gate::Client};

/// How the cookie is called where it goes over TLS: a browser takes this name only from this very
/// host, over TLS, for all of it.
const SECURE: &str = "__Host-geocast";

/// And where it does not.
pub(in crate::http) const PLAIN: &str = "geocast";

/// Whether nobody can listen to what goes between this server, or a trusted proxy, and a client.
pub(in crate::http) fn is_secure(client: &Client, headers: &HeaderMap) -> bool {
    // Of several, the last is what the proxy said that is trusted.
    let scheme = || values(headers, "x-forwarded-proto").last();
    let said = || scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    client.is_tls || client.is_proxied && said()
}

/// The secret in a request's cookie.
pub(super) fn of<'a>(client: &Client, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = if is_secure(client, headers) { SECURE } else { PLAIN };
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';'));
    cookies.find_map(|cookie| {
        cookie.trim().split_once('=').filter(|(known, _)| *known == name).map(|(_, secret)| secret)
    })
}

/// What gives a browser its cookie, for so many seconds; none takes it away.
pub(super) fn set(secret: &str, max_age_s: u64, is_secure: bool) -> Option<HeaderValue> {
    let (name, secure) = if is_secure { (SECURE, "; Secure") } else { (PLAIN, "") };
    let cookie =
        format!("{name}={secret}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}
