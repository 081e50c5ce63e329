//! The document tells of the routes that there are.

use std::collections::BTreeSet;

use super::{DOCUMENT, rule_of};
use crate::http::{access::Routes, live_routes, routes};

/// What the live conversation goes over, which `/api/asyncapi.json` describes.
const LIVE: [&str; 2] = ["/api/ws", "/api/events"];

#[test]
fn every_route_is_described_and_nothing_else() {
    let all = [routes(), live_routes()];
    let rules = all.iter().flat_map(Routes::rules);
    let routes: BTreeSet<_> = rules.map(|(method, path, _)| format!("{method} {path}")).collect();
    // Each collection is described on its own.
    let route = |path: &str| match path.split('/').collect::<Vec<_>>()[..] {
        ["", "ogc", "collections", "nodes" | "positions", ref rest @ ..] => {
            format!("/ogc/collections/{{collectionId}}/{}", rest.join("/"))
        }
        _ => path.to_owned(),
    };
    let mut described: BTreeSet<_> = LIVE.map(|path| format!("get {path}")).into();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(rule_of(method, path).is_some(), "nobody knows who may {method} {path}");
            described.insert(format!("{method} {}", route(path)));
        }
    }
    assert_eq!(described, routes);
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|r| r.as_str()) {
                    found.push(reference.to_owned());
                }
                map.values().for_each(|value| walk(value, found));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut references = Vec::new();
    walk(&DOCUMENT, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let operations = DOCUMENT["paths"].as_object().unwrap().values();
    let ids: Vec<_> = operations
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    assert!(DOCUMENT["components"]["schemas"]["NodeRecord"].is_object());
}

#[test]
fn the_parts_of_a_path_are_its_parameters() {
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let parts: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let operations = item.as_object().unwrap().values();
        let named: BTreeSet<_> = operations
            .flat_map(|operation| operation["parameters"].as_array().unwrap())
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(parts, named, "{path}");
    }
}
