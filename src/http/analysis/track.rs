//! `/api/nodes/{id}/positions`: where a node has been, in the form that the asker reads.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written::{csv, gpx};
use crate::{
    domain::{NodeId, Place, Position, View, simplify},
    http::{
        AppState,
        access::Caller,
        count::Count,
        error::ApiError,
        geojson,
        history::PageQuery,
        nodes::{check_share, parse_id},
        partial,
        patterns::CURSOR,
        records::PositionRecord,
    },
    storage::{HistoryQuery, Page, Store, StoreError},
};

/// How a track is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct TrackQuery {
    /// This time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    to: Option<i64>,
    /// At most so many; what lies outside what is allowed counts as the nearer end.
    limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    #[schemars(regex(pattern = CURSOR))]
    cursor: Option<String>,
    /// How the answer is written.
    #[serde(default)]
    format: Format,
    /// Leaves out positions that a line within so many metres does not need.
    #[schemars(range(min = 0))]
    simplify: Option<f64>,
}

/// Where a node was, the newest first.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct PositionsPage {
    positions: Vec<PositionRecord>,
    /// The cursor of the next page; null on the last.
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
    check_share(&state, &caller, &node).await?;
    let mut page = match &caller.view {
        Some(view) => seen(&*state.store, view, &node, page).await?,
        None => state.store.positions(&page).await?,
    };
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

/// What of it lies in a view.
async fn seen(
    store: &dyn Store,
    view: &View,
    node: &NodeId,
    question: HistoryQuery,
) -> Result<Page<Position>, StoreError> {
    let HistoryQuery { limit, cursor, .. } = question.clone();
    let fetch = |limit, cursor| {
        let question = HistoryQuery { limit, cursor, ..question.clone() };
        async move { store.positions(&question).await }
    };
    partial::shown(limit, cursor, fetch, |position| view.shows_at(node, position.place)).await
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
