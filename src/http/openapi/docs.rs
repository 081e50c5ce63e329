//! `/api/docs`: the document as a page, which needs nothing from elsewhere.

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};

const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("docs.js");
const STYLE: &str = include_str!("docs.css");

/// The page may load what is here, and nothing else.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);

/// `GET /api/docs`
pub(in crate::http) async fn page() -> impl IntoResponse {
    serve("text/html; charset=utf-8", PAGE)
}

/// `GET /api/docs.js`
pub(in crate::http) async fn script() -> impl IntoResponse {
    serve("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /api/docs.css`
pub(in crate::http) async fn style() -> impl IntoResponse {
    serve("text/css; charset=utf-8", STYLE)
}

fn serve(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        POLICY,
    ];
    (headers, text)
}
