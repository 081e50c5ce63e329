//! The messages of `geocast.v1.proto`, field by field. What they mean stands there, and the test
//! below reads with it what is written with these.

mod client;
mod columns;
mod parts;
mod server;
#[cfg(test)]
mod tests;

pub(in crate::http) use client::*;
pub(in crate::http) use columns::*;
pub(in crate::http) use parts::*;
pub(in crate::http) use server::*;
