//! Messages that come close together are read together.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// So much is mostly several messages: one brings some 250 bytes.
const SEVERAL_BYTES: usize = 1024;

/// How long nothing is read after that.
const REST: Duration = Duration::from_millis(1);

/// A connection that rests for a moment after a read that brought several messages at once.
///
/// To wake up and read costs about as much as what comes of a message that is read. Where several
/// come at once more are on their way, and while they gather in the kernel nothing is spent on
/// them. A message that comes alone waits for nobody, nor does what did not fit into one read.
#[derive(Debug)]
pub(super) struct Gathering<S> {
    stream: S,
    rest: Pin<Box<Sleep>>,
    rests: bool,
}

impl<S> Gathering<S> {
    /// Within a Tokio runtime.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, rest: Box::pin(sleep(Duration::ZERO)), rests: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rests {
            ready!(self.rest.as_mut().poll(cx));
            self.rests = false;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() - before >= SEVERAL_BYTES && buffer.remaining() > 0 {
            self.rest.as_mut().reset(Instant::now() + REST);
            self.rests = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn connection() -> (Gathering<DuplexStream>, DuplexStream) {
        let (client, broker) = duplex(64 * 1024);
        (Gathering::new(client), broker)
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_come_alone_wait_for_nobody() {
        let (mut client, mut broker) = connection();
        let began = Instant::now();
        for _ in 0..100 {
            broker.write_all(&[7; 250]).await.unwrap();
            assert_eq!(client.read(&mut [0; 8192]).await.unwrap(), 250);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_several_is_read_together() {
        let (mut client, mut broker) = connection();
        let buffer = &mut [0; 8192];
        broker.write_all(&[7; 1024]).await.unwrap();
        assert_eq!(client.read(buffer).await.unwrap(), 1024);
        for _ in 0..10 {
            broker.write_all(&[7; 250]).await.unwrap();
            assert!(client.read(buffer).now_or_never().is_none());
        }
        let began = Instant::now();
        assert_eq!(client.read(buffer).await.unwrap(), 2500);
        assert_eq!(began.elapsed(), REST);
    }

    #[tokio::test(start_paused = true)]
    async fn what_did_not_fit_is_read_at_once() {
        let (mut client, mut broker) = connection();
        broker.write_all(&[7; 2048 + 100]).await.unwrap();
        assert_eq!(client.read(&mut [0; 2048]).await.unwrap(), 2048);
        let rest = client.read(&mut [0; 2048]).now_or_never();
        assert_eq!(rest.unwrap().unwrap(), 100);
    }
}
