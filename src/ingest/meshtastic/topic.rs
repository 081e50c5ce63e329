//! Which topics Meshtastic publishes to. The root is the operator's and has any number of levels.

use crate::{domain::NodeId, ingest::Refusal};

/// The channel of direct messages, whose content is for one receiver alone.
pub(super) const DIRECT_MESSAGES: &str = "PKI";

/// What a topic promises of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `<root>/2/e/<channel>/<!gateway>`: a service envelope.
    Envelope(Uplink<'a>),
    /// `<root>/2/json/<channel>/<!gateway>`: JSON.
    Json(Uplink<'a>),
    /// `<root>/2/map/`: a service envelope with a map report, which names its gateway itself.
    Map,
}

/// The channel and the gateway that a topic names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uplink<'a> {
    /// Name of the channel.
    pub(super) channel: &'a str,
    /// Who handed the packet to MQTT.
    pub(super) gateway: NodeId,
}

impl<'a> Topic<'a> {
    /// Reads a topic.
    pub(super) fn parse(topic: &'a str) -> Result<Self, Refusal> {
        let mut rest = topic;
        loop {
            if let Some(topic) = rest.strip_prefix("2/").and_then(Self::below_version) {
                return topic;
            }
            rest = rest.split_once('/').ok_or(Refusal::UnknownTopic)?.1;
        }
    }

    /// Reads what follows `<root>/2/`; none if that was still a part of the root.
    fn below_version(levels: &'a str) -> Option<Result<Self, Refusal>> {
        let (kind, levels) = levels.split_once('/')?;
        match kind {
            "e" => Some(Uplink::parse(levels)?.map(Self::Envelope)),
            "json" => Some(Uplink::parse(levels)?.map(Self::Json)),
            "map" => Some(Ok(Self::Map)),
            _ => None,
        }
    }
}

impl<'a> Uplink<'a> {
    /// Whether it is for one receiver alone.
    pub(super) fn is_direct(&self) -> bool {
        self.channel == DIRECT_MESSAGES
    }

    fn parse(levels: &'a str) -> Option<Result<Self, Refusal>> {
        // The name of a channel may hold a slash, the name of a gateway does not.
        let (channel, gateway) = levels.rsplit_once('/')?;
        Some(radio(gateway).map(|gateway| Self { channel, gateway }))
    }
}

/// The radio that `!a1b2c3d4` names.
pub(super) fn radio(text: &str) -> Result<NodeId, Refusal> {
    match text.parse() {
        Ok(id @ NodeId::Radio(_)) => Ok(id),
        _ => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink(channel: &str) -> Uplink<'_> {
        Uplink { channel, gateway: NodeId::Radio(0xa1b2_c3d4) }
    }

    #[test]
    fn the_root_has_any_number_of_levels() {
        for root in ["", "msh/", "msh/US/", "msh/EU_868/DE/Berlin/2/", "/", "2/2/"] {
            let topic = format!("{root}2/e/LongFast/!a1b2c3d4");
            assert_eq!(Topic::parse(&topic), Ok(Topic::Envelope(uplink("LongFast"))), "{topic}");
            assert_eq!(Topic::parse(&format!("{root}2/map/")), Ok(Topic::Map), "{root}");
        }
    }

    #[test]
    fn a_channel_may_have_a_slash_in_its_name() {
        let topic = Topic::parse("msh/2/json/A/B/!a1b2c3d4");
        assert_eq!(topic, Ok(Topic::Json(uplink("A/B"))));
    }

    #[test]
    fn other_topics_are_not_read() {
        for topic in ["", "msh", "msh/US/2/c/LongFast/!a1b2c3d4", "msh/2/stat/!a1b2c3d4"] {
            assert_eq!(Topic::parse(topic), Err(Refusal::UnknownTopic), "{topic}");
        }
        for topic in ["msh/2/e/LongFast", "msh/2/map", "msh/12/e/LongFast/!a1b2c3d4", "2/e"] {
            assert_eq!(Topic::parse(topic), Err(Refusal::UnknownTopic), "{topic}");
        }
    }

    #[test]
    fn a_gateway_that_is_no_radio_is_malformed() {
        for gateway in ["", "a1b2c3d4", "!a1b2c3", "!a1b2c3dz", "gateway"] {
            let topic = format!("msh/US/2/e/LongFast/{gateway}");
            assert_eq!(Topic::parse(&topic), Err(Refusal::Malformed), "{topic}");
        }
    }
}
