//! Ingest and capture against a real broker: mosquitto for what geocast is a client of, and
//! mosquitto's tools for the broker that geocast is itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod capture;
#[cfg(feature = "broker")]
mod embedded;
mod harness;
mod intake;
#[path = "../support/mosquitto.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod mosquitto;
mod source;
mod watch;
