//! What is said of the live conversation, held against a conversation.

use std::collections::BTreeSet;

use meshtastic::protobufs::{DeviceMetrics, PortNum, Telemetry, telemetry};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio, Schema, Screen, database_url, radio::now_seconds};

async fn validator(geocast: &Geocast, name: &str) -> Schema {
    let answer = geocast.get(&format!("/api/schema/{name}")).await;
    assert_eq!(answer.headers()["content-type"], "application/schema+json");
    let schema: Value = answer.json().await.unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    Schema::new(schema)
}

fn battery(radio: Radio) -> (String, Vec<u8>) {
    let metrics =
        DeviceMetrics { battery_level: Some(71), voltage: Some(4.1), ..DeviceMetrics::default() };
    let variant = Some(telemetry::Variant::DeviceMetrics(metrics));
    let telemetry = Telemetry { variant, ..Telemetry::default() };
    radio.says(PortNum::TelemetryApp, &telemetry.encode_to_vec())
}

/// A message of the client, which is as the schema says.
async fn say(screen: &mut Screen, client: &Schema, message: Value) {
    assert_eq!(client.complaints(&message), [""; 0]);
    screen.say(message).await;
}

/// Reads up to a message of this type; all that come are as the schema says.
async fn until(screen: &mut Screen, server: &Schema, kind: &str) {
    loop {
        let message = screen.next().await;
        assert_eq!(server.complaints(&message), [""; 0]);
        if message["type"] == kind {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_a_conversation_is_as_the_schemas_say() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).says_at(now_seconds() - 60, PortNum::TextMessageApp, b"<b>old</b>"));
    let client = validator(&geocast, "ClientMessage").await;
    let server = validator(&geocast, "ServerMessage.json").await;
    let mut screen = geocast.look("").await;
    assert_eq!(server.complaints(&screen.hello), [""; 0]);
    let bounds = json!({ "north": 20, "south": 0, "east": 20, "west": 0 });
    let filter = json!({ "bounds": bounds, "alsoIds": ["!00000001"] });
    for (said, answer) in [
        (json!({ "type": "subscribe", "filter": filter }), "snapshot"),
        (json!({ "type": "ping", "id": 7 }), "pong"),
        (json!({ "type": "request_snapshot" }), "snapshot"),
    ] {
        say(&mut screen, &client, said).await;
        until(&mut screen, &server, answer).await;
    }
    let wrong = json!({ "type": "subscribe", "filter": { "bounds": 7 } });
    assert!(!client.accepts(&wrong));
    screen.say(wrong).await;
    until(&mut screen, &server, "error").await;
    for (publish, kind) in [
        (Radio(2).at(10.0, 11.0), "node_enter"),
        (Radio(2).named("<b>Two</b>", "2"), "node_update"),
        (Radio(2).at(10.0, 12.0), "position_update"),
        (battery(Radio(2)), "telemetry_update"),
        (Radio(1).text("now"), "node_status"),
        (Radio(2).text("hello"), "message"),
        (Radio(2).at(50.0, 50.0), "node_leave"),
    ] {
        gateway.publish(publish);
        until(&mut screen, &server, kind).await;
    }
    let cells = json!({ "bounds": [bounds], "cells": { "zoom": 3 } });
    say(&mut screen, &client, json!({ "type": "subscribe", "filter": cells })).await;
    until(&mut screen, &server, "snapshot").await;
    gateway.publish(Radio(3).at(10.0, 13.0));
    until(&mut screen, &server, "cell_update").await;
    for wrong in [
        json!({ "type": "hello" }),
        json!({ "type": "node_enter", "revision": 1, "nodes": [{ "longName": "who?" }] }),
        json!({ "type": "dance" }),
    ] {
        assert!(!server.accepts(&wrong), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_message_and_each_of_its_references_leads_somewhere() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let (_, document) = geocast.ask("/api/asyncapi.json").await;
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["servers"]["here"]["host"], geocast.address.to_string());
    let (_, index) = geocast.ask("/api/schema").await;
    for (name, url) in index.as_object().unwrap() {
        let path = url.as_str().unwrap().split_once(&geocast.address.to_string()).unwrap().1;
        let (status, schema) = geocast.ask(path).await;
        assert_eq!((status, &schema["$id"]), (200, url));
        for variant in schema["oneOf"].as_array().unwrap() {
            let kind = variant["properties"]["type"]["const"].as_str().unwrap();
            let side = name.trim_end_matches("Message").to_lowercase();
            let message = &document["components"]["messages"][format!("{side}_{kind}")];
            assert_eq!(message["name"], kind, "{name} {kind}");
        }
    }
    let (status, _) = geocast.ask("/api/schema/Nothing").await;
    assert_eq!(status, 404);
    let text = document.to_string();
    let references: BTreeSet<_> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

/// The names of the schemes that open each operation; none where it is not said.
async fn opened_by(geocast: &Geocast) -> Vec<Option<Vec<String>>> {
    let (_, document) = geocast.ask("/api/asyncapi.json").await;
    let name = |way: &Value| {
        let scheme = document.pointer(&way["$ref"].as_str().unwrap()[1..]).unwrap();
        assert!(["http", "httpApiKey"].contains(&scheme["type"].as_str().unwrap()), "{scheme}");
        way["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let operations = document["operations"].as_object().unwrap().values();
    let ways = operations.map(|operation| operation["security"].as_array());
    ways.map(|ways| Some(ways?.iter().map(name).collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_opens_the_conversation_where_not_everybody_is_let_in() {
    let folder = TempDir::new().unwrap();
    let database = database_url(folder.path());
    let serve = ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &database];
    let open = Geocast::start(&[&serve[..], &["--public", "on"]].concat()).await;
    assert_eq!(opened_by(&open).await, [None, None, None]);
    open.stop().await;
    let closed = ["--public", "off", "--admin-token", "only-for-administrators"];
    let closed = Geocast::start(&[&serve[..], &closed].concat()).await;
    let ways = ["bearer", "session", "share", "ticket"].map(str::to_owned);
    assert_eq!(opened_by(&closed).await, vec![Some(ways.to_vec()); 3]);
}
