//! What the server says.

use bytes::Bytes;
use prost::{Message, Oneof};

use super::{Cell, Column, Decimals, Node, NodeColumns, Telemetry, TextMessage};

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct ServerMessage {
    #[prost(oneof = "ServerKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub kind: Option<ServerKind>,
}

#[derive(Clone, PartialEq, Oneof)]
#[expect(clippy::large_enum_variant, reason = "one is made for a frame, written and dropped")]
pub(in crate::http) enum ServerKind {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Snapshot(Snapshot),
    #[prost(message, tag = "3")]
    NodeEnter(NodeList),
    #[prost(message, tag = "4")]
    NodeUpdate(NodeList),
    #[prost(message, tag = "5")]
    PositionUpdate(PositionUpdate),
    #[prost(message, tag = "6")]
    TelemetryUpdate(TelemetryUpdate),
    #[prost(message, tag = "7")]
    NodeStatus(NodeStatus),
    #[prost(message, tag = "8")]
    NodeLeave(NodeLeave),
    #[prost(message, tag = "9")]
    Message(MessageList),
    #[prost(message, tag = "10")]
    CellUpdate(CellUpdate),
    #[prost(message, tag = "11")]
    Pong(Pong),
    #[prost(message, tag = "12")]
    Error(Error),
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Hello {
    #[prost(uint32, tag = "1")]
    pub protocol: u32,
    #[prost(string, tag = "2")]
    pub server: String,
    #[prost(string, tag = "3")]
    pub epoch: String,
    #[prost(uint64, tag = "4")]
    pub revision: u64,
    #[prost(uint64, tag = "5")]
    pub tick_ms: u64,
    #[prost(uint64, tag = "6")]
    pub heartbeat_ms: u64,
    #[prost(uint64, tag = "7")]
    pub timeout_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Snapshot {
    #[prost(string, tag = "1")]
    pub epoch: String,
    #[prost(uint64, tag = "2")]
    pub revision: u64,
    #[prost(bool, tag = "3")]
    pub full: bool,
    #[prost(message, repeated, tag = "4")]
    pub nodes: Vec<Node>,
    #[prost(uint32, repeated, tag = "5")]
    pub removed: Vec<u32>,
    #[prost(message, repeated, tag = "6")]
    pub messages: Vec<TextMessage>,
    #[prost(message, repeated, tag = "7")]
    pub cells: Vec<Cell>,
    #[prost(uint32, tag = "8")]
    pub zoom: u32,
    #[prost(bool, tag = "9")]
    pub more: bool,
    #[prost(message, repeated, tag = "10")]
    pub columns: Vec<NodeColumns>,
}

/// `NodeEnter` and `NodeUpdate`. Each node is an encoded [`Node`]: the bytes of a message in a list
/// are those of a field of bytes, so what was written once is put into many lists.
#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeList {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub nodes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct PositionUpdate {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(uint32, tag = "3")]
    pub count: u32,
    #[prost(bool, tag = "4")]
    pub relative: bool,
    #[prost(message, tag = "5")]
    pub numbers: Option<Column>,
    #[prost(message, tag = "6")]
    pub latitudes: Option<Column>,
    #[prost(message, tag = "7")]
    pub longitudes: Option<Column>,
    #[prost(message, tag = "8")]
    pub times: Option<Column>,
    #[prost(uint32, tag = "9")]
    pub time_unit_ms: u32,
    #[prost(message, tag = "10")]
    pub fields: Option<Column>,
    #[prost(message, tag = "11")]
    pub altitudes: Option<Column>,
    #[prost(message, tag = "12")]
    pub ground_speeds: Option<Decimals>,
    #[prost(message, tag = "13")]
    pub ground_tracks: Option<Decimals>,
    #[prost(message, tag = "14")]
    pub sats_in_view: Option<Column>,
    #[prost(message, tag = "15")]
    pub precision_bits: Option<Column>,
}

/// Each reading is an encoded [`NodeTelemetry`].
#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct TelemetryUpdate {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub telemetry: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeTelemetry {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(message, tag = "2")]
    pub telemetry: Option<Telemetry>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeStatus {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(uint32, tag = "3")]
    pub count: u32,
    #[prost(message, tag = "4")]
    pub numbers: Option<Column>,
    #[prost(message, tag = "5")]
    pub online: Option<Column>,
    #[prost(message, tag = "6")]
    pub last_heard: Option<Column>,
    #[prost(uint32, tag = "7")]
    pub time_unit_ms: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeLeave {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(uint32, repeated, tag = "3")]
    pub numbers: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct MessageList {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(message, repeated, tag = "3")]
    pub messages: Vec<TextMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct CellUpdate {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(bool, tag = "2")]
    pub more: bool,
    #[prost(message, repeated, tag = "3")]
    pub cells: Vec<Cell>,
    #[prost(uint32, tag = "4")]
    pub zoom: u32,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Pong {
    #[prost(double, optional, tag = "1")]
    pub id: Option<f64>,
    #[prost(int64, tag = "2")]
    pub time: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Error {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(uint64, optional, tag = "3")]
    pub retry_after_ms: Option<u64>,
}
