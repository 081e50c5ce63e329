//! The whole house from outside: the built binary, real brokers, HTTP and sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod analysis;
mod asyncapi;
mod bench;
mod binary;
mod brokers;
mod capture;
mod clocks;
mod command_line;
mod conversation;
mod cot;
mod durability;
mod etags;
mod events;
mod filters;
mod full_disk;
mod harness;
mod hostile;
mod import;
mod kills;
mod kml;
mod limits;
mod live_view;
mod metrics;
mod ogc;
mod one_writer;
mod openapi;
mod origins;
mod policy;
mod postgres;
mod pressure;
mod pulse;
mod quarantine;
mod questions;
mod request_ids;
mod resume;
mod retention;
mod slow;
mod stats;
mod storm;
mod streamed;
mod tiles;
mod traces;
mod upkeep;
mod upkeep_on_postgres;
mod violations;
mod withheld;

#[path = "../support/mosquitto.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod mosquitto;

#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod postgres_server;

#[path = "../support/proxy.rs"]
mod proxy;
