//! `/api/openapi.json` and `/api/docs`: what can be asked, as OpenAPI 3.1 and as a page. What is
//! said of types is generated from the types.

mod docs;
mod operation;
mod paths;
mod security;
mod types;

use std::sync::LazyLock;

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

use super::{AppState, base::Base};

pub(super) use docs::{page, script, style};
pub(super) use security::{channel_opened_by, schemes_of_channels};
pub(super) use types::Types;

use operation::problem_response;
use security::{opened_by, rule_of, schemes};

/// The document, but for where the server is, and whom it lets in.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /api/openapi.json`
pub(super) async fn serve(State(state): State<AppState>, base: Base) -> Json<Value> {
    let mut document = DOCUMENT.clone();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(rule) = rule_of(method, path) {
                operation["security"] = opened_by(rule, &state.access);
            }
        }
    }
    let here = Some(base.url("")).filter(|url| !url.is_empty());
    document["servers"] = json!([{ "url": here.as_deref().unwrap_or("/") }]);
    Json(document)
}

fn document() -> Value {
    let mut types = Types::new("/components/schemas");
    let mut paths = Map::new();
    for operation in paths::all(&mut types) {
        let (path, method) = (operation.path, operation.method);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation.written();
    }
    let problem = problem_response(&mut types);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "geocast",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A live map of a mesh network",
            "description": "Questions about now are answered from what the map shows, questions \
                about the past from the database. Names are camelCase, times are whole \
                milliseconds since 1970, places are degrees, what is not known is absent. \
                Parameters that are not known are ignored, but for those of OGC API - Features. \
                The live conversation is described in /api/asyncapi.json.",
            "license": { "name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later" },
        },
        "tags": paths::TAGS.map(|(name, description)| json!({
            "name": name, "description": description,
        })),
        "paths": paths,
        "components": {
            "schemas": types.definitions(),
            "responses": { "Problem": problem },
            "securitySchemes": schemes(),
        },
    })
}

#[cfg(test)]
mod tests;
