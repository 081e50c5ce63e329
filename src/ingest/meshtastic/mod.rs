//! Meshtastic over MQTT: topic and bytes in, a report or a refusal out.
//!
//! Pure: the time of arrival is an argument, and whatever the bytes are, they are read or refused.
//! JSON becomes the protobuf messages that it was made from, so that there is one reading of each.

mod content;
mod envelope;
mod header;
mod identity;
mod json;
mod keys;
mod links;
mod messages;
mod position;
mod telemetry;
mod text;
mod topic;

use super::{Decode, Refusal, Sender};
use crate::domain::{Report, Timestamp};
use topic::Topic;

pub use keys::{ChannelKey, ChannelKeys, InvalidChannelKey};

/// Reads what Meshtastic gateways publish.
#[derive(Clone, Debug)]
pub struct Decoder {
    keys: ChannelKeys,
}

impl Decoder {
    /// A decoder that opens packets with these keys.
    pub fn new(keys: ChannelKeys) -> Self {
        Self { keys }
    }
}

impl Decode for Decoder {
    fn decode(&self, topic: &str, payload: &[u8], arrived: Timestamp) -> Result<Report, Refusal> {
        let topic = Topic::parse(topic)?;
        if let Topic::Envelope(uplink) | Topic::Json(uplink) = &topic
            && uplink.is_direct()
        {
            return Err(Refusal::DirectMessage);
        }
        if payload.is_empty() {
            return Err(Refusal::Malformed);
        }
        match topic {
            Topic::Envelope(uplink) => envelope::read_uplink(&self.keys, uplink, payload, arrived),
            Topic::Map => envelope::read_map_report(payload, arrived),
            Topic::Json(uplink) => json::read(uplink, payload, arrived),
        }
    }

    fn origin(&self, topic: &str, payload: &[u8]) -> Option<Sender> {
        match Topic::parse(topic).ok()? {
            Topic::Envelope(uplink) => envelope::origin(payload, Some(uplink.gateway)),
            Topic::Map => envelope::origin(payload, None),
            Topic::Json(uplink) => json::origin(payload, uplink.gateway),
        }
    }

    fn heard(&self, topic: &str, payload: &[u8]) -> Option<Timestamp> {
        let rx_time = match Topic::parse(topic).ok()? {
            Topic::Envelope(_) | Topic::Map => envelope::rx_time(payload),
            Topic::Json(_) => json::rx_time(payload),
        };
        rx_time.filter(|seconds| *seconds > 0).map(Timestamp::from_seconds)
    }
}
