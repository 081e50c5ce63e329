//! `/api/positions`: who was where, whichever node it was, answered from the database.

use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    AppState,
    access::Caller,
    error::ApiError,
    filter::bbox,
    geojson::{self, Visit},
    history::{DEFAULT_LIMIT, MAX_LIMIT},
    nodes::Format,
};
use crate::{
    domain::{Bounds, Timestamp},
    storage::PlaceQuery,
};

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize)]
pub(super) struct VisitsQuery {
    bbox: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Serialize)]
struct VisitsPage<'a> {
    positions: Vec<Visit<'a>>,
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
        limit: query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        cursor: query.cursor,
    };
    let mut page = state.store.visits(&question).await?;
    page.records.retain(|visit| caller.sees_at(&visit.node, visit.position.place));
    Ok(match query.format {
        Format::Json => {
            let positions = page.records.iter().map(Visit::from).collect();
            Json(VisitsPage { positions, next: page.next }).into_response()
        }
        Format::Geojson => geojson::visits(&page.records, page.next.as_deref()),
    })
}
