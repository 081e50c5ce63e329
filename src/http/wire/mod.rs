//! One WebSocket: what is written to it and what is read from it, side by side.

use std::{
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use super::{
    frames::Frame,
    lane::{FrameKind, Lane, Payload},
    polled::{Polled, when_ready},
};
use crate::broadcast::Written;

/// What the library asks the lane for at once. It keeps a buffer of this size for each client, and
/// clients say little.
const READ_BUFFER_BYTES: usize = 64;

/// A message may come in many fragments, each with a head: it may take this many times its
/// greatest length.
const FRAGMENTS_FACTOR: usize = 8;

/// Answers, to pings among others, that may wait for a client to take them. Until it has, nothing
/// more is read from it.
const MAX_ANSWERS: usize = 16;

/// Frames are written in batches of this size, or one by one where they are greater: no more than
/// one batch waits for a client that takes nothing. Most of what is binary is shared, and costs the
/// kernel less the more of it comes at once.
const fn batch_bytes(kind: FrameKind) -> usize {
    match kind {
        FrameKind::Text => 64 << 10,
        FrameKind::Binary => 256 << 10,
    }
}

/// What carriers write at once, at most.
const AT_ONCE_BYTES: usize = 64 << 10;

/// How much is read at once of what nobody wants to understand.
const SWALLOWED_BYTES: usize = 4 << 10;

/// What the rest of a delivery is taken from.
pub(super) type Rest<'a> = dyn Iterator<Item = Payload> + Send + 'a;

/// What happens on a socket.
#[derive(Debug)]
pub(super) enum Event {
    /// The client says something.
    Heard(Message),
    /// A budget's worth has been written.
    Flushed,
    /// All frames have been written.
    Delivered,
    /// What the client sends cannot be read.
    Unreadable(Fault),
    /// The connection is no more.
    Gone,
}

/// What is wrong with what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A message longer than one may be, or that does not end.
    TooLong,
    /// Text that is no UTF-8.
    NotUtf8,
    /// Anything else that is not as the WebSocket protocol says.
    Protocol,
}

/// A WebSocket, the server's end.
pub(super) struct Wire<IO> {
    /// Where the connection is in the WebSocket protocol.
    protocol: WebSocketContext,
    lane: Lane<IO>,
    /// Whether nothing more can be read.
    is_read_out: bool,
    /// What frames are sent as.
    kind: FrameKind,
    budget_bytes: usize,
    /// Written since the client's messages had a turn.
    since_turn_bytes: usize,
    answers: VecDeque<(FrameKind, Payload)>,
    /// Pings that the client has not taken the answers of.
    pings: usize,
    is_writing: bool,
    reads_first: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    /// Goes on with a connection after its upgrade.
    pub(super) fn new(
        io: IO,
        kind: FrameKind,
        max_message_bytes: usize,
        budget_bytes: usize,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let max_unheard = max_message_bytes.saturating_mul(FRAGMENTS_FACTOR) + READ_BUFFER_BYTES;
        Self {
            protocol: WebSocketContext::new(Role::Server, Some(config)),
            lane: Lane::new(io, max_unheard),
            is_read_out: false,
            kind,
            budget_bytes,
            since_turn_bytes: 0,
            answers: VecDeque::new(),
            pings: 0,
            is_writing: false,
            reads_first: false,
        }
    }

    /// Says this as soon as the socket takes it, before the frames that are left.
    pub(super) fn answer(&mut self, frame: Bytes) {
        self.answer_as(self.kind, frame);
    }

    /// The same, as a frame of another kind than the rest.
    pub(super) fn answer_as(&mut self, kind: FrameKind, frame: Bytes) {
        self.answers.push_back((kind, [Bytes::new(), frame]));
    }

    /// Writes these, if nothing else is under way and they are few. Nobody is woken when the socket
    /// takes more: who waits for the next event has to ask for it anew, unless all is written.
    pub(super) fn write_at_once(&mut self, frames: &[Frame]) -> Written {
        let bytes: usize = frames.iter().map(Frame::payload_bytes).sum();
        // The library may have begun to answer a ping, which comes first.
        let is_busy = self.is_writing || self.pings > 0 || !self.answers.is_empty();
        if is_busy || bytes > AT_ONCE_BYTES || !self.protocol.can_write() {
            return Written::Nothing;
        }
        for frame in frames {
            self.lane.push(self.kind, [frame.lead.clone(), frame.rest.clone()]);
        }
        let cx = &mut Context::from_waker(Waker::noop());
        let flushed = Pin::new(&mut self.lane).poll_flush(cx);
        self.is_writing = !matches!(flushed, Poll::Ready(Ok(())));
        if self.is_writing { Written::Begun } else { Written::All }
    }

