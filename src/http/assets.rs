//! The web map, embedded: the files that `npm run build` left in `web/dist`, with the compressed
//! twins that it left beside them.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{AppState, error::ApiError};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
#[allow_missing = true]
struct Dist;

const NOT_BUILT: &str =
    "The web map is not part of this build. `make web` builds it; then build geocast again.\n";

/// Where paths begin that programs ask for: what is not there is told to them in their way.
const PROGRAMS: [&str; 4] = ["api", "ogc", "tiles", "kml"];

/// Serves the page and its files.
pub(super) async fn serve(State(state): State<AppState>, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if is_twin(path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let room = path.split('/').next().unwrap_or_default();
    if PROGRAMS.contains(&room) {
        return ApiError::NotFound("there is nothing at this path").into_response();
    }
    let Some(plain) = Dist::get(path) else {
        let missing = if path == "index.html" { NOT_BUILT } else { "not found\n" };
        return (StatusCode::NOT_FOUND, missing).into_response();
    };
    let (file, encoding) = smallest(path, &headers).unwrap_or((plain, None));
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let mut response = if headers.get(header::IF_NONE_MATCH).is_some_and(|held| *held == tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(match file.data {
            Cow::Borrowed(embedded) => Bytes::from_static(embedded),
            Cow::Owned(read) => read.into(),
        })
        .into_response()
    };
    // Vite names what it bundles by its content.
    let caching = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let all = response.headers_mut();
    all.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    all.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    all.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    all.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    all.insert(header::CONTENT_SECURITY_POLICY, state.page_policy.clone());
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        all.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        all.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// What the page may load: itself, and what the operator's own map style comes from.
pub(super) fn page_policy(style_origin: Option<&str>) -> HeaderValue {
    let tiles = style_origin.map(|origin| format!(" {origin} https:")).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; worker-src 'self' blob:; img-src 'self' data: blob:{tiles}; \
         script-src 'self'; style-src 'self'; connect-src 'self'{tiles}; font-src 'self'{tiles}; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    );
    HeaderValue::try_from(policy).expect("an origin is printable text without line breaks")
}

fn smallest(path: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |name| {
        accepted.split(',').any(|part| {
            let mut words = part.split(';').map(str::trim);
            words.next() == Some(name) && !words.any(|word| word == "q=0")
        })
    };
    [("br", "br"), ("gzip", "gz")].into_iter().find_map(|(encoding, ending)| {
        let twin = accepts(encoding).then(|| Dist::get(&format!("{path}.{ending}")))??;
        Some((twin, Some(encoding)))
    })
}

fn is_twin(path: &str) -> bool {
    [".br", ".gz"]
        .iter()
        .any(|ending| path.strip_suffix(ending).is_some_and(|plain| Dist::get(plain).is_some()))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "geojson" | "map" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
