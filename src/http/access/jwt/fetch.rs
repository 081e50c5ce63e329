//! Where a provider's keys come from. Nobody is asked who is not named in the settings.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    fs,
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};
use url::Url;

/// How long the keys may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest set of keys.
const MAX_BYTES: usize = 1 << 20;

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// At an address: https, or http on this machine.
    Url(Url),
    /// In a file.
    File(PathBuf),
}

/// What is there now, or why it cannot be had.
pub(super) async fn fetch(source: &KeySource) -> Result<Bytes, String> {
    let fetching = async {
        match source {
            KeySource::Url(url) => get(url).await,
            KeySource::File(path) => {
                fs::read(path).await.map(Bytes::from).map_err(|error| error.to_string())
            }
        }
    };
    let seconds = PATIENCE.as_secs();
    timeout(PATIENCE, fetching).await.unwrap_or_else(|_| Err(format!("nothing within {seconds} s")))
}

async fn get(url: &Url) -> Result<Bytes, String> {
    let host = url.host_str().ok_or("it has no host")?;
    let port = url.port_or_known_default().ok_or("it has no port")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let socket = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
    if url.scheme() == "http" {
        return ask(socket, url).await;
    }
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
    let socket = connector()?.connect(name, socket).await.map_err(|error| error.to_string())?;
    ask(socket, url).await
}

/// Trusts whom the system trusts.
fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn ask<IO>(io: IO, url: &Url) -> Result<Bytes, String>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("geocast/", env!("CARGO_PKG_VERSION")))
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(|error| error.to_string())?;
    let asking = async move {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        // Nobody is followed elsewhere.
        if answer.status() != 200 {
            return Err(format!("it answers {}", answer.status()));
        }
        let body = to_bytes(Body::new(answer.into_body()), MAX_BYTES).await;
        body.map_err(|error| error.to_string())
    };
    // The connection ends once nobody asks for more on it; why it ends, the answer says.
    tokio::join!(asking, connection).0
}
