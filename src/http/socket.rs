//! One WebSocket: carries what the session decides and what the map delivers.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{RawQuery, Request, State},
    response::Response,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{
    Instant, Interval, MissedTickBehavior, Sleep, interval, sleep, sleep_until, timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tracing::{Instrument, debug, debug_span};

use super::{
    AppState,
    allowance::{Allowance, Excess},
    error::ApiError,
    filter,
    frames::{self, Frame, Frames},
    gate::Client,
    handshake::handshake,
    lane::FrameKind,
    opening::{check_origin, hello, millis},
    protocol::{CloseReason, ErrorCode, ServerMessage},
    roster::{Meter, Transport},
    session::{Action, Session},
    wire::{Event, Fault, Rest, Wire},
};
use crate::{
    broadcast::{Delivery, Encoding, Stopped, Viewer},
    domain::Filter,
};

/// How long each step of a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// `GET /api/ws`
pub(super) async fn upgrade(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let filter = filter::from_query(query.as_deref())?;
    check_origin(&state, &client, request.headers())?;
    let (answer, encoding, upgrade) = handshake(request)?;
    state.sockets.clone().spawn(async move {
        let Ok(io) = upgrade.await else { return };
        client.traffic.leave_to_its_owner();
        select! {
            () = serve(&state, client, encoding, TokioIo::new(io), filter) => {}
            () = state.abandon.cancelled() => {}
        }
    });
    Ok(answer)
}

async fn serve(
    state: &AppState,
    client: Client,
    encoding: Encoding,
    io: TokioIo<Upgraded>,
    filter: Option<Filter>,
) {
    let span = debug_span!("ws", client = %client.ip);
    let mut connection = Connection::new(state, client, encoding, io).await;
    let end = connection.converse(filter).instrument(span).await;
    let bytes = connection.client.traffic.written();
    debug!("a client is gone, after {bytes} bytes to it: {end:?}");
    match end {
        End::HangUp(reason) => connection.hang_up(reason, None).await,
        End::Unreadable(fault) => {
            connection.hang_up(fault.into(), Some(fault)).await;
        }
        End::Farewell => connection.see_off().await,
        End::Gone => {}
    }
}

/// Why a conversation ended.
#[derive(Debug)]
enum End {
    /// The server hangs up.
    HangUp(CloseReason),
    /// What the client sends cannot be read.
    Unreadable(Fault),
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

struct Connection<'a> {
    wire: Wire<TokioIo<Upgraded>>,
    state: &'a AppState,
    client: Client,
    encoding: Encoding,
    session: Session,
    allowance: Allowance,
    heartbeat: Interval,
    last_heard: Instant,
    /// Goes off when it may be time to give the client up.
    alarm: Pin<Box<Sleep>>,
    /// Dropped last: who is no longer counted has made room for others.
    meter: Arc<Meter>,
}

impl<'a> Connection<'a> {
    async fn new(
        state: &'a AppState,
        client: Client,
        encoding: Encoding,
        io: TokioIo<Upgraded>,
    ) -> Self {
        let limits = &state.limits;
        let now = Instant::now();
        let kind = match encoding {
            Encoding::Json => FrameKind::Text,
            Encoding::Proto => FrameKind::Binary,
        };
        let since = state.clock.now();
        let meter = state.roster.enter(Transport::Ws, encoding, client.ip, since);
        let mut heartbeat = interval(state.pulse.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            wire: Wire::new(io, kind, limits.message_bytes, limits.write_budget_bytes).await,
            state,
            encoding,
            session: Session::new(encoding),
            allowance: Allowance::new(limits, client.share.clone(), now),
            client,
            meter: Arc::new(meter),
            heartbeat,
            last_heard: now,
            alarm: Box::pin(sleep_until(now + state.pulse.timeout)),
        }
    }

    async fn converse(&mut self, filter: Option<Filter>) -> End {
        match self.try_converse(filter).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_converse(&mut self, filter: Option<Filter>) -> Result<Infallible, End> {
        let state = self.state;
        let live = &state.live;
        let viewer = live.join(self.encoding).await?;
        self.meter.joins(&viewer);
        self.say("hello", &hello(state).await?);
        if let Some(filter) = filter {
            let action = self.session.on_query(filter);
            self.act(&viewer, action).await?;
        }
        let meter = Arc::clone(&self.meter);
        loop {
            let delivery = self.listen(&viewer).await?;
            let sealed_at = delivery.sealed_at;
            let frames = Frames::new(self.encoding, live.epoch(), delivery);
            let mut frames = frames.inspect(|frame| meter.sends(frame)).map(|frame| frame.bytes);
            self.deliver(&viewer, &mut frames).await?;
            meter.delivered(sealed_at);
            viewer.delivered().await?;
        }
    }

    /// Hears the client out until there is something to tell it.
    async fn listen(&mut self, viewer: &Viewer) -> Result<Delivery, End> {
        loop {
            select! {
                delivery = viewer.next() => {
                    return delivery.ok_or(End::HangUp(CloseReason::GoingAway));
                }
                event = self.event(None) => self.handle(viewer, event?).await?,
            }
        }
    }

    /// Tells the client, and hears it out meanwhile.
    async fn deliver(&mut self, viewer: &Viewer, frames: &mut Rest<'_>) -> Result<(), End> {
        loop {
            match self.event(Some(frames)).await? {
                Event::Delivered => return Ok(()),
                event => self.handle(viewer, event).await?,
            }
        }
    }

    /// What happens next on the socket, while the client gives signs of life. Nothing is lost when
    /// it is dropped before.
    async fn event(&mut self, mut frames: Option<&mut Rest<'_>>) -> Result<Event, End> {
        loop {
            select! {
                event = self.wire.event(frames.as_deref_mut()) => return Ok(event),
                () = self.alarm.as_mut() => {
                    let deadline = self.deadline();
                    if deadline <= Instant::now() {
                        return Err(End::HangUp(CloseReason::TimedOut));
                    }
                    self.alarm.as_mut().reset(deadline);
                }
                _ = self.heartbeat.tick() => self.wire.ping().map_err(|_broken| End::Gone)?,
            }
        }
    }

    /// When the client is given up: a client whose socket is full must take something, however
    /// much it says; any other must be heard, or have taken something that did not fit before.
    fn deadline(&self) -> Instant {
        let traffic = &self.client.traffic;
        let sign =
            || traffic.taken_at().map_or(self.last_heard, |taken| taken.max(self.last_heard));
        traffic.stalled_since().unwrap_or_else(sign) + self.state.pulse.timeout
    }

    async fn handle(&mut self, viewer: &Viewer, event: Event) -> Result<(), End> {
        match event {
            Event::Heard(message) => self.hear(viewer, message).await,
            Event::Flushed | Event::Delivered => Ok(()),
            Event::Unreadable(fault) => Err(End::Unreadable(fault)),
            Event::Gone => Err(End::Gone),
        }
    }

    async fn hear(&mut self, viewer: &Viewer, message: Message) -> Result<(), End> {
        let now = Instant::now();
        self.last_heard = now;
        if message.is_close() {
            return Err(End::Farewell);
        }
        if let Err(excess) = self.allowance.message(now) {
            return self.refuse(excess);
        }
        let action = match message {
            Message::Text(text) => self.session.on_text(&text),
            Message::Binary(bytes) => self.session.on_binary(&bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                return Ok(());
            }
        };
        self.meter.hears(action.asked_by());
        if matches!(action, Action::Subscribe(..) | Action::Snapshot)
            && let Err(excess) = self.allowance.subscription(now)
        {
            return self.refuse(excess);
        }
        self.act(viewer, action).await
    }

    async fn act(&mut self, viewer: &Viewer, action: Action) -> Result<(), End> {
        match action {
            Action::Subscribe(filter, resume) => viewer.subscribe(filter, resume).await?,
            Action::Unsubscribe => viewer.unsubscribe().await?,
            Action::Snapshot => viewer.request_snapshot().await?,
            Action::Pong(id) => {
                let time = self.state.clock.now().as_millis();
                self.say("pong", &ServerMessage::Pong { id, time });
            }
            Action::Refuse(mistake) => {
                self.state.metrics.mistaken(mistake.code);
                let (code, message) = (mistake.code, mistake.message);
                self.say("error", &ServerMessage::Error { code, message, retry_after_ms: None });
            }
        }
        Ok(())
    }

    fn refuse(&mut self, excess: Excess) -> Result<(), End> {
        let code = ErrorCode::RateLimited;
        self.state.metrics.mistaken(code);
        match excess {
            Excess::Warn(wait) => {
                let message = "too many messages: this one was ignored".to_owned();
                let retry_after_ms = Some(millis(wait) + 1);
                self.say("error", &ServerMessage::Error { code, message, retry_after_ms });
                Ok(())
            }
            Excess::Ignore => Ok(()),
            Excess::HangUp => Err(End::HangUp(CloseReason::RateLimited)),
        }
    }

    fn say(&mut self, kind: &'static str, message: &ServerMessage<'_>) {
        let frame = Frame { kind, bytes: frames::encode(self.encoding, message) };
        self.meter.sends(&frame);
        self.wire.answer(frame.bytes);
    }

    /// Says why. A client that takes nothing finds it when it reads on, if that is soon enough.
    async fn hang_up(&mut self, reason: CloseReason, fault: Option<Fault>) {
        self.state.metrics.hung_up(reason);
        let frame = CloseFrame { code: reason.code().into(), reason: reason.text().into() };
        let is_stopping = reason == CloseReason::GoingAway;
        let linger = if is_stopping { GOODBYE } else { self.state.pulse.timeout };
        let is_said = select! {
            said = self.wire.say_goodbye(frame) => said.is_ok(),
            () = sleep(linger) => false,
            () = self.state.live.closed(), if !is_stopping => false,
        };
        match fault {
            _ if !is_said => {}
            None => self.see_off().await,
            Some(_) => drop(timeout(GOODBYE, self.wire.swallow()).await),
        }
    }

    /// Waits a moment for the client's goodbye. One that does not wait for ours loses nothing.
    async fn see_off(&mut self) {
        drop(timeout(GOODBYE, self.wire.see_off()).await);
    }
}

impl From<Fault> for CloseReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::NotUtf8 => Self::NotUtf8,
            Fault::Protocol => Self::Violation,
        }
    }
}
