//! Acknowledgements of one commit go out in one write.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are held back, at most. Whoever writes more waits until they are sent.
const MOST_HELD_BYTES: usize = 16 * 1024;

/// A connection to a broker that holds back acknowledgements until it is read from.
///
/// The client flushes after each of them, and each flush would be a call into the kernel. It reads
/// when it has nothing more to write, and never stops reading but while it has no room for what it
/// would read; so they wait for as long as there are more of them at hand. Any other packet takes
/// those before it along at once.
#[derive(Debug)]
pub(super) struct HoldingAcks<S> {
    stream: S,
    held: BytesMut,
    /// Whether something other than acknowledgements is held.
    urgent: bool,
}

impl<S> HoldingAcks<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, held: BytesMut::new(), urgent: false }
    }
}

impl<S: AsyncWrite + Unpin> HoldingAcks<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(sent);
        }
        self.urgent = false;
        Poll::Ready(Ok(()))
    }
}

/// Whether these bytes are PUBACK packets, whole ones, and nothing else. MQTT 3.1.1, section 3.4.
fn are_acks(bytes: &[u8]) -> bool {
    let (packets, rest) = bytes.as_chunks::<4>();
    rest.is_empty() && packets.iter().all(|packet| packet.starts_with(&[0x40, 2]))
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HoldingAcks<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() >= MOST_HELD_BYTES {
            ready!(self.poll_send(cx))?;
        }
        self.held.extend_from_slice(bytes);
        self.urgent |= !are_acks(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.urgent {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HoldingAcks<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(sent) = self.poll_send(cx) {
            sent?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const ACK: [u8; 4] = [0x40, 2, 0, 7];
    const DISCONNECT: [u8; 2] = [0xe0, 0];

    async fn acknowledge(stream: &mut (impl AsyncWrite + Unpin), times: usize) {
        for _ in 0..times {
            stream.write_all(&ACK).await.unwrap();
            stream.flush().await.unwrap();
        }
    }

    /// What has come to the other end so far.
    fn come(broker: &mut (impl AsyncRead + Unpin)) -> usize {
        let mut bytes = [0; 4096];
        broker.read(&mut bytes).now_or_never().map_or(0, Result::unwrap)
    }

    #[tokio::test]
    async fn acknowledgements_are_held_until_the_connection_is_read_from() {
        let (client, mut broker) = tokio::io::duplex(4096);
        let mut client = HoldingAcks::new(client);
        acknowledge(&mut client, 100).await;
        assert_eq!(come(&mut broker), 0);
        assert!(client.read_u8().now_or_never().is_none(), "nobody said anything");
        assert_eq!(come(&mut broker), 400);
        assert!(client.read_u8().now_or_never().is_none(), "nobody said anything");
        assert_eq!(come(&mut broker), 0);
    }

    #[tokio::test]
    async fn any_other_packet_takes_them_along_in_order() {
        let (client, mut broker) = tokio::io::duplex(4096);
        let mut client = HoldingAcks::new(client);
        acknowledge(&mut client, 3).await;
        client.write_all(&DISCONNECT).await.unwrap();
        client.flush().await.unwrap();
        let mut bytes = [0; 14];
        broker.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes[..12], ACK.repeat(3)[..]);
        assert_eq!(bytes[12..], DISCONNECT);
    }

    #[tokio::test]
    async fn what_is_held_is_bounded_and_goes_through_a_narrow_connection() {
        let (client, mut broker) = tokio::io::duplex(64);
        let mut client = HoldingAcks::new(client);
        let count = 3 * MOST_HELD_BYTES / ACK.len();
        let write = async {
            acknowledge(&mut client, count).await;
            assert!(client.held.len() <= MOST_HELD_BYTES + ACK.len());
            client.shutdown().await.unwrap();
        };
        let mut bytes = Vec::new();
        let (read, ()) = tokio::join!(broker.read_to_end(&mut bytes), write);
        assert_eq!(read.unwrap(), count * ACK.len());
        assert_eq!(bytes, ACK.repeat(count));
    }
}
