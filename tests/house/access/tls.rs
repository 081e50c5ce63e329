//! TLS, and certificates that are exchanged while it is on.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::harness::{DEADLINE, Geocast, refusal};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls");

fn put(folder: &Path, name: &str) {
    for kind in ["pem", "key"] {
        let from = format!("{FILES}/{name}.{kind}");
        fs::copy(from, folder.join(format!("mine.{kind}"))).unwrap();
    }
}

async fn start(folder: &Path) -> Geocast {
    let [cert, key] = ["mine.pem", "mine.key"].map(|name| folder.join(name));
    let database = format!("sqlite:{}", folder.join("geocast.db").display());
    let mut geocast = Geocast::launch(&[
        "serve",
        "--broker-listen",
        "127.0.0.1:0",
        "--database-url",
        &database,
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    geocast.address = geocast.logged("listening on https://").await.parse().unwrap();
    geocast
}

/// Connects, trusting the authority in this file and no other.
async fn connect(geocast: &Geocast, authority: &str) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(format!("{FILES}/{authority}")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(geocast.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
    timeout(DEADLINE, connecting).await.unwrap().map_err(|error| error.to_string())
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut some = [0; 4096];
        let read = timeout(DEADLINE, stream.read(&mut some)).await.unwrap().unwrap();
        assert!(read > 0, "hung up");
        answer.extend(&some[..read]);
    }
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

async fn until_trusted(geocast: &Geocast, authority: &str) -> TlsStream<TcpStream> {
    let trying = async {
        loop {
            if let Ok(stream) = connect(geocast, authority).await {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE, trying).await.expect("it is never trusted")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_is_served_over_tls_and_says_so() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "server");
    let geocast = start(folder.path()).await;
    let mut stream = connect(&geocast, "ca.pem").await.unwrap();
    let answer = ask(&mut stream, "/api/health").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    let stream = connect(&geocast, "ca.pem").await.unwrap();
    let (mut socket, _) = client_async("wss://localhost/api/ws", stream).await.unwrap();
    let mut next =
        async || match timeout(DEADLINE, futures_util::StreamExt::next(&mut socket)).await {
            Ok(Some(Ok(Message::Text(text)))) => text.to_string(),
            other => panic!("{other:?}"),
        };
    assert!(next().await.contains("\"hello\""));
    let mut plain = TcpStream::connect(geocast.address).await.unwrap();
    plain.write_all(b"GET /api/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "nothing is said in clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_and_a_bad_one_is_not_while_connections_stay() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "server");
    let mut geocast = start(folder.path()).await;
    let mut before = connect(&geocast, "ca.pem").await.unwrap();
    fs::write(folder.path().join("mine.pem"), "no certificate").unwrap();
    geocast.logged("the certificate stays as it was").await;
    assert!(connect(&geocast, "ca.pem").await.is_ok());
    put(folder.path(), "other");
    until_trusted(&geocast, "other.pem").await;
    assert!(connect(&geocast, "ca.pem").await.is_err(), "the old one is gone");
    assert!(ask(&mut before, "/api/health").await.starts_with("http/1.1 200"), "it stayed");

    put(folder.path(), "server");
    rustix::process::kill_process(geocast.pid(), rustix::process::Signal::HUP).unwrap();
    until_trusted(&geocast, "ca.pem").await;
    let (status, _) = geocast.stop().await;
    assert!(status.success());
}

#[test]
fn files_that_cannot_be_used_are_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "server");
    let [cert, key] = ["mine.pem", "mine.key"].map(|name| folder.path().join(name));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let other = format!("{FILES}/other.key");
    let refused = |cert: &str, key: &str| {
        let listen = ["demo", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        refusal(&listen)
    };
    assert!(refused("/none.pem", key).contains("cannot read /none.pem"));
    assert!(refused(key, key).contains("holds no certificate"));
    assert!(refused(cert, cert).contains("holds no private key"));
    assert!(refused(cert, &other).contains("cannot be used"));
}
