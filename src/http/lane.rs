//! The way to one WebSocket's client: writes frames from where they lie, without a copy.
//!
//! The library copies what it sends into a buffer of its own, which never shrinks again: after its
//! first snapshot every client would cost as much as that snapshot. Here frames wait as they were
//! handed over, shared by all who get them, and go out before what the library writes by itself,
//! which is answers to pings and closes. Likewise the library reads into a buffer of its own, which
//! is kept: it gets a small one, and what is read at once beyond that waits here until it asks.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once.
const READ_BYTES: usize = 4 << 10;

/// Slices handed to the socket at once: as many as a batch of pages in columns has.
const SLICES: usize = 160;

/// The same where there are few frames, as in ticks. Frames have three each.
const FEW_SLICES: usize = 24;

/// So little is brought together first: a write from one place costs the kernel less than one from
/// several, by more than it costs to copy this.
const COPIED_BYTES: usize = 1 << 10;

/// What kind of message a frame is, as the WebSocket protocol numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FrameKind {
    /// UTF-8.
    Text = 0x1,
    /// Anything.
    Binary = 0x2,
}

/// What a frame says, in two pieces: the first may be empty.
pub(super) type Payload = [Bytes; 2];

/// A connection with frames that wait to be written.
#[derive(Debug)]
pub(super) struct Lane<IO> {
    io: IO,
    waiting: VecDeque<Outgoing>,
    /// Bytes that were read and not asked for yet.
    unread: Bytes,
    /// Bytes handed on since the last message was whole.
    unheard_bytes: usize,
    /// How many there may be.
    max_unheard_bytes: usize,
}

#[derive(Debug)]
struct Outgoing {
    head: Head,
    payload: Payload,
    /// How many bytes of all have been written.
    written: usize,
}

impl<IO> Lane<IO> {
    /// A way through `io`, on which a message may take `max_unheard_bytes` until it is whole.
    pub(super) fn new(io: IO, max_unheard_bytes: usize) -> Self {
        Self {
            io,
            waiting: VecDeque::new(),
            unread: Bytes::new(),
            unheard_bytes: 0,
            max_unheard_bytes,
        }
    }

    /// Puts a frame last, and says how many bytes it brings. The library must not be in the middle
    /// of one: flush before.
    pub(super) fn push(&mut self, kind: FrameKind, payload: Payload) -> usize {
        let payload_bytes = payload.iter().map(Bytes::len).sum();
        let head = Head::of(kind, payload_bytes);
        self.waiting.push_back(Outgoing { head, payload, written: 0 });
        payload_bytes
    }

    /// Drops the frames of which the client has got nothing.
    pub(super) fn drop_unbegun(&mut self) {
        self.waiting.retain(|frame| frame.written > 0);
        self.waiting.shrink_to_fit();
    }

    /// A message is whole.
    pub(super) fn heard(&mut self) {
        self.unheard_bytes = 0;
    }

    /// The connection itself.
    pub(super) fn io(&mut self) -> &mut IO {
        &mut self.io
    }

    fn advance(&mut self, mut bytes: usize) {
        while let Some(frame) = self.waiting.front_mut() {
            let left = frame.rest().map(<[u8]>::len).sum();
            if bytes < left {
                frame.written += bytes;
                return;
            }
            bytes -= left;
            self.waiting.pop_front();
        }
    }
}

impl<IO: AsyncWrite + Unpin> Lane<IO> {
    /// Writes the frames that wait.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let is_few = self.waiting.len() * 3 <= FEW_SLICES;
            let written = ready!(if is_few {
                self.poll_write_some::<FEW_SLICES>(cx)
            } else {
                self.poll_write_some::<SLICES>(cx)
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        // Most clients wait most of the time.
        self.waiting = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    /// Writes of the frames that wait what the socket takes, and says how many bytes that were.
    fn poll_write_some<const MOST: usize>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MOST];
        let parts = self.waiting.iter().flat_map(Outgoing::rest);
        let mut used = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            used += 1;
        }
        let slices = &slices[..used];
        let io = Pin::new(&mut self.io);
        if slices.iter().map(|slice| slice.len()).sum::<usize>() > COPIED_BYTES {
            return io.poll_write_vectored(cx, slices);
        }
        let mut copied = [0; COPIED_BYTES];
        let length = copied.as_mut_slice().write_vectored(slices)?;
        io.poll_write(cx, &copied[..length])
    }
}

impl Outgoing {
    /// What is to be written yet.
    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let mut written = self.written;
        let parts = [self.head.bytes(), &self.payload[0], &self.payload[1]];
        let rest = parts.into_iter().map(move |part| {
            let of_part = written.min(part.len());
            written -= of_part;
            &part[of_part..]
        });
        rest.filter(|part| !part.is_empty())
    }
}

/// The head of a whole message in one frame. A server's frames are not masked.
#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: [u8; 10],
    len: u8,
}

impl Head {
    fn of(kind: FrameKind, length: usize) -> Self {
        const FINAL: u8 = 0x80;
        let mut bytes = [0; 10];
        bytes[0] = FINAL | kind as u8;
        let len = if let Ok(short @ ..126) = u8::try_from(length) {
            bytes[1] = short;
            2
        } else if let Ok(middle) = u16::try_from(length) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&middle.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
            10
        };
        Self { bytes, len }
    }

    fn len(&self) -> usize {
        self.len.into()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Lane<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unheard_bytes > self.max_unheard_bytes {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        if self.unread.is_empty() {
            // On the stack, so that who says nothing has no buffer.
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            let (wanted, rest) =
                read.filled().split_at(buffer.remaining().min(read.filled().len()));
            buffer.put_slice(wanted);
            self.unheard_bytes += wanted.len();
            self.unread = Bytes::copy_from_slice(rest);
        } else {
            let length = buffer.remaining().min(self.unread.len());
            buffer.put_slice(&self.unread.split_to(length));
            self.unheard_bytes += length;
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Lane<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
