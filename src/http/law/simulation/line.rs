//! A connection over a bad network: bytes come late and in pieces, few fit on the way, and it may
//! break at any byte.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How bad a network is.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// How long bytes are on their way.
    pub(super) latency_ms: u64,
    /// How often a piece is lost, so that it and all behind it come much later.
    pub(super) loss: f64,
    /// How many bytes fit on the way.
    pub(super) room_bytes: usize,
    /// How many come at once.
    pub(super) piece_bytes: usize,
    /// After how many bytes the connection breaks.
    pub(super) life_bytes: Option<usize>,
}

impl Weather {
    pub(super) const FAIR: Self = Self {
        latency_ms: 1,
        loss: 0.0,
        room_bytes: 64 << 10,
        piece_bytes: 64 << 10,
        life_bytes: None,
    };

    pub(super) fn any(rng: &mut Rng) -> Self {
        Self {
            latency_ms: rng.u64(1..200),
            loss: if rng.bool() { 0.0 } else { 0.05 },
            room_bytes: [200, 1000, 4000, 64 << 10][rng.usize(..4)],
            piece_bytes: [7, 100, 1500, 64 << 10][rng.usize(..4)],
            life_bytes: (rng.u8(..3) == 0).then(|| rng.usize(100..20_000)),
        }
    }
}

/// Both ends of a new connection, and a handle on what is between them.
pub(super) fn line(weather: &Weather, rng: &mut Rng) -> (End, End, Line) {
    let way = |rng: &mut Rng| {
        Arc::new(Way(Mutex::new(State {
            weather: weather.clone(),
            rng: rng.fork(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            ended: false,
            broken: false,
            waiting: Vec::new(),
        })))
    };
    let (to, from) = (way(rng), way(rng));
    let end = |reads: &Arc<Way>, writes: &Arc<Way>| End {
        reads: Arc::clone(reads),
        writes: Arc::clone(writes),
        alarm: None,
    };
    (end(&from, &to), end(&to, &from), Line([to, from]))
}

/// What is between two ends.
pub(super) struct Line([Arc<Way>; 2]);

impl Line {
    /// Breaks it; what is on the way is lost.
    pub(super) fn cut(&self) {
        self.0.iter().for_each(|way| way.lock().break_off());
    }

    /// It breaks after so many more bytes in either direction.
    pub(super) fn cut_after(&self, bytes: usize) {
        self.0.iter().for_each(|way| way.lock().weather.life_bytes = Some(bytes));
    }

    /// From now on it is like this.
    pub(super) fn set(&self, weather: &Weather) {
        for way in &self.0 {
            let mut way = way.lock();
            way.weather = weather.clone();
            way.wake();
        }
    }
}

/// One direction.
struct Way(Mutex<State>);

struct State {
    weather: Weather,
    rng: Rng,
    /// In order, each with the moment at which it arrives.
    flying: VecDeque<(Instant, VecDeque<u8>)>,
    flying_bytes: usize,
    /// The writer has said that this was all.
    ended: bool,
    broken: bool,
    waiting: Vec<Waker>,
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn break_off(&mut self) {
        self.broken = true;
        self.flying.clear();
        self.flying_bytes = 0;
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Sends as many of the bytes as there is room for.
    fn send(&mut self, bytes: &[u8]) -> usize {
        let room = self.weather.room_bytes.saturating_sub(self.flying_bytes);
        let count = bytes.len().min(room).min(self.weather.piece_bytes);
        if count > 0 {
            let lost = self.rng.f64() < self.weather.loss;
            let late = if lost { self.rng.u64(200..5000) } else { 0 };
            let delay = Duration::from_millis(self.weather.latency_ms + late);
            let behind = self.flying.back().map(|(arrives, _)| *arrives);
            let arrives = (Instant::now() + delay).max(behind.unwrap_or_else(Instant::now));
            self.flying.push_back((arrives, bytes[..count].iter().copied().collect()));
            self.flying_bytes += count;
            self.wake();
        }
        count
    }

    /// Takes what has arrived; otherwise says when something will, if that is known.
    fn receive(&mut self, buffer: &mut ReadBuf<'_>) -> Result<(), Option<Instant>> {
        let Some((arrives, bytes)) = self.flying.front_mut() else { return Err(None) };
        if *arrives > Instant::now() {
            return Err(Some(*arrives));
        }
        let life = self.weather.life_bytes.unwrap_or(usize::MAX);
        let count = bytes.len().min(buffer.remaining()).min(life);
        let taken: Vec<u8> = bytes.drain(..count).collect();
        buffer.put_slice(&taken);
        if bytes.is_empty() {
            self.flying.pop_front();
        }
        self.flying_bytes -= count;
        self.weather.life_bytes = self.weather.life_bytes.map(|life| life - count);
        if self.weather.life_bytes == Some(0) {
            self.break_off();
        }
        self.wake();
        Ok(())
    }
}

/// One end of a connection.
pub(in crate::http) struct End {
    reads: Arc<Way>,
    writes: Arc<Way>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let reads = Arc::clone(&self.reads);
        loop {
            let mut way = reads.lock();
            if way.broken {
                // Then the other direction is of no use either.
                drop(way);
                self.writes.lock().break_off();
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            match way.receive(buffer) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(None) if way.ended => return Poll::Ready(Ok(())),
                Err(None) => {
                    way.waiting.push(cx.waker().clone());
                    return Poll::Pending;
                }
                Err(Some(arrives)) => {
                    way.waiting.push(cx.waker().clone());
                    drop(way);
                    let mut alarm = Box::pin(sleep_until(arrives));
                    if alarm.as_mut().poll(cx).is_pending() {
                        self.alarm = Some(alarm);
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.writes.lock();
        if way.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = way.send(bytes);
        if count == 0 && !bytes.is_empty() {
            way.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.writes.lock();
        way.ended = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut way = self.writes.lock();
        way.ended = true;
        way.wake();
        drop(way);
        self.reads.lock().break_off();
    }
}
