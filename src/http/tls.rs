//! TLS on the door, with certificates that may be exchanged while it is open.

use std::{
    future::pending,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    fs,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};
use tracing::{error, info};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Why there is no TLS with these files.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// A file holds something else.
    #[error("{path} holds no {what} in PEM")]
    Missing {
        /// Which.
        path: String,
        /// What should be there.
        what: &'static str,
    },
    /// The two do not go together, or cannot be used.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What the files hold.
type Contents = (Vec<u8>, Vec<u8>);

/// The certificate that connections are accepted with.
pub struct Tls {
    files: TlsFiles,
    acceptor: RwLock<TlsAcceptor>,
    loaded: Contents,
}

impl Tls {
    /// With the certificate that the files hold now.
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = read(&files).await?;
        let acceptor = RwLock::new(acceptor(&files, &loaded)?);
        Ok(Self { files, acceptor, loaded })
    }

    /// What accepts the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what the files hold whenever that changes, and at once when the process is told to
    /// (SIGHUP). Files that cannot be used leave everything as it is. Connections stay.
    pub(super) async fn watch(&self) {
        let mut told = signal(SignalKind::hangup())
            .inspect_err(|error| error!("SIGHUP is not heard: {error}"))
            .ok();
        // What was looked at last, usable or not: about each is spoken once.
        let mut seen = Some(self.loaded.clone());
        loop {
            let is_told = tokio::select! {
                () = sleep(EVERY) => false,
                () = hangup(&mut told) => true,
            };
            let now = read(&self.files).await;
            let is_news = now.as_ref().ok() != seen.as_ref();
            if is_news || is_told {
                let next = now.as_ref().map_err(ToString::to_string).and_then(|contents| {
                    acceptor(&self.files, contents).map_err(|error| error.to_string())
                });
                match next {
                    Ok(next) => {
                        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = next;
                        info!("the certificate was read again, for the connections from now on");
                    }
                    Err(reason) => error!("the certificate stays as it was: {reason}"),
                }
            }
            seen = now.ok();
        }
    }
}

async fn hangup(told: &mut Option<Signal>) {
    match told {
        Some(told) => {
            told.recv().await;
        }
        None => pending().await,
    }
}

async fn read(files: &TlsFiles) -> Result<Contents, TlsError> {
    let read = async |path: &Path| {
        let unreadable = |reason| TlsError::Unreadable { path: path.display().to_string(), reason };
        fs::read(path).await.map_err(unreadable)
    };
    Ok((read(&files.cert).await?, read(&files.key).await?))
}

fn acceptor(files: &TlsFiles, (cert, key): &Contents) -> Result<TlsAcceptor, TlsError> {
    let missing = |path: &Path, what| TlsError::Missing { path: path.display().to_string(), what };
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(cert).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| missing(&files.cert, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key);
    let key = key.ok().ok_or_else(|| missing(&files.key, "private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
