//! The table of what can be asked.

use serde_json::{Map, Value, json};

use super::{Types, operation::Operation};
use crate::http::{
    access::AuditQuery,
    analysis::{
        GatewaysPage, GatewaysQuery, LinksPage, LinksQuery, SeriesPage, SeriesQuery, TotalsPage,
        TotalsQuery, TrackQuery,
    },
    explain::Explanation,
    geojson, health, history, kml,
    listed::PageOf,
    nodes::{NodesPage, NodesQuery},
    ogc,
    patterns::{BBOX_OR_BOX, CURSOR},
    protocol::Bounds,
    records::{Id, NodeRecord},
    stats, visits,
};
use crate::{
    domain::{Message, Position},
    storage::{LinkRow, TelemetryRow, Visit},
};

const GEOJSON: &str = "application/geo+json";

/// Spans that a share may be good for.
const SPAN: &str =
    r"^([1-9][0-9]{0,4}m|[1-9][0-9]{0,2}h|([1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-6])d)$";

/// What operations are about.
pub(super) const TAGS: [(&str, &str); 9] = [
    ("nodes", "Nodes on the map"),
    ("history", "What was, from the database"),
    ("access", "Who may see what"),
    ("features", "OGC API - Features, Part 1: Core"),
    ("tiles", "Vector tiles"),
    ("kml", "For Google Earth and others"),
    ("operation", "How the server does"),
    ("page", "What the web map asks for"),
    ("description", "What can be asked"),
];

pub(super) fn all(types: &mut Types) -> Vec<Operation> {
    let mut all = Vec::new();
    all.extend(nodes(types));
    all.extend(histories(types));
    all.extend(features(types));
    all.extend(access(types));
    all.extend(tiles());
    all.extend(kml());
    all.extend(operation(types));
    all.extend(descriptions());
    all
}

