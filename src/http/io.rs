//! A connection's bytes: counts those written, and gives up a reader that takes none.

use std::{
    io,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::gate::Place;

/// What is known about the bytes written to one client.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    written: AtomicU64,
    progress: Mutex<Progress>,
    /// Whether somebody else decides how long the client may take nothing.
    is_left_to_its_owner: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Since when the socket has been full without taking a byte.
    stalled_since: Option<Instant>,
    /// When a full socket last took bytes: a proof that the other end had read some. What a
    /// socket takes that is not full proves nothing.
    taken_at: Option<Instant>,
}

impl Traffic {
    /// Bytes that the socket has taken.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Since when the socket has been full without taking a byte; none if it is not.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.progress().stalled_since
    }

    /// When the other end last proved that it reads.
    pub(super) fn taken_at(&self) -> Option<Instant> {
        self.progress().taken_at
    }

    /// From now on the connection does not fail by itself when it takes nothing.
    pub(super) fn leave_to_its_owner(&self) {
        self.is_left_to_its_owner.store(true, Ordering::Relaxed);
    }

    fn took(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut progress = self.progress();
        if progress.stalled_since.take().is_some() {
            progress.taken_at = Some(Instant::now());
        }
    }

    /// The socket is full. Returns since when.
    fn is_full(&self) -> Instant {
        *self.progress().stalled_since.get_or_insert_with(Instant::now)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that holds its place, counts, and fails when it takes nothing for too long.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    traffic: Arc<Traffic>,
    patience: Duration,
    /// Runs while the socket is full.
    alarm: Option<Pin<Box<Sleep>>>,
    _place: Arc<Place>,
}

impl<IO> Watched<IO> {
    pub(super) fn new(
        io: IO,
        traffic: Arc<Traffic>,
        place: Arc<Place>,
        patience: Duration,
    ) -> Self {
        Self { io, traffic, patience, alarm: None, _place: place }
    }

    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut IO, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = write(&mut self.io, cx) {
            self.alarm = None;
            self.traffic.took(*result.as_ref().unwrap_or(&0));
            return Poll::Ready(result);
        }
        let deadline = self.traffic.is_full() + self.patience;
        if self.traffic.is_left_to_its_owner.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(cx, |io, cx| Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(cx, |io, cx| Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{sleep, timeout},
    };

    use super::*;
    use crate::http::{Limits, gate::Gate};

    const PATIENCE: Duration = Duration::from_mins(1);

    /// A connection that holds 10 bytes, and its other end.
    fn connection() -> (Watched<DuplexStream>, Arc<Traffic>, DuplexStream) {
        let (near, far) = duplex(10);
        let gate = Gate::new(Limits::default(), Gauge::default());
        let place = gate.admit(([127, 0, 0, 1], 1).into(), Instant::now()).unwrap();
        let traffic = Arc::<Traffic>::default();
        let watched = Watched::new(near, Arc::clone(&traffic), Arc::new(place), PATIENCE);
        (watched, traffic, far)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_too_long_is_given_up() {
        let (mut near, traffic, _far) = connection();
        let began = Instant::now();
        let error = near.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!((traffic.written(), traffic.stalled_since()), (10, Some(began)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_not() {
        let (mut near, traffic, mut far) = connection();
        let slowly = async {
            for _ in 0..20 {
                sleep(PATIENCE / 60 * 59).await;
                assert!(traffic.stalled_since().is_some());
                far.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(&[0; 30]), slowly);
        written.unwrap();
        assert_eq!(traffic.written(), 30);
        assert_eq!(traffic.stalled_since(), None);
        assert_eq!(traffic.taken_at(), Some(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fits_proves_nothing_about_the_other_end() {
        let (mut near, traffic, _far) = connection();
        near.write_all(&[0; 10]).await.unwrap();
        assert_eq!(traffic.taken_at(), None);
        assert_eq!(traffic.stalled_since(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_decides_by_itself() {
        let (mut near, traffic, _far) = connection();
        traffic.leave_to_its_owner();
        let write = timeout(10 * PATIENCE, near.write_all(&[0; 11])).await;
        assert!(write.is_err(), "it goes on waiting");
    }
}
