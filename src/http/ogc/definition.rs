//! `/ogc/api`: how to ask, as OpenAPI 3.0, which the standard and its clients speak.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    super::{base::Base, patterns::DATETIME},
    collections::Collection,
    links::{GEOJSON, JSON},
    params::{DEFAULT_LIMIT, MAX_LIMIT},
};

/// The media type of the definition.
pub(in crate::http) const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

/// `GET /ogc/api`
pub(in crate::http) async fn serve(base: Base) -> Response {
    ([(header::CONTENT_TYPE, OPENAPI)], Json(definition(&base))).into_response()
}

fn definition(base: &Base) -> Value {
    let operation = |id: &str, summary: &str, parameters: &[&str], kind: &str| {
        let reference = |name: &&str| json!({ "$ref": format!("#/components/parameters/{name}") });
        let mut responses = json!({
            "200": { "description": "The answer", "content": { kind: { "schema": { "type": "object" } } } },
        });
        for status in ["400", "401", "403", "405", "429", "500", "503"] {
            responses[status] = json!({ "$ref": "#/components/responses/Problem" });
        }
        if parameters.contains(&"collectionId") {
            responses["404"] = json!({ "$ref": "#/components/responses/Problem" });
        }
        json!({ "get": {
            "operationId": id,
            "summary": summary,
            "tags": ["Features"],
            "parameters": parameters.iter().map(reference).collect::<Vec<_>>(),
            "responses": responses,
        }})
    };
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "geocast: features",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Nodes of a mesh network and where they have been, as OGC API - Features",
            "license": { "name": "GPL-3.0-or-later", "url": "https://www.gnu.org/licenses/gpl-3.0" },
        },
        "servers": [{ "url": base.url("/ogc") }],
        "tags": [{ "name": "Features", "description": "OGC API - Features, Part 1: Core" }],
        "paths": {
            "/": operation("getLandingPage", "What is here", &[], JSON),
            "/conformance": operation("getConformance", "What this conforms to", &[], JSON),
            "/collections": operation("getCollections", "The collections", &[], JSON),
            "/collections/{collectionId}":
                operation("describeCollection", "One collection", &["collectionId"], JSON),
            "/collections/{collectionId}/items": operation(
                "getFeatures",
                "Features of a collection",
                &["collectionId", "bbox", "datetime", "limit", "cursor"],
                GEOJSON,
            ),
            "/collections/{collectionId}/items/{featureId}":
                operation("getFeature", "One feature", &["collectionId", "featureId"], GEOJSON),
        },
        "components": { "parameters": parameters(), "responses": { "Problem": problem() } },
    })
}

/// The parameters by name.
pub(in crate::http) fn parameters() -> Value {
    let collections = Collection::ALL.map(Collection::id);
    json!({
        "collectionId": {
            "name": "collectionId", "in": "path", "required": true,
            "description": "The name of a collection",
            "schema": { "type": "string", "enum": collections },
        },
        "featureId": {
            "name": "featureId", "in": "path", "required": true,
            "description": "The id of a feature",
            "schema": { "type": "string" },
        },
        "bbox": {
            "name": "bbox", "in": "query", "required": false, "style": "form", "explode": false,
            "description": "west,south,east,north in degrees, or with heights in metres \
                west,south,lowest,east,north,highest; west greater than east crosses the antimeridian",
            "schema": {
                "type": "array", "items": { "type": "number" },
                "oneOf": [{ "minItems": 4, "maxItems": 4 }, { "minItems": 6, "maxItems": 6 }],
            },
        },
        "datetime": {
            "name": "datetime", "in": "query", "required": false, "style": "form", "explode": false,
            "description": "A time as in 2026-11-21T23:20:50Z, or an interval of two with a slash \
                between, one of which may be ..",
            "schema": { "type": "string", "pattern": DATETIME },
        },
        "limit": {
            "name": "limit", "in": "query", "required": false, "style": "form", "explode": false,
            "description": "At most so many features; more than the maximum counts as the maximum",
            "schema": {
                "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT,
            },
        },
        "cursor": {
            "name": "cursor", "in": "query", "required": false, "style": "form", "explode": false,
            "description": "Where the page before ended; it stands in the link to the next page",
            "schema": { "type": "string" },
        },
    })
}

fn problem() -> Value {
    let schema = json!({
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
        },
    });
    json!({
        "description": "What is wrong, as problem details (RFC 9457)",
        "content": { "application/problem+json": { "schema": schema } },
    })
}