fn nodes(types: &mut Types) -> Vec<Operation> {
    let id = types.said::<Id<'_>>();
    vec![
        Operation::get("/api/nodes", "listNodes", "nodes", "Nodes on the map, by id")
            .asks(Types::query::<NodesQuery>())
            .json(types.said::<NodesPage<'_>>())
            .says(GEOJSON, types.said::<geojson::Nodes<'_>>())
            .tagged(),
        Operation::get("/api/nodes/{id}", "getNode", "nodes", "One node on the map")
            .part("id", "The node", &id)
            .json(types.said::<NodeRecord<'_>>())
            .tagged(),
        Operation::get(
            "/api/explain/{id}",
            "explainNode",
            "nodes",
            "Why a node is on the map, or not",
        )
        .part("id", "The node", &id)
        .json(types.said::<Explanation>()),
        Operation::get(
            "/api/nodes/{id}",
            "forgetNode",
            "nodes",
            "Forgets a node, and keeps it out",
        )
        .deleted()
        .part("id", "The node", &id)
        .silent(),
    ]
}

fn histories(types: &mut Types) -> Vec<Operation> {
    let id = types.said::<Id<'_>>();
    let get = |path, id, summary| Operation::get(path, id, "history", summary);
    let either = |one: Value, other: Value| json!({ "anyOf": [one, other] });
    let telemetry = either(types.said::<PageOf<TelemetryRow>>(), types.said::<SeriesPage>());
    let links = either(types.said::<PageOf<LinkRow>>(), types.said::<LinksPage<'_>>());
    let text = || json!({ "type": "string" });
    vec![
        get("/api/nodes/{id}/positions", "listPositions", "Where a node was, the newest first")
            .part("id", "The node", &id)
            .asks(Types::query::<TrackQuery>())
            .json(types.said::<PageOf<Position>>())
            .says(GEOJSON, json!({ "type": "object" }))
            .says("application/gpx+xml", text())
            .says("text/csv", text()),
        get("/api/nodes/{id}/telemetry", "listTelemetry", "What a node measured, the newest first")
            .part("id", "The node", &id)
            .asks(Types::query::<SeriesQuery>())
            .json(telemetry),
        get("/api/positions", "listVisits", "Who was where, the newest first")
            .asks(Types::query::<visits::VisitsQuery>())
            .json(types.said::<PageOf<Visit>>())
            .says(GEOJSON, types.said::<geojson::Visits<'_>>()),
        get("/api/messages", "listMessages", "What was said, the newest first")
            .asks(Types::query::<history::PageQuery>())
            .json(types.said::<PageOf<Message>>()),
        get("/api/links", "listLinks", "Who heard whom, the newest first")
            .asks(Types::query::<LinksQuery>())
            .json(links),
        get("/api/gateways", "listGateways", "What gateways heard, and how well")
            .asks(Types::query::<GatewaysQuery>())
            .json(types.said::<GatewaysPage<'_>>()),
        get("/api/totals", "listTotals", "What the network sent, by span of time")
            .asks(Types::query::<TotalsQuery>())
            .json(types.said::<TotalsPage>()),
    ]
}

fn access(types: &mut Types) -> Vec<Operation> {
    let get = |path, id, summary| Operation::get(path, id, "access", summary);
    let (text, time) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let object = |fields: &[(&str, &Value)]| {
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        let fields = fields.iter().map(|(name, schema)| ((*name).to_owned(), (*schema).clone()));
        let fields: Map<_, _> = fields.collect();
        json!({ "type": "object", "required": names, "properties": fields })
    };
    let flag = json!({ "type": "boolean" });
    let entries = json!({ "type": "array", "items": { "type": "object" } });
    let next = json!({ "type": ["string", "null"] });
    let bounds = types.heard::<Bounds>();
    let share = json!({
        "type": "object",
        "required": ["expires"],
        "properties": {
            "bounds": { "anyOf": [
                bounds.clone(),
                { "type": ["array", "null"], "items": bounds, "maxItems": 8 },
            ] },
            "nodeIds": {
                "type": ["array", "null"], "items": types.said::<Id<'_>>(), "maxItems": 100,
            },
            "expires": {
                "description": "A span within a year, as 7d. A time to come, in milliseconds \
                    since 1970, will do as well.",
                "type": "string",
                "pattern": SPAN,
            },
        },
    });
    vec![
        get("/api/session", "getSession", "Who one is here, and what one may see").json(object(&[
            ("role", &text),
            ("name", &text),
            ("public", &flag),
            ("map", &flag),
            ("messages", &flag),
            ("signedIn", &flag),
        ])),
        get("/api/login", "login", "A token against a session's cookie")
            .posted()
            .with(&object(&[("token", &text)]))
            .json(object(&[("role", &text), ("name", &text), ("expires", &time)])),
        get("/api/logout", "logout", "Ends the session of the cookie").posted().silent(),
        get("/api/ticket", "makeTicket", "A ticket for one connection to the live map")
            .posted()
            .json(object(&[("ticket", &text), ("expires", &time)])),
        get("/api/shares", "makeShare", "A link to a view of the map")
            .posted()
            .with(&share)
            .json(object(&[("id", &text), ("url", &text), ("share", &text), ("expires", &time)])),
        get("/api/shares", "listShares", "The links that are not void, the oldest first")
            .json(object(&[("shares", &entries)])),
        get("/api/shares/{id}", "revokeShare", "Makes a link void")
            .deleted()
            .part("id", "The link, as it is called in the list", &text)
            .silent(),
        get("/api/audit", "listDeeds", "What administrators did, the newest first")
            .asks(Types::query::<AuditQuery>())
            .json(object(&[("entries", &entries), ("next", &next)])),
    ]
}

fn features(types: &mut Types) -> Vec<Operation> {
    let get = |path, id, summary| Operation::get(path, id, "features", summary);
    let schema = |name: &str| ogc::parameters()[name]["schema"].clone();
    let parts = |operation: Operation, names: &[&str]| {
        names.iter().fold(operation, |operation, name| {
            let parameter = &ogc::parameters()[*name];
            let description = parameter["description"].as_str().unwrap_or_default();
            operation.part(name, description, &schema(name))
        })
    };
    let query = |cursor: Value| {
        let names = ["bbox", "datetime", "limit", "cursor"];
        let mut query = names.map(|name| ogc::parameters()[name].clone());
        let [bbox, _, limit, next] = &mut query;
        // As one text: what 3.0 has no words for are the degrees of each number.
        bbox["schema"] = json!({ "type": "string", "pattern": BBOX_OR_BOX });
        // More than the most is not refused.
        limit["schema"] = json!({ "type": "integer", "minimum": 1, "default": ogc::DEFAULT_LIMIT });
        next["schema"] = cursor;
        query
    };
    let openapi = ogc::OPENAPI;
    let landing = types.said::<ogc::Landing>();
    vec![
        get("/ogc", "getLandingPage", "What is here").json(landing.clone()),
        get("/ogc/", "getLandingPageToo", "What is here").json(landing),
        get("/ogc/api", "getFeaturesDefinition", "How to ask for features, as OpenAPI 3.0")
            .says(openapi, json!({ "type": "object" })),
        get("/ogc/conformance", "getConformance", "What this conforms to")
            .json(types.said::<ogc::Conformance>()),
        get("/ogc/collections", "getCollections", "The collections")
            .json(types.said::<ogc::Collections>()),
        parts(
            get("/ogc/collections/{collectionId}", "describeCollection", "One collection"),
            &["collectionId"],
        )
        .json(types.said::<ogc::Described>()),
        get("/ogc/collections/nodes/items", "getNodeFeatures", "Nodes on the map, as features")
            .asks(query(types.said::<Id<'_>>()))
            .says(GEOJSON, types.said::<ogc::NodesPage<'_>>())
            .tagged(),
        parts(
            get("/ogc/collections/nodes/items/{featureId}", "getNodeFeature", "One of them"),
            &["featureId"],
        )
        .says(GEOJSON, types.said::<ogc::NodeFeature<'_>>())
        .tagged(),
        get("/ogc/collections/positions/items", "getPositionFeatures", "Where nodes have been")
            .asks(query(json!({ "type": "string", "pattern": CURSOR })))
            .says(GEOJSON, types.said::<ogc::PositionsPage>()),
        parts(
            get("/ogc/collections/positions/items/{featureId}", "getPositionFeature", "One place"),
            &["featureId"],
        )
        .says(GEOJSON, types.said::<ogc::PositionFeature>()),
    ]
}

fn tiles() -> Vec<Operation> {
    let get = |path, id, summary| Operation::get(path, id, "tiles", summary);
    let number = json!({ "type": "integer", "minimum": 0, "maximum": 4_194_303 });
    let zoom = json!({ "type": "integer", "minimum": 0, "maximum": 22 });
    let row = json!({ "type": "string", "pattern": r"^[0-9]{1,7}(\.mvt|\.pbf)?$" });
    vec![
        get("/tiles/nodes.json", "getTileJson", "What the vector tiles hold, as TileJSON 3.0")
            .json(json!({
                "type": "object",
                "required": ["tilejson", "tiles", "vector_layers"],
                "properties": {
                    "tilejson": { "const": "3.0.0" },
                    "tiles": {
                        "type": "array",
                        "minItems": 1,
                        "items": { "type": "string", "format": "uri-template" },
                    },
                    "vector_layers": { "type": "array", "items": { "type": "object" } },
                },
            })),
        get("/tiles/nodes/{z}/{x}/{y}", "getTile", "The nodes on the map as a vector tile")
            .part("z", "The zoom", &zoom)
            .part("x", "The column, below 2^z", &number)
            .part("y", "The row, below 2^z; .mvt or .pbf may follow", &row)
            .says("application/vnd.mapbox-vector-tile", json!({}))
            .tagged(),
    ]
}

fn kml() -> Vec<Operation> {
    let get = |path, id, summary| Operation::get(path, id, "kml", summary);
    let text = || json!({ "type": "string" });
    vec![
        get("/kml", "getKmlLink", "A network link, for Google Earth and others")
            .says(kml::KML, text()),
        get("/kml/nodes", "getKmlNodes", "The nodes in view, as KML")
            .asks(Types::query::<kml::ViewQuery>())
            .says(kml::KML, text()),
    ]
}

fn operation(types: &mut Types) -> Vec<Operation> {
    let health = types.said::<health::Health<'_>>();
    let unwell = json!({
        "description": "Something is wrong, or the server is stopping",
        "content": { "application/json": { "schema": health } },
    });
    let get = |path, id, summary| Operation::get(path, id, "operation", summary);
    vec![
        get("/api/health", "getHealth", "Whether the server does its work")
            .json(health)
            .or("503", unwell),
        get("/api/stats", "getStats", "How the server does, in numbers for people")
            .json(stats::schema()),
        get("/metrics", "getMetrics", "Counters, as Prometheus reads them")
            .says("text/plain", json!({ "type": "string" }))
            .says("application/openmetrics-text", json!({ "type": "string" })),
        Operation::get("/api/config", "getConfig", "page", "What the page draws by")
            .json(types.said::<super::super::PageConfig>()),
    ]
}

fn descriptions() -> Vec<Operation> {
    let get = |path, id, summary| Operation::get(path, id, "description", summary);
    let text = || json!({ "type": "string" });
    vec![
        get("/api/openapi.json", "getOpenApi", "This document")
            .json(json!({ "type": "object", "required": ["openapi", "info", "paths"] })),
        get("/api/asyncapi.json", "getAsyncApi", "The live conversation, as AsyncAPI 3")
            .json(json!({ "type": "object", "required": ["asyncapi", "info", "channels"] })),
        get("/api/schema", "listSchemas", "Where the schemas of its messages are")
            .json(json!({ "type": "object", "additionalProperties": text() })),
        get("/api/schema/{name}", "getSchema", "The messages of one side, as JSON Schema 2020-12")
            .part("name", "A side", &json!({ "enum": ["ClientMessage", "ServerMessage"] }))
            .says("application/schema+json", json!({ "type": "object" })),
        get("/api/docs", "getDocs", "This document as a page").says("text/html", text()),
        get("/api/docs.js", "getDocsScript", "What draws that page")
            .says("text/javascript", text()),
        get("/api/docs.css", "getDocsStyle", "How that page looks").says("text/css", text()),
        get("/api/geocast.v1.proto", "getProto", "The binary messages of the live conversation")
            .says("text/plain", text()),
    ]
}
