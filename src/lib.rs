//! geocast puts a mesh network on a live map: MQTT in, viewport diffs out.

#[macro_use]
mod select;

pub mod app;
pub mod bench;
pub mod broadcast;
pub mod capture;
pub mod config;
pub mod demo;
pub mod domain;
pub mod http;
pub mod ingest;
pub mod maintenance;
mod outbound;
mod rooms;
pub mod storage;
pub mod telemetry;
mod warden;
mod wiring;
