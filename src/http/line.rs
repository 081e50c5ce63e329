//! A WebSocket that two write to: its client's task, and whoever carries ticks.

use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use axum::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tungstenite::{Error, protocol::CloseFrame};

use super::{
    frames::Frame,
    lane::FrameKind,
    roster::Meter,
    wire::{Event, Rest, Wire},
};
use crate::broadcast::{Content, Delivery, Outlet, Written};

/// A WebSocket, the server's end. Nobody holds it while waiting for anything.
pub(super) struct Line<IO>(Mutex<Wire<IO>>);

impl<IO: AsyncRead + AsyncWrite + Unpin> Line<IO> {
    /// A line along this wire.
    pub(super) fn new(wire: Wire<IO>) -> Self {
        Self(Mutex::new(wire))
    }

    /// What happens next, while `frames` are written if there are some. Nothing is lost when it
    /// is dropped before.
    pub(super) async fn event(&self, mut frames: Option<&mut Rest<'_>>) -> Event {
        poll_fn(|cx| self.lock().poll_event(cx, frames.as_deref_mut())).await
    }

    /// Says this as soon as the socket takes it, before the frames that are left.
    pub(super) fn answer(&self, frame: Bytes) {
        self.lock().answer(frame);
    }

    /// The same, as a frame of this kind.
    pub(super) fn answer_as(&self, kind: FrameKind, frame: Bytes) {
        self.lock().answer_as(kind, frame);
    }

    /// Asks for a sign of life, if the socket has nothing else to do.
    pub(super) fn ping(&self) -> Result<(), Error> {
        self.lock().ping()
    }

    /// Writes these, if nothing else is under way and they are few.
    pub(super) fn write_at_once(&self, frames: &[Frame]) -> Written {
        match self.0.try_lock() {
            Ok(mut wire) => wire.write_at_once(frames),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => Written::Nothing,
        }
    }

    /// Says goodbye behind what the client has got the beginning of, and forgets the rest. Ends
    /// when the socket has taken it.
    pub(super) async fn say_goodbye(&self, frame: CloseFrame) -> Result<(), Error> {
        let mut goodbye = Some(frame);
        poll_fn(|cx| self.lock().poll_goodbye(cx, &mut goodbye)).await
    }

    /// Reads to the end, which is when both sides have said goodbye.
    pub(super) async fn see_off(&self) {
        poll_fn(|cx| self.lock().poll_see_off(cx)).await;
    }

    /// Writes no more, and reads to the end without understanding. A connection that is closed
    /// with bytes unread is reset, and the client may lose the goodbye.
    pub(super) async fn swallow(&self) {
        poll_fn(|cx| self.lock().poll_shutdown(cx)).await;
        poll_fn(|cx| self.lock().poll_swallow(cx)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Wire<IO>> {
        // A carrier that fails in the middle of a write has the client hung up on, over this line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line on which what is sent is counted. The meter is dropped last: who is no longer counted has
/// made room for others.
pub(super) struct Metered<IO> {
    pub(super) line: Line<IO>,
    pub(super) meter: Meter,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Outlet for Metered<IO> {
    fn write(&self, delivery: &Delivery) -> Written {
        let Content::Tick(frames) = &delivery.content else { return Written::Nothing };
        let written = self.line.write_at_once(frames);
        if written != Written::Nothing {
            frames.iter().for_each(|frame| self.meter.sends(frame));
        }
        written
    }

    fn delivered(&self, sealed_at: Instant) {
        self.meter.delivered(sealed_at);
    }
}
