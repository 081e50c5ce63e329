//! `/api/asyncapi.json` and `/api/schema`: the live conversation, as AsyncAPI 3 and as JSON Schema
//! 2020-12, generated from the types of its messages.

use std::sync::LazyLock;

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    AppState,
    base::Base,
    error::ApiError,
    openapi::{Types, channel_opened_by, schemes_of_channels},
    protocol::{ClientMessage, ServerMessage},
};

const SCHEMA: &str = "application/schema+json";

/// The messages of either side.
const SIDES: [&str; 2] = ["ClientMessage", "ServerMessage"];

/// The document, but for where the server is, and whom it lets in.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /api/asyncapi.json`
pub(super) async fn serve(State(state): State<AppState>, base: Base) -> Json<Value> {
    let mut document = DOCUMENT.clone();
    let channels = document["channels"].take();
    for operation in document["operations"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let channel =
            operation["channel"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let path = channel.and_then(|name| channels[name]["address"].as_str());
        if let Some(ways) = path.and_then(|path| channel_opened_by(path, &state.access)) {
            operation["security"] = ways;
        }
    }
    document["channels"] = channels;
    if let Some((scheme, rest)) = base.url("").split_once("://") {
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let protocol = if scheme == "https" { "wss" } else { "ws" };
        let mut here = json!({ "host": host, "protocol": protocol });
        if !path.is_empty() {
            here["pathname"] = json!(path);
        }
        document["servers"] = json!({ "here": here });
    }
    Json(document)
}

/// `GET /api/schema`: the names of the schemas and where they are.
pub(super) async fn schemas(base: Base) -> Json<Value> {
    let urls = SIDES.map(|name| (name.to_owned(), json!(base.url(&format!("/api/schema/{name}")))));
    Json(Value::Object(urls.into_iter().collect()))
}

/// `GET /api/schema/{name}`, where `.json` may follow.
pub(super) async fn schema(base: Base, Path(name): Path<String>) -> Result<Response, ApiError> {
    let name = name.strip_suffix(".json").unwrap_or(&name);
    let settings = SchemaSettings::draft2020_12();
    let mut schema = match name {
        "ClientMessage" => root::<ClientMessage>(settings.for_deserialize()),
        "ServerMessage" => root::<ServerMessage<'_>>(settings.for_serialize()),
        _ => return Err(ApiError::NotFound("there is no such schema")),
    };
    schema["$id"] = json!(base.url(&format!("/api/schema/{name}")));
    Ok(([(header::CONTENT_TYPE, SCHEMA)], Json(schema)).into_response())
}

fn root<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn document() -> Value {
    let mut types = Types::new("/components/schemas");
    let client = types.heard::<ClientMessage>();
    let server = types.said::<ServerMessage<'_>>();
    let schemas = types.definitions();
    let mut messages = Map::new();
    let mut named = |side: &Value| -> Vec<String> {
        let all = messages_of(&schemas, side);
        let names = all.iter().map(|(name, _)| name.clone()).collect();
        messages.extend(all);
        names
    };
    let (from_client, from_server) = (named(&client), named(&server));
    let in_components =
        |name: &String| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }));
    let in_channel = |channel: &str, names: &[String]| -> Vec<Value> {
        let at = |name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
        names.iter().map(at).collect()
    };
    let both: Map<_, _> = from_client.iter().chain(&from_server).map(in_components).collect();
    let told: Map<_, _> = from_server.iter().map(in_components).collect();
    let operation = |action: &str, channel: &str, summary: &str, names: &[String]| {
        json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{channel}") },
            "summary": summary,
            "messages": in_channel(channel, names),
        })
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "geocast: the live conversation",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Protocol 1. A client subscribes to a rectangle and is told exactly what \
                changes inside it. Names are camelCase, times are milliseconds since 1970, places \
                are degrees, a field that is not known is absent. Both sides ignore fields that \
                they do not know.",
            "license": { "name": "GPL-3.0-or-later" },
        },
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": "/api/ws",
                "title": "The live map over a WebSocket",
                "messages": both,
                "bindings": { "ws": { "method": "GET" } },
            },
            "events": {
                "address": "/api/events",
                "title": "The same for those who only listen, as Server-Sent Events",
                "messages": told,
            },
        },
        "operations": {
            "hear": operation("receive", "live", "What a client says", &from_client),
            "tell": operation("send", "live", "What the server says", &from_server),
            "tellListeners":
                operation("send", "events", "What the server says to listeners", &from_server),
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": schemes_of_channels(),
        },
    })
}

/// Each message of one side, by its name in the document.
fn messages_of(schemas: &Value, side: &Value) -> Vec<(String, Value)> {
    let side = side["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let prefix = side.trim_end_matches("Message").to_lowercase();
    let variants = schemas[side]["oneOf"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let messages = variants.enumerate().map(|(at, variant)| {
        let kind = variant["properties"]["type"]["const"].as_str().unwrap_or_default();
        let message = json!({
            "name": kind,
            "summary": variant["description"],
            "payload": { "$ref": format!("#/components/schemas/{side}/oneOf/{at}") },
        });
        (format!("{prefix}_{kind}"), message)
    });
    messages.collect()
}
