//! Says back what it is told, over the same layers as the live conversation: for suites that test the
//! WebSocket protocol as such, and know nothing of maps.

use std::{future::pending, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tungstenite::{Message, protocol::CloseFrame};

use super::{
    Limits, Metrics, Pulse,
    accept::{Listener, Server},
    error::ApiError,
    gate::Gate,
    handshake::handshake,
    lane::FrameKind,
    line::Line,
    protocol::CloseReason,
    request_id::RequestIds,
    socket::GOODBYE,
    wire::{Event, Wire},
};

/// Longer than what the live map takes of a client: suites send messages of 16 MiB.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Serves an echo at `/`, for tests, until it is dropped.
#[doc(hidden)]
pub async fn serve_echo(listener: impl Listener) {
    let (limits, metrics) = (Limits::default(), Metrics::default());
    let sockets = TaskTracker::new();
    let server = Server {
        tls: None,
        is_for_others: false,
        ids: Arc::new(RequestIds::new("echo")),
        handshake: limits.handshake,
        patience: Pulse::default().timeout,
        gate: Arc::new(Gate::new(limits, metrics.connections.clone())),
        metrics,
        router: Router::new().route("/", get(upgrade)).with_state(sockets),
    };
    server.run(listener, pending()).await;
}

async fn upgrade(
    State(sockets): State<TaskTracker>,
    request: Request,
) -> Result<Response, ApiError> {
    let (answer, _, upgrade) = handshake(request)?;
    sockets.spawn(async {
        if let Ok(io) = upgrade.await {
            echo(TokioIo::new(io)).await;
        }
    });
    Ok(answer)
}

async fn echo(io: TokioIo<Upgraded>) {
    let wire = Wire::new(io, FrameKind::Text, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES);
    let line = Line::new(wire);
    loop {
        match line.event(None).await {
            Event::Heard(Message::Text(text)) => line.answer_as(FrameKind::Text, text.into()),
            Event::Heard(Message::Binary(bytes)) => line.answer_as(FrameKind::Binary, bytes),
            Event::Heard(Message::Close(_)) => {
                drop(timeout(GOODBYE, line.see_off()).await);
                return;
            }
            Event::Heard(_) | Event::Flushed | Event::Delivered => {}
            Event::Unreadable(fault) => {
                let reason = CloseReason::from(fault);
                let frame = CloseFrame { code: reason.code().into(), reason: reason.text().into() };
                if line.say_goodbye(frame).await.is_ok() {
                    drop(timeout(GOODBYE, line.swallow()).await);
                }
                return;
            }
            Event::Gone => return,
        }
    }
}
