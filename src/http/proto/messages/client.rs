//! What a client says.

use prost::{Enumeration, Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct ClientMessage {
    #[prost(oneof = "ClientKind", tags = "1, 2, 3, 4")]
    pub kind: Option<ClientKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(in crate::http) enum ClientKind {
    #[prost(message, tag = "1")]
    Subscribe(Subscribe),
    #[prost(message, tag = "2")]
    Unsubscribe(Empty),
    #[prost(message, tag = "3")]
    RequestSnapshot(Empty),
    #[prost(message, tag = "4")]
    Ping(Ping),
}

/// `Unsubscribe` and `RequestSnapshot`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Subscribe {
    #[prost(message, tag = "1")]
    pub filter: Option<Filter>,
    #[prost(message, tag = "2")]
    pub resume: Option<Resume>,
    #[prost(bool, tag = "3")]
    pub columns: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Ping {
    #[prost(double, optional, tag = "1")]
    pub id: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Filter {
    #[prost(message, tag = "1")]
    pub bounds: Option<Area>,
    #[prost(message, tag = "2")]
    pub node_ids: Option<NodeIds>,
    #[prost(message, tag = "3")]
    pub also_ids: Option<NodeIds>,
    #[prost(message, tag = "4")]
    pub message_types: Option<MessageTypes>,
    #[prost(message, tag = "5")]
    pub cells: Option<Cells>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Area {
    #[prost(message, repeated, tag = "1")]
    pub rectangles: Vec<Bounds>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Bounds {
    #[prost(double, tag = "1")]
    pub north: f64,
    #[prost(double, tag = "2")]
    pub south: f64,
    #[prost(double, tag = "3")]
    pub east: f64,
    #[prost(double, tag = "4")]
    pub west: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct NodeIds {
    #[prost(string, repeated, tag = "1")]
    pub ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct MessageTypes {
    #[prost(enumeration = "MessageType", repeated, tag = "1")]
    pub types: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(in crate::http) enum MessageType {
    Unspecified = 0,
    Node = 1,
    Position = 2,
    Telemetry = 3,
    Message = 4,
    Status = 5,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Cells {
    #[prost(uint32, tag = "1")]
    pub zoom: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Resume {
    #[prost(string, tag = "1")]
    pub epoch: String,
    #[prost(uint64, tag = "2")]
    pub revision: u64,
}
