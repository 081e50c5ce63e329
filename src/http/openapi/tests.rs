//! The document tells of the routes that there are.

use std::collections::BTreeSet;

use super::DOCUMENT;

/// What the live conversation goes over, which `/api/asyncapi.json` describes.
const LIVE: [&str; 2] = ["/api/ws", "/api/events"];

/// The paths of the router, read from the source that lists them: a router cannot say them.
fn routes() -> BTreeSet<&'static str> {
    let lists = include_str!("../mod.rs").split(".route(").skip(1);
    let paths = lists.map(|rest| rest.split('"').nth(1).unwrap());
    paths.collect()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    // Each collection is described on its own.
    let route = |path: &String| match path.split('/').collect::<Vec<_>>()[..] {
        ["", "ogc", "collections", "nodes" | "positions", ref rest @ ..] => {
            format!("/ogc/collections/{{collectionId}}/{}", rest.join("/"))
        }
        _ => path.clone(),
    };
    let described: BTreeSet<_> = DOCUMENT["paths"].as_object().unwrap().keys().map(route).collect();
    let routes = routes();
    assert!(routes.len() > 20, "the list of routes was not understood: {routes:?}");
    let all: BTreeSet<_> = described.iter().map(String::as_str).chain(LIVE).collect();
    assert_eq!(all, routes);
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
