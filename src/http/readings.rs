//! How readings look to the outside: a field for each metric, which no derive can know.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap};
#[cfg(test)]
use ts_rs::TS;

use super::records::Id;
use crate::domain::{Metric, Node, Telemetry, Timestamp};

/// Readings by the names of their metrics, and the time of the newest.
#[derive(Debug)]
pub(super) struct TelemetryRecord<'a> {
    /// The node, where the record does not stand in one.
    id: Option<Id<'a>>,
    pub time: Timestamp,
    pub values: Cow<'a, [(Metric, f64)]>,
}

/// Readings of a node to merge.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct TelemetryUpdate<'a>(pub TelemetryRecord<'a>);

impl JsonSchema for TelemetryRecord<'_> {
    fn schema_name() -> Cow<'static, str> {
        "TelemetryRecord".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "type": "object",
            "description": "Readings by the names of their metrics, and the time of the newest.",
            "properties": { "time": { "type": "integer", "format": "int64" } },
            "required": ["time"],
        });
        if let Some(properties) = schema.get_mut("properties") {
            for metric in Metric::ALL {
                properties[metric.name()] = serde_json::json!({ "type": "number" });
            }
        }
        schema
    }
}

impl JsonSchema for TelemetryUpdate<'_> {
    fn schema_name() -> Cow<'static, str> {
        "TelemetryUpdate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = TelemetryRecord::json_schema(generator);
        let id = generator.subschema_for::<Id<'_>>().to_value();
        schema.insert("description".to_owned(), "Readings of a node to merge.".into());
        schema.insert("required".to_owned(), serde_json::json!(["id", "time"]));
        if let Some(properties) = schema.get_mut("properties") {
            properties["id"] = id;
        }
        schema
    }
}

/// The types as the web map knows them.
#[cfg(test)]
pub(super) const TELEMETRY_TYPES: [&str; 2] = [
    "type TelemetryRecord = { time: number, } & { [metric: string]: number };",
    "type TelemetryUpdate = { id: string, time: number, } & { [metric: string]: number | string };",
];

#[cfg(test)]
impl TS for TelemetryUpdate<'_> {
    type WithoutGenerics = Self;
    type OptionInnerType = Self;

    fn name(_: &ts_rs::Config) -> String {
        "TelemetryUpdate".to_owned()
    }

    fn inline(config: &ts_rs::Config) -> String {
        Self::name(config)
    }
}

impl<'a> TelemetryRecord<'a> {
    /// All that is known; none if nothing is.
    pub(super) fn all(telemetry: &'a Telemetry) -> Option<Self> {
        let stamp = telemetry.newest()?;
        Some(Self::row(stamp.time, telemetry.values()))
    }

    /// The readings of one packet.
    pub(super) fn row(time: Timestamp, values: &'a [(Metric, f64)]) -> Self {
        Self { id: None, time, values: values.into() }
    }
}

impl<'a> TelemetryUpdate<'a> {
    /// The readings that differ from `before`; none if nothing is known.
    pub(super) fn of(node: &'a Node, before: Option<&Node>) -> Option<Self> {
        let mut record = TelemetryRecord::all(&node.telemetry)?;
        record.id = Some(Id(&node.id));
        if let Some(before) = before {
            record.values.to_mut().retain(|(metric, value)| {
                before.telemetry.get(*metric).is_none_or(|held| held.to_bits() != value.to_bits())
            });
        }
        Some(Self(record))
    }
}

impl Serialize for TelemetryRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = &self.id {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("time", &self.time.as_millis())?;
        for (metric, value) in &*self.values {
            /// Every whole number up to this is one that JSON readers keep.
            const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;
            if value.fract() == 0.0 && value.abs() <= LARGEST_WHOLE {
                #[expect(clippy::cast_possible_truncation, reason = "checked just above")]
                map.serialize_entry(metric.name(), &(*value as i64))?;
            } else {
                map.serialize_entry(metric.name(), value)?;
            }
        }
        map.end()
    }
}
