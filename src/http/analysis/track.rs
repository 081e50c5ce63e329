//! `/api/nodes/{id}/positions`: where a node has been, in the form that the asker reads.

use axum::{
    Extension,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::written::{Csv, Gpx};
use crate::{
    domain::{NodeId, Place, Position, View, simplify},
    http::{
        AppState,
        access::Caller,
        count::Count,
        error::ApiError,
        geojson,
        history::PageQuery,
        listed::PageOf,
        nodes::{check_share, parse_id},
        partial,
        patterns::CURSOR,
        streamed::{Rows, answer},
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
    let mut rows = match &caller.view {
        Some(view) => seen(&*state.store, view, &node, page).await?.into(),
        None => Rows::of(&state.store, page, |store, query| store.positions(query)),
    };
    if let Some(tolerance_m) = simplify {
        let Page { records, next } = rows.whole().await?;
        rows = Page { records: simplified(&records, tolerance_m), next }.into();
    }
    if format == Format::Json {
        return Ok(answer(rows, PageOf::new()).await?);
    }
    // The others say before the first row where the next page is, or begin with the oldest.
    let Page { records, next } = rows.whole().await?;
    let further = next.as_deref().map(|next| [(header::LINK, further(&uri, next))]);
    Ok(match format {
        Format::Json | Format::Geojson => geojson::track(&node, &records, next).await?,
        Format::Gpx => {
            let rows = Rows::held(records.into_iter().rev(), next);
            (further, answer(rows, Gpx(node)).await?).into_response()
        }
        Format::Csv => (further, answer(Rows::held(records, next), Csv).await?).into_response(),
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
