//! What every answer says to browsers about itself.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// What an answer that is no page may load: nothing, wherever a browser shows it.
const NO_PAGE: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// On every answer that does not say otherwise itself. Addresses hold share links, so no other site
/// is told them.
const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, NO_PAGE),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), \
             bluetooth=(), display-capture=()",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Who has come by TLS once comes by nothing else for a year.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what is missing of them. `is_secure` says that the answer goes over TLS, and `is_for_others`
/// that pages of other sites may use this server.
pub(super) fn protect(response: &mut Response, is_secure: bool, is_for_others: bool) {
    let headers = response.headers_mut();
    let resource = if is_for_others { "cross-origin" } else { "same-origin" };
    let resource = HeaderValue::from_static(resource);
    let sharing = (HeaderName::from_static("cross-origin-resource-policy"), resource);
    let strict = is_secure.then_some((header::STRICT_TRANSPORT_SECURITY, TLS_ONLY));
    for (name, value) in ALWAYS.into_iter().chain([sharing]).chain(strict) {
        headers.entry(name).or_insert(value);
    }
}
