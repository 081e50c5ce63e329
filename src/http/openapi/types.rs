//! The schemas of types, as JSON Schema 2020-12 has them.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Collects the schemas of types that one document speaks of.
pub(in crate::http) struct Types {
    /// Of what is written. What is read stands in a document on its own.
    said: SchemaGenerator,
    heard: SchemaGenerator,
}

impl Types {
    /// For a document that has its schemas at this place.
    pub(in crate::http) fn new(place: &'static str) -> Self {
        let settings =
            || SchemaSettings::draft2020_12().with(|s| s.definitions_path = place.into());
        Self {
            said: settings().for_serialize().into_generator(),
            heard: settings().for_deserialize().into_generator(),
        }
    }

    /// What the server writes: a reference to the schema.
    pub(in crate::http) fn said<T: JsonSchema>(&mut self) -> Value {
        self.said.subschema_for::<T>().to_value()
    }

    /// What the server reads.
    pub(in crate::http) fn heard<T: JsonSchema>(&mut self) -> Value {
        self.heard.subschema_for::<T>().to_value()
    }

    /// The fields of a query as parameters.
    pub(super) fn query<T: JsonSchema>() -> Vec<Value> {
        let mut inline = SchemaSettings::draft2020_12().for_deserialize();
        inline.inline_subschemas = true;
        let schema = inline.into_generator().into_root_schema_for::<T>().to_value();
        let none = Map::new();
        let fields = schema["properties"].as_object().unwrap_or(&none).iter();
        fields.map(|(name, schema)| parameter(name, schema.clone())).collect()
    }

    /// All schemas that were referred to, by name.
    pub(in crate::http) fn definitions(&mut self) -> Value {
        let mut all = self.heard.take_definitions(true);
        all.extend(self.said.take_definitions(true));
        Value::Object(all)
    }
}

/// A part of a query that may be left out. In a query nothing is null.
fn parameter(name: &str, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    if let Some(kinds) = schema["type"].as_array() {
        let mut kinds = kinds.iter().filter(|kind| **kind != "null").cloned();
        schema["type"] = kinds.next().unwrap_or_default();
    }
    let null = json!({ "type": "null" });
    if let Some(choices) = schema["anyOf"].as_array()
        && let [choice, other] = &choices[..]
        && *other == null
    {
        schema = choice.clone();
    }
    if schema["default"].is_null()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.remove("default");
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|_, value| !value.is_null());
    }
    json!({
        "name": name,
        "in": "query",
        "required": false,
        "description": description.unwrap_or_default(),
        "schema": schema,
    })
}
