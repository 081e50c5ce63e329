//! `/api/positions`: who was where, whichever node it was, answered from the database.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AppState,
    access::Caller,
    count::Count,
    error::ApiError,
    filter::bbox,
    geojson,
    history::{DEFAULT_LIMIT, MAX_LIMIT},
    listed::PageOf,
    nodes::Format,
    partial,
    patterns::{BBOX, CURSOR},
    streamed::{Rows, answer},
};
use crate::{
    domain::{Bounds, Timestamp, View},
    storage::{Page, PlaceQuery, Store, StoreError, Visit},
};

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct VisitsQuery {
    /// `west,south,east,north` in degrees, edges included; `west` greater than `east` crosses the
    /// antimeridian.
    #[schemars(regex(pattern = BBOX))]
    bbox: Option<String>,
    /// This time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    to: Option<i64>,
    /// At most so many: 100 if not given; what lies outside 1 to 10000 counts as the nearer end.
    limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    #[schemars(regex(pattern = CURSOR))]
    cursor: Option<String>,
    /// How the answer is written.
    #[serde(default)]
    format: Format,
}

/// Rows that are read at a time. Each time the database looks how far it may look, which costs it
/// as much for one row as for thousands.
pub(super) const AT_ONCE: u32 = 2_500;

/// `GET /api/positions?bbox=&from=&to=&limit=&cursor=&format=`
pub(super) async fn visits(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<VisitsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let bounds = query.bbox.as_deref().map(bbox).transpose()?;
    let question = PlaceQuery {
        bounds: bounds.unwrap_or(Bounds::EVERYWHERE),
        from: query.from.map(Timestamp::from_millis),
        to: query.to.map(Timestamp::from_millis),
        limit: Count::within(query.limit, DEFAULT_LIMIT, MAX_LIMIT),
        cursor: query.cursor,
    };
    let rows = match &caller.view {
        Some(view) => seen(&*state.store, view, question).await?.into(),
        None => all(&state.store, question),
    };
    Ok(match query.format {
        Format::Json => answer(rows, PageOf::new()).await?,
        Format::Geojson => answer(rows, geojson::Places).await?,
    })
}

fn all(store: &Arc<dyn Store>, question: PlaceQuery) -> Rows<Visit> {
    let store = Arc::clone(store);
    let PlaceQuery { limit, cursor, .. } = question.clone();
    Rows::asked(limit, cursor, AT_ONCE, move |limit, cursor| {
        let store = Arc::clone(&store);
        let question = PlaceQuery { limit, cursor, ..question.clone() };
        async move { store.visits(&question).await }
    })
}

/// What of it lies in a view.
async fn seen(
    store: &dyn Store,
    view: &View,
    mut question: PlaceQuery,
) -> Result<Page<Visit>, StoreError> {
    if let Some(area) = &view.bounds {
        let common = area.intersection(&question.bounds.into());
        match common.rectangles() {
            [] => return Ok(Page { records: Vec::new(), next: None }),
            [bounds] => question.bounds = *bounds,
            _ => {}
        }
    }
    let PlaceQuery { limit, cursor, .. } = question.clone();
    let fetch = |limit, cursor| {
        let question = PlaceQuery { limit, cursor, ..question.clone() };
        async move { store.visits(&question).await }
    };
    partial::shown(limit, cursor, fetch, |visit| view.shows_at(&visit.node, visit.position.place))
        .await
}
