//! One WebSocket: carries what the session decides and what the map delivers.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        Query, State, WebSocketUpgrade,
        rejection::QueryRejection,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    response::Response,
};
use futures_util::SinkExt;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{Instrument, debug, debug_span};

use super::{
    AppState,
    error::ApiError,
    filter, frames,
    protocol::{CloseReason, PROTOCOL, ServerMessage},
    session::{Action, Session},
};
use crate::{
    broadcast::{Delivery, Stopped, Viewer},
    domain::Filter,
};

/// How long each step of a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Longest message from a client.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A client reads a lot and says little: the default buffers would cost 134 KiB a connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
const WRITE_BUFFER_BYTES: usize = 16 << 10;

/// A subscription in the URL.
#[derive(Debug, Deserialize)]
pub(super) struct SocketQuery {
    bbox: Option<String>,
    types: Option<String>,
    ids: Option<String>,
}

impl SocketQuery {
    fn filter(&self) -> Result<Option<Filter>, ApiError> {
        if self.bbox.is_none() && self.types.is_none() && self.ids.is_none() {
            return Ok(None);
        }
        let parts = [&self.bbox, &self.types, &self.ids].map(|part| part.as_deref());
        Ok(Some(filter::from_query(parts[0], parts[1], parts[2])?))
    }
}

/// `GET /api/ws`
pub(super) async fn upgrade(
    State(state): State<AppState>,
    query: Result<Query<SocketQuery>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let filter = query?.0.filter()?;
    // Taken here, so that a stop between the answer and the first frame waits for the socket.
    let token = state.sockets.token();
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(async move |socket| {
        serve(state, socket, filter).await;
        drop(token);
    }))
}

async fn serve(state: AppState, socket: WebSocket, filter: Option<Filter>) {
    state.metrics.ws_connections.inc();
    let span = debug_span!("ws");
    let mut connection = Connection { socket, state, session: Session::default() };
    let end = connection.converse(filter).instrument(span).await;
    debug!("a client is gone: {end:?}");
    match end {
        End::HangUp(reason) => connection.hang_up(reason).await,
        End::Farewell => connection.see_off().await,
        End::Gone => {}
    }
    connection.state.metrics.ws_connections.dec();
}

/// Why a conversation ended.
#[derive(Debug)]
enum End {
    /// The server hangs up.
    HangUp(CloseReason),
    /// The client hangs up.
    Farewell,
    /// The connection broke.
    Gone,
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        Self::HangUp(CloseReason::GoingAway)
    }
}

struct Connection {
    socket: WebSocket,
    state: AppState,
    session: Session,
}

impl Connection {
    async fn converse(&mut self, filter: Option<Filter>) -> End {
        match self.try_converse(filter).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_converse(
        &mut self,
        filter: Option<Filter>,
    ) -> Result<std::convert::Infallible, End> {
        let live = self.state.live.clone();
        let viewer = live.join().await?;
        let hello = frames::encode(&ServerMessage::Hello {
            protocol: PROTOCOL,
            server: concat!("geocast/", env!("CARGO_PKG_VERSION")),
            epoch: live.epoch(),
            revision: live.revision().await?.0,
            tick_ms: live.tick_ms(),
            heartbeat_ms: millis(self.state.pulse.heartbeat),
            timeout_ms: millis(self.state.pulse.timeout),
        });
        self.send(text(hello)).await?;
        if let Some(filter) = filter {
            let action = self.session.on_query(filter);
            self.act(&viewer, action).await?;
        }
        let mut last_sign = Instant::now();
        let mut heartbeat = interval(self.state.pulse.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.socket.recv() => {
                    last_sign = Instant::now();
                    match message {
                        Some(Ok(message)) => self.hear(&viewer, message).await?,
                        Some(Err(_)) => return Err(End::HangUp(CloseReason::Unreadable)),
                        None => return Err(End::Gone),
                    }
                }
                delivery = viewer.next() => match delivery {
                    Some(delivery) => {
                        self.deliver(&delivery).await?;
                        // A client that takes what it is sent lives, however long that takes it.
                        last_sign = Instant::now();
                        viewer.delivered().await?;
                    }
                    None => return Err(End::HangUp(CloseReason::GoingAway)),
                },
                _ = heartbeat.tick() => {
                    if last_sign.elapsed() >= self.state.pulse.timeout {
                        return Err(End::HangUp(CloseReason::TimedOut));
                    }
                    self.send(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    async fn hear(&mut self, viewer: &Viewer, message: Message) -> Result<(), End> {
        let action = match message {
            Message::Text(text) => self.session.on_text(&text, self.state.clock.now()),
            Message::Binary(_) => Session::on_binary(),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Farewell),
        };
        self.act(viewer, action).await
    }

    async fn act(&mut self, viewer: &Viewer, action: Action) -> Result<(), End> {
        match action {
            Action::Subscribe(filter, resume) => viewer.subscribe(filter, resume).await?,
            Action::Unsubscribe => viewer.unsubscribe().await?,
            Action::Snapshot => viewer.request_snapshot().await?,
            Action::Answer(frame) => self.send(text(frame)).await?,
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<(), End> {
        let live = self.state.live.clone();
        for frame in frames::of(live.epoch(), delivery) {
            self.feed(text(frame)).await?;
        }
        self.patiently(async |socket| socket.flush().await).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        self.feed(message).await?;
        self.patiently(async |socket| socket.flush().await).await
    }

    async fn feed(&mut self, message: Message) -> Result<(), End> {
        if let Message::Text(text) = &message {
            self.state.metrics.ws_frames.inc();
            self.state.metrics.ws_bytes.inc_by(text.len() as u64);
        }
        self.patiently(async |socket| socket.feed(message).await).await
    }

    /// Waits until the socket has taken what is written. A client that takes nothing
    /// until the timeout is given up.
    async fn patiently(
        &mut self,
        write: impl AsyncFnOnce(&mut WebSocket) -> Result<(), axum::Error>,
    ) -> Result<(), End> {
        let patience = self.state.pulse.timeout;
        match timeout(patience, write(&mut self.socket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::HangUp(CloseReason::TimedOut)),
        }
    }

    /// Says why, if the client still takes it, and waits a moment for its answer.
    async fn hang_up(&mut self, reason: CloseReason) {
        let frame = CloseFrame { code: reason.code(), reason: reason.text().into() };
        let goodbye = self.socket.send(Message::Close(Some(frame)));
        if matches!(timeout(GOODBYE, goodbye).await, Ok(Ok(()))) {
            self.see_off().await;
        }
    }

    /// Reads to the end, which is when both sides have said goodbye. A client that does not wait
    /// for that loses nothing by it.
    async fn see_off(&mut self) {
        let to_the_end = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        drop(timeout(GOODBYE, to_the_end).await);
    }
}

fn text(frame: Bytes) -> Message {
    Message::Text(Utf8Bytes::try_from(frame).expect("frames are JSON, which is UTF-8"))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
