//! What one client, one address and all together may ask for.

use std::time::Duration;

use ipnet::IpNet;

use super::{bucket::Rate, origin::AllowedOrigins};

/// The limits on clients. Those by address do not hold for loopback, unless a trusted proxy names
/// the client.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one address at a time.
    pub connections_per_address: usize,
    /// How long the head of a request may take, and a connection may wait for the next one.
    pub handshake: Duration,
    /// Messages on one WebSocket, pings and pongs included.
    pub messages: Rate,
    /// Messages of one address.
    pub messages_per_address: Rate,
    /// Subscriptions and requests for snapshots on one WebSocket.
    pub subscriptions: Rate,
    /// Those of one address.
    pub subscriptions_per_address: Rate,
    /// Questions of one address: requests for anything but the page's files.
    pub questions_per_address: Rate,
    /// Longest message from a client.
    pub message_bytes: usize,
    /// How much is written to a client before its own messages get a turn.
    pub write_budget_bytes: usize,
    /// Proxies that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// The sites, beside our own, whose pages may speak to this server.
    pub origins: AllowedOrigins,
}

impl Default for Limits {
    fn default() -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        Self {
            connections: 10_000,
            connections_per_address: 100,
            handshake: Duration::from_secs(10),
            messages: Rate::new(50, second, 500),
            messages_per_address: Rate::new(500, second, 2000),
            subscriptions: Rate::new(1200, minute, 500),
            subscriptions_per_address: Rate::new(6000, minute, 1000),
            questions_per_address: Rate::new(1200, minute, 600),
            message_bytes: 16 << 10,
            write_budget_bytes: 256 << 10,
            trusted_proxies: Vec::new(),
            origins: AllowedOrigins::default(),
        }
    }
}
