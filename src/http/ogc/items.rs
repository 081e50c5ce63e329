//! The features of a collection, a page at a time.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{AppState, base::Base, error::ApiError, etag, geojson::Geometry, rfc3339, streamed},
    collections::Collection,
    links::{GEOJSON, JSON, Link},
    nodes,
    params::{Wanted, no_params, with_cursor},
    positions,
};

/// Nodes as features.
pub(in crate::http) type NodesPage<'a> = FeatureCollection<nodes::Properties<'a>>;
/// One of them.
pub(in crate::http) type NodeFeature<'a> = Feature<nodes::Properties<'a>>;
/// Where nodes have been, as features.
pub(in crate::http) type PositionsPage = FeatureCollection<positions::Properties>;
/// One of them.
pub(in crate::http) type PositionFeature = Feature<positions::Properties>;

/// Features, a page at a time.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
#[schemars(rename = "{P}Page")]
pub(in crate::http) struct FeatureCollection<P> {
    features: Vec<Feature<P>>,
    links: Vec<Link>,
    time_stamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_matched: Option<usize>,
    number_returned: usize,
}

/// One feature.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(rename = "{P}Feature")]
pub(in crate::http) struct Feature<P> {
    pub(super) id: String,
    pub(super) geometry: Geometry,
    pub(super) properties: P,
    /// Only where it stands alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

/// What a query found.
pub(in crate::http) struct Found<P> {
    pub(super) features: Vec<Feature<P>>,
    /// How many there are on all pages, where that is known.
    pub(super) matched: Option<usize>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

impl<P> Feature<P> {
    pub(super) fn new(id: String, geometry: Geometry, properties: P) -> Self {
        Self { id, geometry, properties, links: Vec::new() }
    }
}

/// `GET /ogc/collections/{collectionId}/items?bbox=&datetime=&limit=&cursor=`
pub(in crate::http) async fn page(
    State(state): State<AppState>,
    base: Base,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let collection = Collection::named(&id)?;
    let query = query.as_deref();
    let wanted = Wanted::read(query)?;
    let now = rfc3339::write(state.clock.now());
    Ok(match collection {
        Collection::Nodes => {
            let after = nodes::after(&wanted)?;
            // Read first: what is shown is never older than its tag says.
            let tag = etag::of(&state).await?;
            if let Some(same) = tag.unless_held(&headers) {
                return Ok(same);
            }
            let nodes = state.live.nodes(nodes::filter(&wanted)).await?;
            let found = nodes::find(&nodes, &wanted, after.as_ref());
            tag.on(answer(found, &base, collection, query, now))
        }
        Collection::Positions => {
            let page = positions::Page::new(base, query.map(str::to_owned), now);
            streamed::answer(positions::find(&state.store, wanted), page).await?
        }
    })
}

/// `GET /ogc/collections/{collectionId}/items/{featureId}`
pub(in crate::http) async fn one(
    State(state): State<AppState>,
    base: Base,
    Path((id, feature)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let collection = Collection::named(&id)?;
    no_params(query.as_deref())?;
    match collection {
        Collection::Nodes => {
            let only = nodes::only(&feature)?;
            let tag = etag::of(&state).await?;
            let nodes = state.live.nodes(only).await?;
            let feature = nodes.first().and_then(|node| nodes::feature(node));
            let answer = alone(feature, &base, collection)?;
            Ok(tag.unless_held(&headers).unwrap_or_else(|| tag.on(answer)))
        }
        Collection::Positions => {
            alone(positions::one(&*state.store, &feature).await?, &base, collection)
        }
    }
}

fn answer<P: Serialize>(
    found: Found<P>,
    base: &Base,
    collection: Collection,
    query: Option<&str>,
    now: String,
) -> Response {
    as_geojson(FeatureCollection {
        number_matched: found.matched,
        number_returned: found.features.len(),
        features: found.features,
        links: links(base, collection, query, found.next.as_deref()),
        time_stamp: now,
    })
}

/// Where a page leads to, which was asked for by this query.
pub(super) fn links(
    base: &Base,
    collection: Collection,
    query: Option<&str>,
    next: Option<&str>,
) -> Vec<Link> {
    let path = format!("/ogc/collections/{}/items", collection.id());
    let this = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let next = next.map(|next| format!("{path}?{}", with_cursor(query, next)));
    let next = next.map(|next| Link::to(base, &next, "next", GEOJSON, "The next page"));
    let links = [Link::to(base, &this, "self", GEOJSON, "This page"), up(base, collection)];
    links.into_iter().chain(next).collect()
}

fn alone<P: Serialize>(
    feature: Option<Feature<P>>,
    base: &Base,
    collection: Collection,
) -> Result<Response, ApiError> {
    let mut feature = feature.ok_or(ApiError::NotFound("there is no such feature"))?;
    let id: String = url::form_urlencoded::byte_serialize(feature.id.as_bytes()).collect();
    // A plus stands for a blank in queries only.
    let id = id.replace('+', "%20");
    let this = format!("/ogc/collections/{}/items/{id}", collection.id());
    feature.links =
        vec![Link::to(base, &this, "self", GEOJSON, "This feature"), up(base, collection)];
    Ok(as_geojson(feature))
}

fn up(base: &Base, collection: Collection) -> Link {
    let path = format!("/ogc/collections/{}", collection.id());
    Link::to(base, &path, "collection", JSON, collection.title())
}

fn as_geojson(body: impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, GEOJSON)], Json(body)).into_response()
}
