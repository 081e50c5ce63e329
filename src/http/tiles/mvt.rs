//! The messages of a vector tile, as the specification 2.1 numbers their fields.

use prost::Message;

/// The version of the specification that a layer follows.
pub(super) const VERSION: u32 = 2;

/// The geometry of a feature that is one point or several.
pub(super) const POINT: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tile {
    #[prost(message, repeated, tag = "3")]
    pub(super) layers: Vec<Layer>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Layer {
    #[prost(uint32, required, tag = "15")]
    pub(super) version: u32,
    #[prost(string, required, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) features: Vec<Feature>,
    #[prost(string, repeated, tag = "3")]
    pub(super) keys: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) values: Vec<Value>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) extent: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Feature {
    #[prost(uint64, optional, tag = "1")]
    pub(super) id: Option<u64>,
    /// Pairs of indices: of a key and of its value.
    #[prost(uint32, repeated, tag = "2")]
    pub(super) tags: Vec<u32>,
    #[prost(int32, optional, tag = "3")]
    pub(super) r#type: Option<i32>,
    #[prost(uint32, repeated, tag = "4")]
    pub(super) geometry: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, optional, tag = "1")]
    pub(super) string: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub(super) float: Option<f32>,
    #[prost(double, optional, tag = "3")]
    pub(super) double: Option<f64>,
    #[prost(sint64, optional, tag = "6")]
    pub(super) sint: Option<i64>,
    #[prost(bool, optional, tag = "7")]
    pub(super) bool: Option<bool>,
}

/// One point, as the commands of a geometry: move to it once.
pub(super) fn point((x, y): (i32, i32)) -> Vec<u32> {
    const MOVE_TO_ONCE: u32 = 1 | 1 << 3;
    vec![MOVE_TO_ONCE, zigzag(x), zigzag(y)]
}

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}
