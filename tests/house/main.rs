//! The whole house from outside: the built binary, real brokers, HTTP and sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod capture;
mod command_line;
mod conversation;
mod durability;
mod harness;
mod live_view;
mod pulse;
mod questions;

#[path = "../support/mosquitto.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod mosquitto;
