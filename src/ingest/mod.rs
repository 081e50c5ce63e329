//! Ingest: MQTT in, reports out.

#[cfg(feature = "broker")]
mod broker;
mod gatekeeper;
mod hash;
mod intake;
mod meshtastic;
mod metrics;
pub(crate) mod mqtt;

use thiserror::Error;

#[cfg(feature = "broker")]
pub use broker::{Broker, BrokerError};
pub use gatekeeper::Gatekeeper;
pub use intake::{Decode, Intake, Sender};
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
    /// Its sender does not agree that it goes to MQTT, or does not say.
    #[error("not agreed to go to MQTT")]
    OkToMqtt,
    /// The name of its sender says that it is not to be shown.
    #[error("its sender opted out")]
    OptedOut,
    /// An administrator had its sender forgotten.
    #[error("its sender is kept out")]
    Forgotten,
    /// Its sender is blocked, or not among those allowed.
    #[error("its sender is not allowed")]
    NodeNotAllowed,
    /// Its channel is not one that is kept.
    #[error("its channel is not kept")]
    ChannelNotKept,
    /// Its port is not one that is kept.
    #[error("its port is not kept")]
    PortNotKept,
    /// Its sender is outside the region of this map.
    #[error("its sender is outside the region")]
    OutsideRegion,
    /// One of many positions, merged with a newer one.
    #[error("merged with a newer position")]
    Rate,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 17] = [
        Self::UnknownTopic,
        Self::Malformed,
        Self::NoKey,
        Self::DirectMessage,
        Self::UnknownPort,
        Self::BadPosition,
        Self::PrecisionZero,
        Self::Duplicate,
        Self::Quarantined,
        Self::OkToMqtt,
        Self::OptedOut,
        Self::Forgotten,
        Self::NodeNotAllowed,
        Self::ChannelNotKept,
        Self::PortNotKept,
        Self::OutsideRegion,
        Self::Rate,
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
            Self::OkToMqtt => "ok_to_mqtt",
            Self::OptedOut => "opted_out",
            Self::Forgotten => "forgotten",
            Self::NodeNotAllowed => "node_not_allowed",
            Self::ChannelNotKept => "channel_not_kept",
            Self::PortNotKept => "port_not_kept",
            Self::OutsideRegion => "outside_region",
            Self::Rate => "rate",
        }
    }
}
