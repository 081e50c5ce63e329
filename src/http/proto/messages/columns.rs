//! Whole records of nodes in columns.

use bytes::Bytes;
use prost::Message;

use super::{Column, Decimals, NodeStatus, PositionUpdate};

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeColumns {
    #[prost(uint32, tag = "1")]
    pub count: u32,
    #[prost(message, tag = "2")]
    pub numbers: Option<Column>,
    #[prost(message, tag = "3")]
    pub fields: Option<Column>,
    #[prost(bytes = "bytes", tag = "4")]
    pub radio_ids: Bytes,
    #[prost(message, tag = "5")]
    pub ids: Option<Texts>,
    #[prost(message, tag = "6")]
    pub networks: Option<Texts>,
    #[prost(message, tag = "7")]
    pub short_names: Option<Texts>,
    #[prost(message, tag = "8")]
    pub long_names: Option<Texts>,
    #[prost(message, tag = "9")]
    pub hw_models: Option<Texts>,
    #[prost(message, tag = "10")]
    pub roles: Option<Texts>,
    #[prost(message, tag = "11")]
    pub firmwares: Option<Texts>,
    #[prost(message, tag = "12")]
    pub channels: Option<Texts>,
    #[prost(message, tag = "13")]
    pub status: Option<NodeStatus>,
    #[prost(message, tag = "14")]
    pub positions: Option<PositionUpdate>,
    #[prost(message, tag = "15")]
    pub telemetry: Option<TelemetryColumns>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct TelemetryColumns {
    #[prost(message, tag = "1")]
    pub times: Option<Column>,
    #[prost(uint32, tag = "2")]
    pub time_unit_ms: u32,
    #[prost(message, repeated, tag = "3")]
    pub metrics: Vec<MetricColumn>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct MetricColumn {
    #[prost(uint32, tag = "1")]
    pub metric: u32,
    #[prost(message, tag = "2")]
    pub lacking: Option<Column>,
    #[prost(message, tag = "3")]
    pub values: Option<Decimals>,
}

#[derive(Clone, PartialEq, Eq, Message)]
#[expect(clippy::struct_field_names, reason = "the description has this name")]
pub(in crate::http) struct Texts {
    #[prost(uint32, tag = "1")]
    pub count: u32,
    #[prost(message, tag = "2")]
    pub lengths: Option<Column>,
    #[prost(bytes = "bytes", tag = "3")]
    pub texts: Bytes,
    #[prost(message, tag = "4")]
    pub choices: Option<Column>,
}
