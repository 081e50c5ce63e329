//! One WebSocket: carries what the session decides and what the map delivers.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{RawQuery, Request, State},
    response::Response,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tracing::{Instrument, debug, debug_span};
use tungstenite::{Message, protocol::CloseFrame};

use super::{
    AppState,
    access::Caller,
    allowance::{Allowance, Excess},
    error::ApiError,
    filter,
    frames::{self, Frame, Frames},
    gate::Client,
    handshake::handshake,
    lane::FrameKind,
    line::{Line, Metered},
    opening::{check_origin, hello, millis},
    protocol::{CloseReason, ErrorCode, ServerMessage},
    roster::Transport,
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
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let filter = filter::from_query(query.as_deref())?.map(Box::new);
    check_origin(&state, &client, request.headers())?;
    let (answer, encoding, upgrade) = handshake(request)?;
    state.sockets.clone().spawn(async move {
        let Ok(io) = upgrade.await else { return };
        client.traffic.leave_to_its_owner();
        let stay = state.access.stay(&caller);
        let io = TokioIo::new(io);
        let mut connection = Connection::new(&state, client, caller, encoding, io);
        let dismissed = async {
            match stay {
                Some(stay) => stay.ended().await,
                None => std::future::pending().await,
            }
        };
        select! {
            () = connection.serve(filter) => {}
            () = state.abandon.cancelled() => {}
            () = dismissed => Box::pin(connection.hang_up(CloseReason::Dismissed, None)).await,
        }
    });
    Ok(answer)
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
    state: &'a AppState,
    client: Client,
    /// Who it is, and so what it may be shown.
    caller: Box<Caller>,
    encoding: Encoding,
    session: Session,
    allowance: Allowance,
    next_heartbeat: Instant,
    last_heard: Instant,
    /// Goes off when a heartbeat is due, or it may be time to give the client up.
    alarm: Pin<Box<Sleep>>,
    /// Dropped last, as it counts.
    outlet: Arc<Metered<TokioIo<Upgraded>>>,
}

impl<'a> Connection<'a> {
    fn new(
        state: &'a AppState,
        client: Client,
        caller: Caller,
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
        let next_heartbeat = now + state.pulse.heartbeat;
        let wire = Wire::new(io, kind, limits.message_bytes, limits.write_budget_bytes);
        Self {
            state,
            encoding,
            session: Session::new(encoding),
            allowance: Allowance::new(client.share.clone(), now),
            client,
            caller: Box::new(caller),
            outlet: Arc::new(Metered { line: Line::new(wire), meter }),
            next_heartbeat,
            last_heard: now,
            alarm: Box::pin(sleep_until(state.beat.at(next_heartbeat))),
        }
    }

    /// From hello to goodbye. A task holds as much as the greatest of its waits: what happens once,
    /// or seldom, is boxed and not kept.
    async fn serve(&mut self, filter: Option<Box<Filter>>) {
        let span = debug_span!("ws", client = %self.client.ip);
        let end = self.converse(filter).instrument(span).await;
        let bytes = self.client.traffic.written();
        debug!("a client is gone, after {bytes} bytes to it: {end:?}");
        Box::pin(self.end(end)).await;
    }

