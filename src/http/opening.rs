//! What every conversation begins with.

use std::time::Duration;

use axum::http::{HeaderMap, header};

use super::{
    AppState,
    client::hosts,
    error::ApiError,
    gate::{Client, Refusal},
    protocol::{PROTOCOL, ServerMessage},
};
use crate::broadcast::Stopped;

/// Lets in the pages of those sites only that may speak to this server.
pub(super) fn check_origin(
    state: &AppState,
    client: &Client,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let hosts = hosts(headers, client.is_proxied);
    if state.limits.origins.allow(headers.get(header::ORIGIN), hosts) {
        return Ok(());
    }
    state.metrics.refused(Refusal::ForeignOrigin);
    Err(Refusal::ForeignOrigin.into())
}

/// The first message.
pub(super) async fn hello(state: &AppState) -> Result<ServerMessage<'_>, Stopped> {
    Ok(ServerMessage::Hello {
        protocol: PROTOCOL,
        server: concat!("geocast/", env!("CARGO_PKG_VERSION")),
        epoch: state.live.epoch(),
        revision: state.live.revision().await?.0,
        tick_ms: state.live.tick_ms(),
        heartbeat_ms: millis(state.pulse.heartbeat),
        timeout_ms: millis(state.pulse.timeout),
    })
}

/// Whole milliseconds.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
