//! How many records an answer may hold, as queries say it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A whole number, however great: what lies outside what is allowed counts as the nearer end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(u32);

impl Count {
    /// What was asked for, or else `usual`: at least one, and `most` at most.
    pub(super) fn within(asked: Option<Self>, usual: u32, most: u32) -> u32 {
        asked.map_or(usual, |Self(count)| count).clamp(1, most)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Digits;
        impl de::Visitor<'_> for Digits {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, 0 or more")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                // What does not fit is more than any limit.
                let count = is_number.then(|| Count(text.parse().unwrap_or(u32::MAX)));
                count.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        source.deserialize_str(Digits)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn a_number_beyond_any_limit_is_the_limit_and_what_is_no_number_is_refused() {
        let read = |text| Count::deserialize(StrDeserializer::<Error>::new(text)).ok();
        let within = |text| Count::within(read(text), 100, 1000);
        assert_eq!([within("0"), within("7"), within("1001")], [1, 7, 1000]);
        assert_eq!(within("99999999999999999999999"), 1000);
        assert_eq!(Count::within(None, 100, 1000), 100);
        for wrong in ["", "-1", "+1", "1.5", "many", " 1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
