//! Ingest: MQTT in, reports out.

#[cfg(feature = "broker")]
mod broker;
mod hash;
mod intake;
mod meshtastic;
mod metrics;
pub(crate) mod mqtt;

use thiserror::Error;

#[cfg(feature = "broker")]
pub use broker::{Broker, BrokerError};
pub use intake::{Decode, Intake};
pub use meshtastic::{ChannelKey, ChannelKeys, Decoder, InvalidChannelKey};
pub use metrics::Metrics;
pub use mqtt::{
    BrokerWatch, ConnectionState, InvalidMqttUrl, MqttSettings, MqttSource, MqttUrl, SetupError,
    own_client_id,
};

/// Why a message was not stored. Each costs one counter and one debug line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// The topic is none that a decoder reads.
    #[error("the topic is not one that is read")]
    UnknownTopic,
    /// The bytes are not what the topic promises.
    #[error("malformed")]
    Malformed,
    /// Encrypted with a key that is not known.
    #[error("no known channel key opens it")]
    NoKey,
    /// A direct message with a public key: for its receiver alone.
    #[error("encrypted for one receiver")]
    DirectMessage,
    /// Readable, but of a kind that says nothing about the map.
    #[error("a port that is not read")]
    UnknownPort,
    /// No place, a place off the globe, or the null island of a receiver without a fix.
    #[error("not a usable position")]
    BadPosition,
    /// The node shares its position with a precision of zero bits: not at all.
    #[error("position shared with zero precision")]
    PrecisionZero,
    /// The same gateway's copy of the same packet is stored already.
    #[error("stored already")]
    Duplicate,
    /// The database refuses it for what it says, so it was set aside there.
    #[error("set aside")]
    Quarantined,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::UnknownTopic,
        Self::Malformed,
        Self::NoKey,
        Self::DirectMessage,
        Self::UnknownPort,
        Self::BadPosition,
        Self::PrecisionZero,
        Self::Duplicate,
        Self::Quarantined,
    ];

    /// The label in the metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnknownTopic => "unknown_topic",
            Self::Malformed => "malformed",
            Self::NoKey => "no_key",
            Self::DirectMessage => "direct_message",
            Self::UnknownPort => "unknown_port",
            Self::BadPosition => "bad_position",
            Self::PrecisionZero => "precision_zero",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
        }
    }
}