    async fn converse(&mut self, filter: Option<Box<Filter>>) -> End {
        match self.try_converse(filter).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_converse(&mut self, filter: Option<Box<Filter>>) -> Result<Infallible, End> {
        let viewer = &Box::pin(self.open(filter)).await?;
        loop {
            let delivery = self.listen(viewer).await?;
            let sealed_at = delivery.sealed_at;
            let outlet = Arc::clone(&self.outlet);
            let frames = Frames::new(self.encoding, self.state.live.epoch(), delivery);
            let frames = frames.in_form(self.session.form());
            let frames = frames.inspect(move |frame| outlet.meter.sends(frame));
            let frames = frames.map(|frame| [frame.lead, frame.rest]);
            self.deliver(viewer, &mut Box::new(frames)).await?;
            self.outlet.meter.delivered(sealed_at);
            viewer.delivered().await?;
        }
    }

    /// Takes a place on the map, and says hello.
    async fn open(&mut self, filter: Option<Box<Filter>>) -> Result<Viewer, End> {
        let state = self.state;
        let outlet = Arc::clone(&self.outlet);
        let viewer = state.live.join_with(self.encoding, outlet).await?;
        self.outlet.meter.joins(&viewer);
        self.say("hello", &hello(state).await?);
        if let Some(filter) = filter {
            let action = Session::on_query(*filter);
            self.act(&viewer, action).await?;
        }
        Ok(viewer)
    }

    /// Hears the client out until there is something to tell it.
    async fn listen(&mut self, viewer: &Viewer) -> Result<Delivery, End> {
        loop {
            let event = tokio::select! {
                // First: what is delivered goes on being late. While it is written the client is
                // heard by turns.
                biased;
                delivery = viewer.next() => {
                    return delivery.ok_or(End::HangUp(CloseReason::GoingAway));
                }
                event = self.event(None) => event?,
            };
            if let Some(action) = self.handle(event)? {
                Box::pin(self.act(viewer, action)).await?;
            }
        }
    }

    /// Tells the client, and hears it out meanwhile.
    async fn deliver(&mut self, viewer: &Viewer, frames: &mut Rest<'_>) -> Result<(), End> {
        loop {
            let event = self.event(Some(frames)).await?;
            if matches!(event, Event::Delivered) {
                return Ok(());
            }
            if let Some(action) = self.handle(event)? {
                Box::pin(self.act(viewer, action)).await?;
            }
        }
    }

    /// What happens next on the socket, while the client gives signs of life. Nothing is lost when
    /// it is dropped before.
    async fn event(&mut self, mut frames: Option<&mut Rest<'_>>) -> Result<Event, End> {
        loop {
            select! {
                event = self.outlet.line.event(frames.as_deref_mut()) => return Ok(event),
                () = self.alarm.as_mut() => self.take_pulse()?,
            }
        }
    }

    /// Gives the client up, or asks for a sign of life, if either is due.
    fn take_pulse(&mut self) -> Result<(), End> {
        let (now, deadline) = (Instant::now(), self.deadline());
        if deadline <= now {
            return Err(End::HangUp(CloseReason::TimedOut));
        }
        if self.next_heartbeat <= now {
            self.next_heartbeat = now + self.state.pulse.heartbeat;
            self.outlet.line.ping().map_err(|_broken| End::Gone)?;
        }
        let next = self.state.beat.at(deadline.min(self.next_heartbeat));
        self.alarm.as_mut().reset(next);
        Ok(())
    }

    /// When the client is given up: a client whose socket is full must take something, however
    /// much it says; any other must be heard, or have taken something that did not fit before.
    fn deadline(&self) -> Instant {
        let traffic = &self.client.traffic;
        let sign =
            || traffic.taken_at().map_or(self.last_heard, |taken| taken.max(self.last_heard));
        traffic.stalled_since().unwrap_or_else(sign) + self.state.pulse.timeout
    }

    /// What is to be done about an event, if anything.
    fn handle(&mut self, event: Event) -> Result<Option<Action>, End> {
        match event {
            Event::Heard(message) => self.hear(message),
            Event::Flushed | Event::Delivered => Ok(None),
            Event::Unreadable(fault) => Err(End::Unreadable(fault)),
            Event::Gone => Err(End::Gone),
        }
    }

    /// What is to be done about a message, if anything.
    fn hear(&mut self, message: Message) -> Result<Option<Action>, End> {
        let now = Instant::now();
        self.last_heard = now;
        if message.is_close() {
            return Err(End::Farewell);
        }
        if let Err(excess) = self.allowance.message(&self.state.limits, now) {
            self.refuse(excess)?;
            return Ok(None);
        }
        let action = match message {
            Message::Text(text) => self.session.on_text(&text),
            Message::Binary(bytes) => self.session.on_binary(&bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                return Ok(None);
            }
        };
        self.outlet.meter.hears(action.asked_by());
        if matches!(action, Action::Subscribe(..) | Action::Snapshot)
            && let Err(excess) = self.allowance.subscription(&self.state.limits, now)
        {
            self.refuse(excess)?;
            return Ok(None);
        }
        Ok(Some(action))
    }

    async fn act(&mut self, viewer: &Viewer, action: Action) -> Result<(), End> {
        self.session.note(&action);
        match action {
            Action::Subscribe(filter, resume, _) => {
                // What is told about then tells who moved elsewhere.
                let resume = resume.filter(|_| self.caller.view.is_none());
                viewer.subscribe(self.caller.narrow(filter), resume).await?;
            }
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
        let frame = Frame::new(kind, frames::encode(self.encoding, message));
        self.outlet.meter.sends(&frame);
        self.outlet.line.answer(frame.rest);
    }

    async fn end(&mut self, end: End) {
        match end {
            End::HangUp(reason) => self.hang_up(reason, None).await,
            End::Unreadable(fault) => self.hang_up(fault.into(), Some(fault)).await,
            End::Farewell => self.see_off().await,
            End::Gone => {}
        }
    }

    /// Says why. A client that takes nothing finds it when it reads on, if that is soon enough.
    async fn hang_up(&mut self, reason: CloseReason, fault: Option<Fault>) {
        self.state.metrics.hung_up(reason);
        let frame = CloseFrame { code: reason.code().into(), reason: reason.text().into() };
        let is_stopping = reason == CloseReason::GoingAway;
        let linger = if is_stopping { GOODBYE } else { self.state.pulse.timeout };
        let is_said = select! {
            said = self.outlet.line.say_goodbye(frame) => said.is_ok(),
            () = sleep(linger) => false,
            () = self.state.live.closed(), if !is_stopping => false,
        };
        match fault {
            _ if !is_said => {}
            None => self.see_off().await,
            Some(_) => drop(timeout(GOODBYE, self.outlet.line.swallow()).await),
        }
    }

    /// Waits a moment for the client's goodbye. One that does not wait for ours loses nothing.
    async fn see_off(&mut self) {
        drop(timeout(GOODBYE, self.outlet.line.see_off()).await);
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
