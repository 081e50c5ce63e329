//! Between polling and a library that blocks.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::Error;

use super::lane::Lane;

/// A lane in the middle of a poll. The library reads and writes as if it would not have to wait.
pub(super) struct Polled<'a, 'b, IO> {
    pub(super) lane: &'a mut Lane<IO>,
    pub(super) cx: &'a mut Context<'b>,
}

impl<IO: AsyncRead + Unpin> Read for Polled<'_, '_, IO> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut *self.lane).poll_read(self.cx, &mut buffer);
        at_once(read).map(|()| buffer.filled().len())
    }
}

impl<IO: AsyncWrite + Unpin> Write for Polled<'_, '_, IO> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        at_once(Pin::new(&mut *self.lane).poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        at_once(Pin::new(&mut *self.lane).poll_flush(self.cx))
    }
}

fn at_once<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// The way back: who would block is woken.
pub(super) fn when_ready<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}
