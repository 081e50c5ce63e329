//! Who is let in where, as the rules of the routes say.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::{Map, Value, json};

use crate::{
    domain::Role,
    http::{
        access::{Access, Routes, Rule, SESSION_COOKIE},
        live_routes, routes,
    },
};

/// The rules, by method and path.
static RULES: LazyLock<HashMap<(&'static str, &'static str), Rule>> = LazyLock::new(|| {
    let all = [routes(), live_routes()];
    let rules = all.iter().flat_map(Routes::rules);
    rules.map(|(method, path, rule)| ((method, path), rule)).collect()
});

/// The rule of an operation, if it is one of a route.
pub(super) fn rule_of(method: &str, path: &str) -> Option<Rule> {
    // Each collection is described on its own.
    let route = match path.strip_prefix("/ogc/collections/").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/ogc/collections/{{collectionId}}/{rest}"),
        None => path.to_owned(),
    };
    RULES.get(&(method, &*route)).copied()
}

/// How one can be known.
pub(super) fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that `geocast token create` made, or one of the OpenID \
                provider that the server trusts.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION_COOKIE,
            "description": "The session of the web map, which `POST /api/login` opens. Over TLS \
                the cookie is called `__Host-geocast`. What is no GET needs the header \
                `X-Geocast-Request: 1` as well.",
        },
        "share": {
            "type": "apiKey",
            "in": "query",
            "name": "share",
            "description": "A share link, which opens a part of the map.",
        },
        "ticket": {
            "type": "apiKey",
            "in": "query",
            "name": "ticket",
            "description": "A ticket of `POST /api/ticket`, good for one connection to `/api/ws` \
                or `/api/events`.",
        },
    })
}

/// The same as AsyncAPI 3 says it, where what is no header of its own has another type.
pub(in crate::http) fn schemes_of_channels() -> Value {
    let mut schemes = schemes();
    for scheme in schemes.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if scheme["type"] == "apiKey" {
            scheme["type"] = json!("httpApiKey");
        }
    }
    schemes
}

/// References to the schemes of which any one opens what is at this path; none where everybody is
/// let in, for which AsyncAPI has no word.
pub(in crate::http) fn channel_opened_by(path: &str, access: &Access) -> Option<Value> {
    let ways = opened_by(rule_of("get", path)?, access);
    let names = ways.as_array()?.iter().map(|way| way.as_object()?.keys().next());
    let reference =
        |name: &String| json!({ "$ref": format!("#/components/securitySchemes/{name}") });
    names.map(|name| name.map(reference)).collect()
}

/// Each of what opens a route; nothing at all is one of them where everybody is let in. What stands
/// with a scheme is the least role.
pub(super) fn opened_by(rule: Rule, access: &Access) -> Value {
    let public = access.is_public();
    let (for_all, least, others): (bool, Role, &[&str]) = match rule {
        Rule::Open => return json!([{}]),
        Rule::Map => (public, Role::Viewer, &[]),
        Rule::Shared => (public, Role::Viewer, &["share"]),
        Rule::Live => (public, Role::Viewer, &["share", "ticket"]),
        Rule::Messages => (access.are_messages_public(), Role::Viewer, &[]),
        Rule::Role(least) => (false, least, &[]),
    };
    let least = least.name();
    let nothing = for_all.then(|| json!({}));
    let known = [json!({ "bearer": [least] }), json!({ "session": [least] })];
    let others = others.iter().map(|scheme| json!({ *scheme: [] }));
    nothing.into_iter().chain(known).chain(others).collect()
}
