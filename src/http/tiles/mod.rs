//! `/tiles`: the nodes on the map as Mapbox vector tiles, and the `TileJSON` that tells of them.

mod cluster;
mod layer;
mod mvt;
mod square;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{AppState, base::Base, error::ApiError, etag};
use crate::domain::{Area, Filter};

use cluster::MAX_FEATURES;
use layer::FIELDS;
use square::{InvalidTile, MAX_ZOOM, Square};

const MVT: &str = "application/vnd.mapbox-vector-tile";

/// `GET /tiles/nodes.json`
pub(super) async fn describe(base: Base) -> Json<Value> {
    let fields = FIELDS.iter().map(|(name, meaning)| ((*name).to_owned(), json!(meaning)));
    Json(json!({
        "tilejson": "3.0.0",
        "name": "geocast",
        "description": format!(
            "Nodes of a mesh network where they are now. In a tile of more than {MAX_FEATURES} \
             nodes those that are close together are one feature.",
        ),
        "version": env!("CARGO_PKG_VERSION"),
        "scheme": "xyz",
        "tiles": [base.url("/tiles/nodes/{z}/{x}/{y}.mvt")],
        "minzoom": 0,
        "maxzoom": MAX_ZOOM,
        "bounds": [-180, -85.051_129, 180, 85.051_129],
        "vector_layers": [{
            "id": layer::NAME,
            "description": "Nodes that have a position",
            "minzoom": 0,
            "maxzoom": MAX_ZOOM,
            "fields": fields.collect::<serde_json::Map<_, _>>(),
        }],
    }))
}

impl From<InvalidTile> for ApiError {
    fn from(invalid: InvalidTile) -> Self {
        match invalid {
            InvalidTile::NotNumbers => Self::BadRequest(invalid.to_string()),
            InvalidTile::NotOnTheMap => Self::NotFound("the map has no such tile"),
        }
    }
}

/// `GET /tiles/nodes/{z}/{x}/{y}`, where `y` may end in `.mvt` or `.pbf`.
pub(super) async fn tile(
    State(state): State<AppState>,
    Path((z, x, y)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let square = Square::parse(&z, &x, &y)?;
    // The revision is read first: what is shown is never older than its tag says.
    let tag = etag::of(&state).await?;
    if let Some(same) = tag.unless_held(&headers) {
        return Ok(same);
    }
    let bounds = Some(Area::from(square.bounds()));
    let nodes = state.live.nodes(Filter { bounds, ..Filter::default() }).await?;
    let bytes = layer::tile(&nodes, square);
    Ok(tag.on(([(header::CONTENT_TYPE, MVT)], bytes).into_response()))
}

#[cfg(test)]
mod tests;