    /// What happens next, while `frames` are written if there are some. By turns, so that neither a
    /// client that talks all the time nor one that takes all the time keeps the other side waiting.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        frames: Option<&mut Rest<'_>>,
    ) -> Poll<Event> {
        self.reads_first = !self.reads_first;
        if self.reads_first
            && let Poll::Ready(event) = self.poll_read(cx)
        {
            return Poll::Ready(event);
        }
        match self.poll_write(cx, frames) {
            Poll::Ready(event) => Poll::Ready(event.unwrap_or(Event::Gone)),
            Poll::Pending if self.reads_first => Poll::Pending,
            Poll::Pending => self.poll_read(cx),
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut frames: Option<&mut Rest<'_>>,
    ) -> Poll<Result<Event, Error>> {
        loop {
            // Without this, a frame could fall into the middle of one that the library writes.
            ready!(self.poll_flush(cx))?;
            self.pings = 0;
            self.is_writing = false;
            if self.since_turn_bytes >= self.budget_bytes {
                self.since_turn_bytes = 0;
                return Poll::Ready(Ok(Event::Flushed));
            }
            let most = batch_bytes(self.kind).min(self.budget_bytes - self.since_turn_bytes);
            let mut bytes = 0;
            while bytes < most {
                let more = || Some((self.kind, frames.as_mut()?.next()?));
                let Some((kind, payload)) = self.answers.pop_front().or_else(more) else { break };
                bytes += self.lane.push(kind, payload);
                self.is_writing = true;
            }
            self.since_turn_bytes += bytes;
            if !self.is_writing {
                self.answers = VecDeque::new();
                self.since_turn_bytes = 0;
                return if frames.is_some() {
                    Poll::Ready(Ok(Event::Delivered))
                } else {
                    Poll::Pending
                };
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.pings + self.answers.len() >= MAX_ANSWERS {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(self.poll_next(cx)) {
            Some(Ok(message)) => {
                self.lane.heard();
                self.pings += usize::from(message.is_ping());
                Event::Heard(message)
            }
            Some(Err(error)) => match error {
                Error::Capacity(_) => Event::Unreadable(Fault::TooLong),
                Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    Event::Unreadable(Fault::TooLong)
                }
                Error::Utf8(_) => Event::Unreadable(Fault::NotUtf8),
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Event::Gone,
                Error::Protocol(_) => Event::Unreadable(Fault::Protocol),
                _ => Event::Gone,
            },
            None => Event::Gone,
        })
    }

    /// The next message; none after the last one, or after an error.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.is_read_out {
            return Poll::Ready(None);
        }
        let read = self.protocol.read(&mut Polled { lane: &mut self.lane, cx });
        let read = ready!(when_ready(read));
        self.is_read_out = read.is_err();
        Poll::Ready(match read {
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            read => Some(read),
        })
    }

    /// Writes all that waits: the frames, and behind them what the library has to say.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = self.protocol.flush(&mut Polled { lane: &mut self.lane, cx });
        Poll::Ready(match ready!(when_ready(flushed)) {
            // Both have said goodbye, and all is written.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
    }

    /// Has the library write this, behind the frames that wait. Flush after it.
    fn poll_write_message(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Error> {
        let written = self.protocol.write(&mut Polled { lane: &mut self.lane, cx }, message);
        match when_ready(written) {
            Poll::Ready(written) => written,
            // The library holds it.
            Poll::Pending => Ok(()),
        }
    }

    /// Asks for a sign of life, if the socket has nothing else to do.
    pub(super) fn ping(&mut self) -> Result<(), Error> {
        if self.is_writing {
            return Ok(());
        }
        self.is_writing = true;
        // Nobody is woken: whoever waits for the socket's next event flushes first.
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_write_message(&mut cx, Message::Ping(Bytes::new()))
    }

    /// Says goodbye behind what the client has got the beginning of, and forgets the rest. Ready
    /// when the socket has taken it.
    pub(super) fn poll_goodbye(
        &mut self,
        cx: &mut Context<'_>,
        goodbye: &mut Option<CloseFrame>,
    ) -> Poll<Result<(), Error>> {
        if let Some(goodbye) = goodbye.take() {
            self.answers = VecDeque::new();
            self.lane.drop_unbegun();
            self.poll_write_message(cx, Message::Close(Some(goodbye)))?;
        }
        self.poll_flush(cx)
    }

    /// Reads to the end, which is when both sides have said goodbye.
    pub(super) fn poll_see_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(_)) = ready!(self.poll_next(cx)) {
            self.lane.heard();
        }
        Poll::Ready(())
    }

    /// Writes no more.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A connection that breaks has an end as well.
        Pin::new(self.lane.io()).poll_shutdown(cx).map(drop)
    }

    /// Reads to the end without understanding.
    pub(super) fn poll_swallow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [MaybeUninit::uninit(); SWALLOWED_BYTES];
        loop {
            let mut read = ReadBuf::uninit(&mut bytes);
            let end = ready!(Pin::new(self.lane.io()).poll_read(cx, &mut read));
            if end.is_err() || read.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
