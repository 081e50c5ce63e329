//! Fields of a JSON object, as the numbers that radios have. All numbers were doubles on the way,
//! so that a whole number may be written as `2.0` or `2e9`.

use serde_json::{Map, Value};

/// Whole numbers up to here are exact in a double: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The fields of one object.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `value`, if it is an object.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    pub(super) fn u32(self, name: &str) -> Option<u32> {
        whole(self.value(name)?).and_then(|number| number.try_into().ok())
    }

    pub(super) fn i32(self, name: &str) -> Option<i32> {
        whole(self.value(name)?).and_then(|number| number.try_into().ok())
    }

    #[expect(clippy::cast_possible_truncation, reason = "it was a float before it was JSON")]
    pub(super) fn f32(self, name: &str) -> Option<f32> {
        self.value(name)?.as_f64().map(|number| number as f32)
    }

    /// A string of protobuf, which is empty if it is absent.
    pub(super) fn string(self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }
}

fn whole(value: &Value) -> Option<i64> {
    let written_whole = value.as_i64();
    written_whole.or_else(|| {
        let number = value.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and exact, as just seen")]
        (number.fract() == 0.0 && number.abs() <= MAX_EXACT).then_some(number as i64)
    })
}
