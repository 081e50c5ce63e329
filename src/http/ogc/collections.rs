//! What there is: the landing page, what it conforms to, and the collections.

use axum::{
    Json,
    extract::{Path, RawQuery},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    super::{base::Base, error::ApiError},
    definition::OPENAPI,
    links::{GEOJSON, JSON, Link},
    params::no_params,
};

/// The coordinate reference system of everything here: longitude and latitude, WGS 84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

const CONFORMS_TO: [&str; 3] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
];

/// A set of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    /// The nodes on the map, where they are now.
    Nodes,
    /// Where nodes have been.
    Positions,
}

impl Collection {
    pub(super) const ALL: [Self; 2] = [Self::Nodes, Self::Positions];

    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Positions => "positions",
        }
    }

    pub(super) fn named(id: &str) -> Result<Self, ApiError> {
        let named = Self::ALL.into_iter().find(|collection| collection.id() == id);
        named.ok_or(ApiError::NotFound("there is no such collection"))
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Nodes => "Nodes",
            Self::Positions => "Positions",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Nodes => {
                "Nodes on the map, at their last position; datetime is when they were \
                            last heard"
            }
            Self::Positions => {
                "Where nodes have been, the newest first; datetime is the time of \
                                the position"
            }
        }
    }
}

/// The landing page.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeaturesLanding")]
pub(in crate::http) struct Landing {
    title: &'static str,
    description: &'static str,
    links: Vec<Link>,
}

/// What there is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeaturesCollections")]
pub(in crate::http) struct Collections {
    links: Vec<Link>,
    collections: Vec<Described>,
}

/// A set of features.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FeaturesDescribed")]
pub(in crate::http) struct Described {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    links: Vec<Link>,
    extent: Value,
    item_type: &'static str,
    crs: [&'static str; 1],
}

/// The classes of the standard that this conforms to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FeaturesConformance")]
pub(in crate::http) struct Conformance {
    conforms_to: [&'static str; 3],
}

/// `GET /ogc`
pub(in crate::http) async fn landing(
    base: Base,
    RawQuery(query): RawQuery,
) -> Result<Json<Landing>, ApiError> {
    no_params(query.as_deref())?;
    let link = |path, rel, kind, title| Link::to(&base, path, rel, kind, title);
    Ok(Json(Landing {
        title: "geocast",
        description: "A live map of a mesh network, as features",
        links: vec![
            link("/ogc", "self", JSON, "This page"),
            link("/", "alternate", "text/html", "The map"),
            link("/ogc/api", "service-desc", OPENAPI, "How to ask, as OpenAPI"),
            link("/api/docs", "service-doc", "text/html", "How to ask, to read"),
            link("/ogc/conformance", "conformance", JSON, "What this conforms to"),
            link("/ogc/collections", "data", JSON, "The collections"),
        ],
    }))
}

/// `GET /ogc/conformance`
pub(in crate::http) async fn conformance(
    RawQuery(query): RawQuery,
) -> Result<Json<Conformance>, ApiError> {
    no_params(query.as_deref())?;
    Ok(Json(Conformance { conforms_to: CONFORMS_TO }))
}

/// `GET /ogc/collections`
pub(in crate::http) async fn all(
    base: Base,
    RawQuery(query): RawQuery,
) -> Result<Json<Collections>, ApiError> {
    no_params(query.as_deref())?;
    Ok(Json(Collections {
        links: vec![Link::to(&base, "/ogc/collections", "self", JSON, "This list")],
        collections: Collection::ALL.map(|collection| described(&base, collection)).into(),
    }))
}

/// `GET /ogc/collections/{collectionId}`
pub(in crate::http) async fn one(
    base: Base,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Described>, ApiError> {
    let collection = Collection::named(&id)?;
    no_params(query.as_deref())?;
    Ok(Json(described(&base, collection)))
}

fn described(base: &Base, collection: Collection) -> Described {
    let path = format!("/ogc/collections/{}", collection.id());
    let items = format!("{path}/items");
    Described {
        id: collection.id(),
        title: collection.title(),
        description: collection.description(),
        links: vec![
            Link::to(base, &path, "self", JSON, "This collection"),
            Link::to(base, &items, "items", GEOJSON, "Its features"),
        ],
        extent: json!({
            "spatial": { "bbox": [[-180, -90, 180, 90]], "crs": CRS84 },
            "temporal": { "interval": [[null, null]] },
        }),
        item_type: "feature",
        crs: [CRS84],
    }
}
