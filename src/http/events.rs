//! The live map as Server-Sent Events: the same messages for clients that only listen and have no
//! WebSocket, or no library for it.
//!
//! The connection's body is pulled frame by frame, so a client whose socket is full keeps its
//! cursor and one unsent delivery, as on a WebSocket.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{
    AppState,
    access::{Caller, Stay},
    error::ApiError,
    filter,
    frames::{self, Frame, Frames},
    gate::{Client, Refusal},
    opening::{check_origin, hello},
    roster::{Meter, Transport},
};
use crate::{
    broadcast::{Content, Cursor, Delivery, Encoding, LiveMap, Viewer},
    domain::Revision,
};

/// How long a browser waits before it comes back.
const RETRY_MS: u32 = 2000;

/// What is said when there is nothing to say, so that proxies and clients see a living connection.
const HEARTBEAT: Frame = Frame::new("heartbeat", Bytes::from_static(b":\n\n"));

/// `GET /api/events`
pub(super) async fn listen(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_origin(&state, &client, &headers)?;
    let filter = caller.narrow(filter::from_query(query.as_deref())?.unwrap_or_default());
    let resume = cursor(&headers, query.as_deref()).filter(|_| caller.view.is_none());
    let stay = state.access.stay(&caller);
    let now = Instant::now();
    if client.share.as_ref().is_some_and(|share| share.subscription(now).is_err()) {
        state.metrics.refused(Refusal::AddressBusy);
        return Err(Refusal::AddressBusy.into());
    }
    let live = state.live.clone();
    let viewer = live.join(Encoding::Json).await?;
    let since = state.clock.now();
    let meter = state.roster.enter(Transport::Sse, Encoding::Json, client.ip, since);
    meter.joins(&viewer);
    let timeout = state.pulse.timeout;
    let opening = Frame::new("hello", frames::encode(Encoding::Json, &hello(&state).await?));
    let opening = Some(event(&format!("retry: {RETRY_MS}\n"), &opening));
    viewer.subscribe(filter, resume).await?;
    let mut heartbeat = interval(state.pulse.heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    let events =
        Events { live, viewer, opening, delivering: None, heartbeat, meter, client, timeout, stay };
    let body = Body::from_stream(stream::unfold(events, async move |mut events| {
        let chunk = events.next().await?;
        Some((Ok::<_, Infallible>(chunk), events))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold back what is small.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// Where the client left off, as its browser says it or its URL. What cannot be read is no cursor.
fn cursor(headers: &HeaderMap, query: Option<&str>) -> Option<Cursor> {
    if let Some(id) = headers.get("last-event-id") {
        return parse_id(id.to_str().ok()?);
    }
    let mut parts = url::form_urlencoded::parse(query?.as_bytes());
    let (_, id) = parts.find(|(name, _)| name == "lastEventId")?;
    parse_id(&id)
}

pub(super) fn parse_id(id: &str) -> Option<Cursor> {
    let (epoch, revision) = id.rsplit_once(':')?;
    Some(Cursor { epoch: epoch.to_owned(), revision: Revision(revision.parse().ok()?) })
}

/// One event of these fields and this JSON, which has no line breaks in it.
fn event(fields: &str, frame: &Frame) -> Frame {
    let parts = [fields.as_bytes(), b"data: ", &frame.lead, &frame.rest, b"\n\n"];
    Frame::new(frame.kind, parts.concat().into())
}

/// What one client is told.
struct Events {
    live: LiveMap,
    viewer: Viewer,
    opening: Option<Frame>,
    delivering: Option<Delivering>,
    heartbeat: Interval,
    /// Counts as a connection of its address.
    client: Client,
    timeout: Duration,
    /// None when the client may stay for ever.
    stay: Option<Stay>,
    /// Dropped last: who is no longer counted has made room for others.
    meter: Meter,
}

impl Drop for Events {
    fn drop(&mut self) {
        let stalled_since = self.client.traffic.stalled_since();
        if stalled_since.is_some_and(|since| since.elapsed() >= self.timeout) {
            self.meter.times_out();
        }
    }
}

impl Events {
    /// What is to be written next; none when the server stops. Asked for when the connection takes
    /// more, so whoever asks has taken what was answered before.
    async fn next(&mut self) -> Option<Bytes> {
        let event = self.event().await?;
        self.meter.sends(&event);
        self.heartbeat.reset();
        Some(event.rest)
    }

    async fn event(&mut self) -> Option<Frame> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            if let Some(delivering) = &mut self.delivering {
                if let Some(event) = delivering.next() {
                    return Some(event);
                }
                self.meter.delivered(delivering.sealed_at);
                self.delivering = None;
                self.viewer.delivered().await.ok()?;
            }
            select! {
                delivery = self.viewer.next() => {
                    self.delivering = Some(Delivering::new(&self.live, delivery?));
                }
                _ = self.heartbeat.tick() => return Some(HEARTBEAT),
                () = dismissed(self.stay.as_ref()) => return None,
            }
        }
    }
}

/// Waits until the client may not stay any longer.
async fn dismissed(stay: Option<&Stay>) {
    match stay {
        Some(stay) => stay.ended().await,
        None => std::future::pending().await,
    }
}

/// A delivery on its way to the client.
struct Delivering {
    frames: Frames,
    sealed_at: Instant,
    /// What resumes after the last frame.
    id: String,
    /// Whether the client drops what it holds when the next frame comes.
    replaces: bool,
}

impl Delivering {
    fn new(live: &LiveMap, delivery: Delivery) -> Self {
        let sealed_at = delivery.sealed_at;
        let id = format!("id: {}:{}\n", live.epoch(), delivery.revision.0);
        let replaces = matches!(&delivery.content, Content::Picture(picture) if picture.full);
        let frames = Frames::new(Encoding::Json, live.epoch(), delivery);
        Self { frames, sealed_at, id, replaces }
    }

    /// The id stands on the last event: a client that loses the connection before goes on from
    /// the id before, and hears the others again. Only when what it held is replaced in parts, it
    /// has nothing to go on from until all have come, and an empty id says so.
    fn next(&mut self) -> Option<Frame> {
        let frame = self.frames.next()?;
        let replaces = std::mem::take(&mut self.replaces);
        let fields = match self.frames.is_done() {
            true => self.id.as_str(),
            false if replaces => "id:\n",
            false => "",
        };
        Some(event(fields, &frame))
    }
}
