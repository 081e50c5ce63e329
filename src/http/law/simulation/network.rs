//! The network between the clients and the server, and the diary of what happens on it.

use std::{
    fmt::Write as _,
    hash::Hasher as _,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use fastrand::Rng;
use rustc_hash::FxHasher;
use tokio::{sync::mpsc, time::Instant};

use super::line::{End, Line, Weather, line};
use crate::http::Listener;

/// Connections that wait to be accepted.
const BACKLOG: usize = 64;

/// The network, shared by everybody on it.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    /// What connections are like; none when each is bad in its own way.
    weather: Option<Weather>,
    server: Option<mpsc::Sender<(End, SocketAddr)>>,
    /// The last connection of each client.
    lines: Vec<Option<Line>>,
    began: Instant,
    diary: String,
}

impl Network {
    pub(super) fn new(rng: Rng, clients: usize) -> Self {
        let lines = (0..clients).map(|_| None).collect();
        Self(Arc::new(Mutex::new(State {
            rng,
            weather: None,
            server: None,
            lines,
            began: Instant::now(),
            diary: String::new(),
        })))
    }

    /// A server from now on accepts what clients connect.
    pub(super) fn listen(&self) -> Incoming {
        let (server, incoming) = mpsc::channel(BACKLOG);
        self.lock().server = Some(server);
        Incoming(incoming)
    }

    /// A new connection of a client, in place of its last one.
    pub(super) fn connect(&self, client: usize) -> io::Result<End> {
        let mut state = self.lock();
        let weather = state.weather.clone().unwrap_or_else(|| Weather::any(&mut state.rng));
        let (near, far, line) = line(&weather, &mut state.rng);
        let peer = SocketAddr::from(([10, 0, 0, u8::try_from(client).unwrap()], 1000));
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let server = state.server.as_ref().ok_or_else(refused)?;
        server.try_send((far, peer)).map_err(|_full_or_gone| refused())?;
        state.lines[client] = Some(line);
        Ok(near)
    }

    /// The connection of a client breaks after so many more bytes.
    pub(super) fn cut_after(&self, client: usize, bytes: usize) {
        match &self.lock().lines[client] {
            Some(line) if bytes > 0 => line.cut_after(bytes),
            Some(line) => line.cut(),
            None => {}
        }
    }

    pub(super) fn cut_all(&self) {
        self.lock().lines.iter().flatten().for_each(Line::cut);
    }

    /// All connections are like this from now on.
    pub(super) fn calm(&self, weather: &Weather) {
        let mut state = self.lock();
        state.weather = Some(weather.clone());
        state.lines.iter().flatten().for_each(|line| line.set(weather));
    }

    /// Every new connection is bad in its own way.
    pub(super) fn storm(&self) {
        self.lock().weather = None;
    }

    /// Writes down what happens.
    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let mut state = self.lock();
        let at = state.began.elapsed().as_millis();
        writeln!(state.diary, "{at} ms: {what}").unwrap();
    }

    /// The last lines of the diary.
    pub(super) fn last_notes(&self, count: usize) -> String {
        let diary = &self.lock().diary;
        let lines: Vec<_> = diary.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// The diary in one number.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(self.lock().diary.as_bytes());
        hasher.finish()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// The server's side of the network.
pub(super) struct Incoming(mpsc::Receiver<(End, SocketAddr)>);

impl Listener for Incoming {
    type Io = End;

    async fn accept(&mut self) -> io::Result<(End, SocketAddr)> {
        match self.0.recv().await {
            Some(connection) => Ok(connection),
            None => std::future::pending().await,
        }
    }
}
