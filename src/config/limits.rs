//! The limits on clients of the map.

use std::time::Duration;

use clap::{Args, CommandFactory, error::ErrorKind};
use ipnet::IpNet;

use super::values;

/// Limits on those who look at the map. Those by address do not hold for loopback, unless a
/// trusted proxy names the client.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits on clients")]
pub struct Limits {
    /// Connections at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, env = "GEOCAST_MAX_CONNECTIONS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,

    /// Connections of one address at a time; a /64 of IPv6 is one address.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(env = "GEOCAST_MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: u32,

    /// Messages a second on one WebSocket, in the long run.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = rate(), env = "GEOCAST_MAX_MESSAGES_PER_SECOND")]
    pub max_messages_per_second: u32,

    /// Messages at once on one WebSocket.
    #[arg(long, value_name = "COUNT", default_value_t = 500, env = "GEOCAST_MESSAGE_BURST")]
    #[arg(value_parser = rate())]
    pub message_burst: u32,

    /// Messages and requests a second of one address, in the long run.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    #[arg(value_parser = rate(), env = "GEOCAST_MAX_MESSAGES_PER_SECOND_PER_ADDRESS")]
    pub max_messages_per_second_per_address: u32,

    /// Messages and requests at once of one address.
    #[arg(long, value_name = "COUNT", default_value_t = 2000)]
    #[arg(value_parser = rate(), env = "GEOCAST_MESSAGE_BURST_PER_ADDRESS")]
    pub message_burst_per_address: u32,

    /// Subscriptions a minute on one WebSocket, in the long run; moving the view is one.
    #[arg(long, value_name = "COUNT", default_value_t = 1200)]
    #[arg(value_parser = rate(), env = "GEOCAST_MAX_SUBSCRIPTIONS_PER_MINUTE")]
    pub max_subscriptions_per_minute: u32,

    /// Subscriptions at once on one WebSocket.
    #[arg(long, value_name = "COUNT", default_value_t = 500, env = "GEOCAST_SUBSCRIPTION_BURST")]
    #[arg(value_parser = rate())]
    pub subscription_burst: u32,

    /// Subscriptions a minute of one address, in the long run.
    #[arg(long, value_name = "COUNT", default_value_t = 6000)]
    #[arg(value_parser = rate(), env = "GEOCAST_MAX_SUBSCRIPTIONS_PER_MINUTE_PER_ADDRESS")]
    pub max_subscriptions_per_minute_per_address: u32,

    /// Subscriptions at once of one address.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    #[arg(value_parser = rate(), env = "GEOCAST_SUBSCRIPTION_BURST_PER_ADDRESS")]
    pub subscription_burst_per_address: u32,

    /// Requests a minute of one address, in the long run, for anything but the page's own files.
    #[arg(long, value_name = "COUNT", default_value_t = 1200)]
    #[arg(value_parser = rate(), env = "GEOCAST_MAX_REQUESTS_PER_MINUTE_PER_ADDRESS")]
    pub max_requests_per_minute_per_address: u32,

    /// Requests at once of one address, for anything but the page's own files.
    #[arg(long, value_name = "COUNT", default_value_t = 600)]
    #[arg(value_parser = rate(), env = "GEOCAST_REQUEST_BURST_PER_ADDRESS")]
    pub request_burst_per_address: u32,

    /// Longest message from a client, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1024..=1 << 24))]
    #[arg(env = "GEOCAST_MAX_MESSAGE_BYTES")]
    pub max_message_bytes: u32,

    /// How long the head of a request may take, and a connection may wait for the next one.
    #[arg(long, value_name = "SPAN", default_value = "10s", env = "GEOCAST_HANDSHAKE_TIMEOUT")]
    #[arg(value_parser = values::span)]
    pub handshake_timeout: Duration,

    /// How often a WebSocket's client is asked for a sign of life.
    #[arg(long, value_name = "SPAN", default_value = "30s", env = "GEOCAST_HEARTBEAT")]
    #[arg(value_parser = values::span)]
    pub heartbeat: Duration,

    /// How long a client may be silent, or take nothing, before it is hung up on; longer than the
    /// heartbeat.
    #[arg(long, value_name = "SPAN", default_value = "60s", env = "GEOCAST_CLIENT_TIMEOUT")]
    #[arg(value_parser = values::span)]
    pub client_timeout: Duration,

    /// How many bytes are written to a client before its own messages get a turn.
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10, env = "GEOCAST_WRITE_BUDGET")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub write_budget: u32,

    /// A proxy, by its address or network as in 10.0.0.0/8, that is believed when it says for whom
    /// it speaks (X-Forwarded-For, X-Forwarded-Host); may be given several times.
    #[arg(long, value_name = "ADDRESS", env = "GEOCAST_TRUSTED_PROXY", value_delimiter = ',')]
    #[arg(value_parser = values::network)]
    pub trusted_proxy: Vec<IpNet>,

    /// A site whose pages may use this server beside its own, as scheme and host without a path,
    /// or * for all; may be given several times.
    #[arg(long, value_name = "ORIGIN", env = "GEOCAST_ALLOW_ORIGIN", value_delimiter = ',')]
    #[arg(value_parser = values::web_origin)]
    pub allow_origin: Vec<String>,
}

impl Limits {
    /// Whether they go together.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.heartbeat < self.client_timeout {
            return Ok(());
        }
        let message = "--client-timeout must be longer than --heartbeat";
        Err(super::Cli::command().error(ErrorKind::ValueValidation, message))
    }
}

/// A count that something may happen.
fn rate() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000_000)
}
