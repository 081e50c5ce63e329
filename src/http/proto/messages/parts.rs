//! What messages are made of.

use bytes::Bytes;
use prost::Message;

#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http) struct Column {
    #[prost(uint32, tag = "1")]
    pub shift: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub bits: Bytes,
}

#[derive(Clone, PartialEq, Message)]
#[expect(clippy::struct_field_names, reason = "the description has this name")]
pub(in crate::http) struct Decimals {
    #[prost(uint32, tag = "1")]
    pub decimals: u32,
    #[prost(message, tag = "2")]
    pub values: Option<Column>,
    #[prost(double, repeated, tag = "3")]
    pub exact: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Node {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(string, optional, tag = "2")]
    pub id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub network: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub short_name: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub long_name: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub hw_model: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub role: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub firmware: Option<String>,
    #[prost(string, optional, tag = "9")]
    pub channel: Option<String>,
    #[prost(bool, optional, tag = "10")]
    pub online: Option<bool>,
    #[prost(int64, optional, tag = "11")]
    pub last_heard: Option<i64>,
    #[prost(message, tag = "12")]
    pub position: Option<Position>,
    #[prost(message, tag = "13")]
    pub telemetry: Option<Telemetry>,
    #[prost(message, tag = "14")]
    pub links: Option<Links>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Position {
    #[prost(sint32, tag = "1")]
    pub latitude: i32,
    #[prost(sint32, tag = "2")]
    pub longitude: i32,
    #[prost(sint32, optional, tag = "3")]
    pub altitude: Option<i32>,
    #[prost(int64, tag = "4")]
    pub time: i64,
    #[prost(double, optional, tag = "5")]
    pub ground_speed: Option<f64>,
    #[prost(double, optional, tag = "6")]
    pub ground_track: Option<f64>,
    #[prost(uint32, optional, tag = "7")]
    pub sats_in_view: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    pub precision_bits: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Telemetry {
    #[prost(int64, tag = "1")]
    pub time: i64,
    #[prost(uint32, repeated, tag = "2")]
    pub metrics: Vec<u32>,
    #[prost(double, repeated, tag = "3")]
    pub values: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Links {
    #[prost(message, repeated, tag = "1")]
    pub links: Vec<Link>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Link {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(double, optional, tag = "2")]
    pub snr: Option<f64>,
    #[prost(int64, tag = "3")]
    pub time: i64,
}

/// `Message` in the description: the trait has that name here.
#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct TextMessage {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub network: String,
    #[prost(string, tag = "3")]
    pub from: String,
    #[prost(string, optional, tag = "4")]
    pub channel: Option<String>,
    #[prost(string, tag = "5")]
    pub text: String,
    #[prost(int64, tag = "6")]
    pub time: i64,
    #[prost(message, tag = "7")]
    pub waypoint: Option<Waypoint>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::http) struct Waypoint {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(sint32, tag = "2")]
    pub latitude: i32,
    #[prost(sint32, tag = "3")]
    pub longitude: i32,
    #[prost(string, tag = "4")]
    pub description: String,
    #[prost(uint32, optional, tag = "5")]
    pub icon: Option<u32>,
    #[prost(int64, optional, tag = "6")]
    pub expires: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(in crate::http) struct Cell {
    #[prost(uint32, tag = "1")]
    pub x: u32,
    #[prost(uint32, tag = "2")]
    pub y: u32,
    #[prost(uint32, tag = "3")]
    pub total: u32,
    #[prost(uint32, tag = "4")]
    pub online: u32,
}
