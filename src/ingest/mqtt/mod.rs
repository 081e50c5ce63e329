//! The MQTT client: subscribes to a broker, and acknowledges what is on disk.

mod backoff;
mod gathering;
mod held;
mod identity;
mod link;
mod source;
mod topics;
mod url;
mod watch;

use std::{fmt, time::Duration};

use rumqttc::{
    AckMode, ConnectReturnCode, ConnectionError, MqttOptions, StateError, TlsError, Transport,
    mqttbytes,
    tokio_rustls::rustls::{self, CertificateError},
};
use thiserror::Error;

pub(crate) use backoff::Backoff;
pub use identity::own_client_id;
pub use source::MqttSource;
pub use url::{InvalidMqttUrl, MqttUrl};
pub use watch::BrokerWatch;

/// Largest packet that is read, in bytes. A Meshtastic envelope has a few hundred; the limit is
/// there so that nobody on a public broker can fill the memory.
pub(crate) const MAX_INCOMING_BYTES: usize = 256 * 1024;
/// Largest packet that MQTT knows, in bytes.
pub(crate) const MAX_PACKET_BYTES: usize = 268_435_455;

/// Which broker to listen to, and for what.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// The broker.
    pub url: MqttUrl,
    /// Topic filters.
    pub topics: Vec<String>,
    /// The name under which the broker keeps what could not be delivered. Stable across restarts,
    /// and of one client at a time: a second one with this name throws the first one out.
    pub client_id: String,
    /// Certificates (PEM) of the authorities to trust for `mqtts://`, in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// How long the broker may leave a question unanswered, in whole seconds from 1 up.
    pub patience: Duration,
}

impl MqttSettings {
    /// How long a broker may leave a question unanswered unless stated otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The usual settings for these topics of this broker.
    pub fn new(url: MqttUrl, topics: Vec<String>, client_id: String) -> Self {
        Self { url, topics, client_id, ca: None, patience: Self::PATIENCE }
    }
}

/// Why a client cannot be made. Nothing that waiting would mend.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Nothing to subscribe to.
    #[error("no topic to subscribe to")]
    NoTopics,
    /// Not a topic filter.
    #[error("not a topic filter: {0:?}")]
    Topic(String),
    /// A broker keeps a session only for a client with a name.
    #[error("the client id is empty")]
    NoClientId,
    /// The certificates of this machine or of the settings cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The client refuses the options.
    #[error("{0}")]
    Options(String),
}

/// How a connection is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not subscribed yet.
    Connecting,
    /// Subscribed.
    Connected,
    /// Lost, or never had; another attempt follows.
    Down {
        /// Why, in words for people.
        reason: String,
    },
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected => f.write_str("connected"),
            Self::Down { reason } => f.write_str(reason),
        }
    }
}

/// What every client of ours has in common. The session is a clean one, acknowledgements are
/// made by hand.
pub(crate) fn client_options(
    url: &MqttUrl,
    client_id: &str,
    ca: Option<Vec<u8>>,
    patience: Duration,
) -> Result<MqttOptions, SetupError> {
    let mut options = MqttOptions::new(client_id, (url.host(), url.port()));
    if let Some((user, password)) = url.credentials() {
        options.set_credentials(user, password.to_vec());
    }
    if url.tls() {
        options.set_transport(match ca {
            Some(pem) => Transport::tls(pem, None, None),
            None => Transport::try_tls_with_default_config()
                .map_err(|error| SetupError::Tls(error.to_string()))?,
        });
    }
    let keep_alive = u16::try_from(patience.as_secs().max(1)).unwrap_or(u16::MAX);
    options
        .set_keep_alive(keep_alive)
        .set_max_packet_size(MAX_INCOMING_BYTES, MAX_PACKET_BYTES)
        .set_read_batch_size(128)
        .set_ack_mode(AckMode::Manual);
    Ok(options)
}

/// Why a connection failed, in words for people.
pub(crate) fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                "the broker refuses the user name or password".to_owned()
            }
            ConnectReturnCode::BadClientId => "the broker refuses the client id".to_owned(),
            ConnectReturnCode::ServiceUnavailable => "the broker is unavailable".to_owned(),
            code => format!("the broker refuses the connection: {code:?}"),
        },
        ConnectionError::NetworkTimeout
        | ConnectionError::FlushTimeout
        | ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the broker does not answer".to_owned()
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the broker closed the connection".to_owned()
        }
        ConnectionError::Tls(TlsError::Io(error)) => match certificate_error(error) {
            Some(CertificateError::UnknownIssuer) => {
                "the broker's certificate is not trusted: its authority is unknown; name it with \
                 --mqtt-ca"
                    .to_owned()
            }
            Some(wrong) => format!("the broker's certificate is not trusted: {wrong}"),
            None => format!("no TLS with the broker: {error}"),
        },
        ConnectionError::Io(error)
        | ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(error))) => {
            error.to_string()
        }
        error if is_oversized(error) => "the broker sent a packet that is too large".to_owned(),
        error => error.to_string(),
    }
}

/// What is wrong with the certificate, if that is what ended the connection.
fn certificate_error(error: &std::io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(wrong) => Some(wrong),
        _ => None,
    }
}

/// Whether a packet above [`MAX_INCOMING_BYTES`] ended the connection.
fn is_oversized(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::MqttState(StateError::Deserialization(
            mqttbytes::Error::PayloadSizeLimitExceeded(_)
        ))
    )
}
