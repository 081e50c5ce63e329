//! `/api/positions`: who was where, whichever node it was, answered from the database.

use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AppState,
    access::Caller,
    count::Count,
    error::ApiError,
    filter::bbox,
    geojson::{self, Visit as VisitRecord},
    history::{DEFAULT_LIMIT, MAX_LIMIT},
    nodes::Format,
    partial,
    patterns::{BBOX, CURSOR},
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

/// Who was where, the newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct VisitsPage<'a> {
    positions: Vec<VisitRecord<'a>>,
    /// The cursor of the next page; null on the last. A page may be empty and still have one.
    next: Option<String>,
}

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
    let page = match &caller.view {
        Some(view) => seen(&*state.store, view, question).await?,
        None => state.store.visits(&question).await?,
    };
    Ok(match query.format {
        Format::Json => {
            let positions = page.records.iter().map(VisitRecord::from).collect();
            Json(VisitsPage { positions, next: page.next }).into_response()
        }
        Format::Geojson => geojson::visits(&page.records, page.next.as_deref()),
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
