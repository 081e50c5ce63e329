//! `/api/nodes/{id}/positions`: where a node has been, in the form that the asker reads.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::written::{csv, gpx};
use crate::{
    domain::{Place, Position, simplify},
    http::{
        AppState,
        access::Caller,
        error::ApiError,
        geojson,
        history::PageQuery,
        nodes::{parse_id, seen},
        records::PositionRecord,
    },
};

/// How a track is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Records as in the protocol, the newest first.
    #[default]
    Json,
    /// A line with times (RFC 7946).
    Geojson,
    /// GPX 1.1.
    Gpx,
    /// RFC 4180, the newest first.
    Csv,
}

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct TrackQuery {
    from: Option<i64>,
    to: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
    #[serde(default)]
    format: Format,
    /// Metres.
    simplify: Option<f64>,
}

#[derive(Serialize)]
struct PositionsPage {
    positions: Vec<PositionRecord>,
    next: Option<String>,
}

/// `GET /api/nodes/{id}/positions?from=&to=&limit=&cursor=&format=&simplify=`
pub(in crate::http) async fn track(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    Path(id): Path<String>,
    query: Result<Query<TrackQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(TrackQuery { from, to, limit, cursor, format, simplify }) = query?;
    if simplify.is_some_and(|tolerance_m| !(tolerance_m >= 0.0 && tolerance_m.is_finite())) {
        let message = "simplify is a distance in metres, 0 or more".to_owned();
        return Err(ApiError::BadRequest(message));
    }
    let node = parse_id(&id)?;
    let page = PageQuery { node: None, from, to, limit, cursor }.of(Some(node.clone()))?;
    if caller.view.is_some() {
        seen(&state, &caller, node.clone()).await?;
    }
    let mut page = state.store.positions(&page).await?;
    page.records.retain(|position| caller.sees_at(&node, position.place));
    if let Some(tolerance_m) = simplify {
        page.records = simplified(&page.records, tolerance_m);
    }
    let (positions, next) = (&page.records, page.next.as_deref());
    let further = next.map(|next| (header::LINK, further(&uri, next)));
    Ok(match format {
        Format::Json => {
            let positions = positions.iter().map(PositionRecord::from).collect();
            Json(PositionsPage { positions, next: page.next }).into_response()
        }
        Format::Geojson => geojson::track(&node, positions, next),
        Format::Gpx => {
            let kind = [(header::CONTENT_TYPE, "application/gpx+xml")];
            (kind, further.map(|link| [link]), gpx(&node, positions)).into_response()
        }
        Format::Csv => {
            let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")];
            (kind, further.map(|link| [link]), csv(positions)).into_response()
        }
    })
}

/// The positions that a line within so many metres of all of them needs.
fn simplified(positions: &[Position], tolerance_m: f64) -> Vec<Position> {
    let places: Vec<Place> = positions.iter().map(|position| position.place).collect();
    let kept = simplify(&places, tolerance_m).into_iter();
    kept.filter_map(|at| positions.get(at).copied()).collect()
}

/// Where the next page is (RFC 8288), for forms that have no room to say so.
fn further(uri: &Uri, cursor: &str) -> String {
    let others = uri.query().unwrap_or_default().split('&');
    let others = others.filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let query: Vec<_> = others.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}
