//! Accepts connections, and serves HTTP/1.1 on those that may come in.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::Request, response::IntoResponse};
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::{
    access::is_secure,
    error::{ApiError, PROBLEM, Problem},
    gate::{Client, Gate, Place, Refusal},
    headers::protect,
    io::{Traffic, Watched},
    lent::lend,
    metrics::Metrics,
    request_id::{Asked, RequestIds, answered},
    tls::Tls,
};

/// How long to wait when no connection can be accepted, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest head of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// What the system holds for a client that does not take it. It would grow to megabytes by itself,
/// and a slow client would see what was long ago: what waits here cannot be merged any more.
const SEND_BUFFER_BYTES: u32 = 128 << 10;

/// Where connections come from.
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and its other end. Nothing is lost when the future is dropped.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

/// Listens for connections at `address`.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again finds connections of the last one still closing.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        accept_from(self).await
    }
}

/// One socket that is listened to by one server after the other.
impl Listener for Arc<TcpListener> {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        accept_from(self).await
    }
}

async fn accept_from(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Small frames go out at once. A socket that cannot be told so still works.
    drop(stream.set_nodelay(true));
    Ok((stream, peer))
}

/// How connections are served.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) gate: Arc<Gate>,
    pub(super) metrics: Metrics,
    pub(super) ids: Arc<RequestIds>,
    /// How long the head of a request may take.
    pub(super) handshake: Duration,
    /// How long a client may take nothing of its answer.
    pub(super) patience: Duration,
    /// What connections are encrypted with; none where they are not.
    pub(super) tls: Option<Arc<Tls>>,
    /// Whether pages of other sites may use this server.
    pub(super) is_for_others: bool,
}

impl Server {
    /// Accepts until `stop`, and then waits for the answers that are under way.
    pub(super) async fn run<L: Listener>(
        self,
        mut listener: L,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut connections = JoinSet::new();
        let stopping = CancellationToken::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            select! {
                () = &mut stop => break,
                Some(ended) = connections.join_next() => report(ended),
                accepted = next(&mut listener) => {
                    let Some((io, peer)) = accepted else { continue };
                    match self.gate.admit(peer, Instant::now()) {
                        Ok(place) => {
                            let stopping = stopping.clone().cancelled_owned();
                            connections.spawn(self.clone().serve(io, peer, place, stopping));
                        }
                        Err(refusal) => self.refuse(io, refusal),
                    }
                }
            }
        }
        drop(listener);
        stopping.cancel();
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }

    /// Serves one connection until its end, or its upgrade.
    async fn serve<IO>(
        self,
        io: IO,
        peer: SocketAddr,
        place: Place,
        stop: impl Future<Output = ()> + Send,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (place, traffic) = (Arc::new(place), Arc::new(Traffic::default()));
        let io = Watched::new(io, Arc::clone(&traffic), Arc::clone(&place), self.patience);
        let mut stop = std::pin::pin!(stop);
        let Some(tls) = &self.tls else {
            return self.converse(io, false, (peer, place, traffic), stop).await;
        };
        let handshake = timeout(self.handshake, tls.acceptor().accept(io));
        let shaken = select! {
            shaken = Box::pin(handshake) => shaken,
            () = &mut stop => return,
        };
        match shaken {
            Ok(Ok(io)) => Box::pin(self.converse(io, true, (peer, place, traffic), stop)).await,
            Ok(Err(error)) => debug!("a connection with {peer} is not encrypted well: {error}"),
            Err(_elapsed) => debug!("a connection with {peer} is not encrypted in time"),
        }
    }

    async fn converse<IO>(
        self,
        io: IO,
        is_tls: bool,
        (peer, place, traffic): (SocketAddr, Arc<Place>, Arc<Traffic>),
        stop: impl Future<Output = ()> + Send,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(self.router);
        let (gate, metrics, ids) = (self.gate, self.metrics, self.ids);
        let is_for_others = self.is_for_others;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let now = Instant::now();
            let asked = Asked {
                id: ids.of(request.headers()),
                method: request.method().clone(),
                uri: request.uri().clone(),
                is_tls,
                traceparent: request.headers().get("traceparent").cloned(),
            };
            let client = gate.recognise(&place, peer, &traffic, request.headers(), now);
            let client = client.map(|client| Client { is_tls, ..client });
            let is_secure =
                client.as_ref().map_or(is_tls, |client| is_secure(client, request.headers()));
            let answer = client.map(|client| {
                request.extensions_mut().insert(client);
                let (request, rest) = lend(request);
                (router.call(request), rest)
            });
            let refused = answer.as_ref().err().copied();
            if let Some(refusal) = refused {
                metrics.refused(refusal);
            }
            answered(asked, async move {
                let mut answer = match answer {
                    Ok((answer, rest)) => {
                        let answer = answer.await?;
                        rest.read().await;
                        answer
                    }
                    Err(refusal) => ApiError::from(refusal).into_response(),
                };
                protect(&mut answer, is_secure, is_for_others);
                Ok::<_, Infallible>(answer)
            })
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.handshake)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!("a connection with {peer} broke: {error}");
        }
    }

    /// Says why, if the socket takes that at once, and hangs up.
    fn refuse(&self, mut io: impl AsyncWrite + Unpin, refusal: Refusal) {
        self.metrics.refused(refusal);
        let status = refusal.status();
        let problem = Problem::new(status, refusal.to_string()).text();
        let length = problem.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {PROBLEM}\r\n\
             content-length: {length}\r\nretry-after: 10\r\n\r\n{problem}"
        );
        drop(io.write_all(answer.as_bytes()).now_or_never());
    }
}

/// The next connection; none, after a pause, when there can be none now.
async fn next<L: Listener>(listener: &mut L) -> Option<(L::Io, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) if is_of_one_connection(&error) => None,
        Err(error) => {
            error!("cannot accept connections: {error}");
            sleep(PAUSE).await;
            None
        }
    }
}

/// Whether only one connection failed, before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that panicked is a mistake of ours, and nobody else's matter.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!("a connection failed: {error}");
    }
}
