//! What clients may ask for, from the settings.

use std::time::Duration;

use crate::{
    config,
    http::{self, Rate},
};

pub(crate) fn pulse(limits: &config::Limits) -> http::Pulse {
    http::Pulse { heartbeat: limits.heartbeat, timeout: limits.client_timeout }
}

pub(crate) fn limits(limits: &config::Limits) -> http::Limits {
    let per_second = |count, burst| Rate::new(count, Duration::from_secs(1), burst);
    let per_minute = |count, burst| Rate::new(count, Duration::from_mins(1), burst);
    http::Limits {
        connections: limits.max_connections as usize,
        connections_per_address: limits.max_connections_per_address as usize,
        handshake: limits.handshake_timeout,
        messages: per_second(limits.max_messages_per_second, limits.message_burst),
        messages_per_address: per_second(
            limits.max_messages_per_second_per_address,
            limits.message_burst_per_address,
        ),
        subscriptions: per_minute(limits.max_subscriptions_per_minute, limits.subscription_burst),
        subscriptions_per_address: per_minute(
            limits.max_subscriptions_per_minute_per_address,
            limits.subscription_burst_per_address,
        ),
        questions_per_address: per_minute(
            limits.max_requests_per_minute_per_address,
            limits.request_burst_per_address,
        ),
        message_bytes: limits.max_message_bytes as usize,
        write_budget_bytes: limits.write_budget as usize,
        trusted_proxies: limits.trusted_proxy.clone(),
        origins: limits.allow_origin.iter().cloned().collect(),
    }
}
