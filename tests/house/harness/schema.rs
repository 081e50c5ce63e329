//! Holds JSON against JSON Schema 2020-12, as far as our own schemas use it. A keyword that is not
//! known here makes a test fail, so that nothing is passed over in silence.

use serde_json::{Map, Value};

/// What says nothing that could be violated, or nothing that is looked at here: the schemas have
/// patterns of ids and cursors only, which other tests are about.
const SILENT: [&str; 10] = [
    "$schema",
    "$id",
    "$defs",
    "components",
    "title",
    "description",
    "examples",
    "format",
    "default",
    "pattern",
];

/// A schema with all that it refers to.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// What is wrong with `value`; nothing if it is as the schema says.
    pub(crate) fn complaints(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.check(&self.0, value, "", &mut found);
        found
    }

    pub(crate) fn accepts(&self, value: &Value) -> bool {
        self.complaints(value).is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Object(schema) => schema,
            other => panic!("{other} is no schema"),
        };
        let passes = |schema: &Value| {
            let mut inner = Vec::new();
            self.check(schema, value, at, &mut inner);
            inner.is_empty()
        };
        for (keyword, rule) in schema {
            let is_kept = match keyword.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let target = self.0.pointer(pointer);
                    self.check(target.unwrap_or_else(|| panic!("no {pointer}")), value, at, found);
                    true
                }
                "type" => is_of(rule, value),
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "oneOf" => rule.as_array().unwrap().iter().filter(|one| passes(one)).count() == 1,
                "anyOf" => rule.as_array().unwrap().iter().any(passes),
                "minimum" => number(value).is_none_or(|number| number >= rule.as_f64().unwrap()),
                "maximum" => number(value).is_none_or(|number| number <= rule.as_f64().unwrap()),
                "minLength" => length(value).is_none_or(|length| length >= rule.as_u64().unwrap()),
                "maxLength" => length(value).is_none_or(|length| length <= rule.as_u64().unwrap()),
                "minItems" => count(value).is_none_or(|count| count >= rule.as_u64().unwrap()),
                "maxItems" => count(value).is_none_or(|count| count <= rule.as_u64().unwrap()),
                "required" => value.as_object().is_none_or(|value| {
                    let mut names = rule.as_array().unwrap().iter();
                    names.all(|name| value.contains_key(name.as_str().unwrap()))
                }),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{index}"), found);
                    }
                    true
                }
                "properties" | "additionalProperties" => {
                    let none = Map::new();
                    let known = schema.get("properties").and_then(Value::as_object);
                    let known = known.unwrap_or(&none);
                    for (name, field) in value.as_object().into_iter().flatten() {
                        let own = match keyword.as_str() {
                            "properties" => rule.get(name),
                            _ => Some(rule).filter(|_| !known.contains_key(name)),
                        };
                        if let Some(own) = own {
                            self.check(own, field, &format!("{at}/{name}"), found);
                        }
                    }
                    true
                }
                silent if SILENT.contains(&silent) => true,
                unknown => panic!("nothing is known of {unknown:?} in a schema"),
            };
            if !is_kept {
                found.push(format!("{at}: {value} breaks {keyword} {rule}"));
            }
        }
    }
}

fn is_of(rule: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("{other} is no type"),
    };
    rule.as_array().map_or_else(|| is(rule), |kinds| kinds.iter().any(is))
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn count(value: &Value) -> Option<u64> {
    value.as_array().map(|items| items.len() as u64)
}
