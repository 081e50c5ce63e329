//! Packets and receptions: what is stored of each thing heard.

use std::sync::Arc;

use super::{Network, NodeId, Patch, Timestamp};

/// Names a packet among those of its sender, for [`PACKET_WINDOW`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketKey {
    /// Where it comes from.
    pub network: Network,
    /// Who sent it.
    pub sender: NodeId,
    /// The sender's number for it (32 bits), or a hash of its content with the top bit set.
    pub id: u64,
}

/// How long a packet key stands for the same packet: senders use their numbers again.
pub const PACKET_WINDOW: std::time::Duration = std::time::Duration::from_mins(15);

/// What one node sent once.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Its name.
    pub key: PacketKey,
    /// The number of its kind: the Meshtastic port.
    pub port: u16,
    /// Name of the channel.
    pub channel: Option<Box<str>>,
    /// The node that it is meant for; none for everybody.
    pub to: Option<NodeId>,
    /// Its content, decrypted.
    pub payload: Vec<u8>,
}

/// One gateway's copy of a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Reception {
    /// Who handed it to MQTT.
    pub gateway: NodeId,
    /// When it came to this server.
    pub arrived: Timestamp,
    /// Since when it may have come before, if the broker says that it delivers it again; none for
    /// a first delivery.
    pub redelivered_since: Option<Timestamp>,
    /// Signal to noise at the gateway, in dB.
    pub snr_db: Option<f32>,
    /// Signal strength at the gateway, in dBm.
    pub rssi_dbm: Option<i32>,
    /// Hops that it was allowed at the start.
    pub hop_start: Option<u8>,
    /// Hops left when it was heard.
    pub hop_limit: Option<u8>,
}

/// One node heard by another: a row of the links history.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkObservation {
    /// Who was heard.
    pub from: NodeId,
    /// Who heard it.
    pub to: NodeId,
    /// How well, in dB.
    pub snr_db: Option<f32>,
    /// How it became known.
    pub source: LinkSource,
}

/// How a link became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSource {
    /// A node listed its neighbours.
    NeighbourInfo,
    /// A packet noted its way.
    Traceroute,
}

impl LinkSource {
    /// The name in the protocol and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeighbourInfo => "neighborinfo",
            Self::Traceroute => "traceroute",
        }
    }
}

/// Whether a sender agrees that its packets go to MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OkToMqtt {
    /// It agrees.
    Yes,
    /// It does not.
    No,
    /// Its firmware does not say.
    #[default]
    Absent,
}

/// On which terms a packet is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// What its sender says.
    pub ok_to_mqtt: OkToMqtt,
    /// The name of the rules that it came in by; none for the general ones.
    pub source: Option<Arc<str>>,
    /// It is shown, and not stored in the histories.
    pub map_only: bool,
}

/// Everything that one MQTT message says, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The packet.
    pub packet: Packet,
    /// The copy of it that arrived.
    pub reception: Reception,
    /// What it says about its sender.
    pub patch: Patch,
    /// What it says about links, the sender's own and others'.
    pub links: Vec<LinkObservation>,
    /// On which terms it is kept.
    pub terms: Terms,
}

/// What became of a report when it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// The first copy of its packet: packet, reception and state are stored.
    Packet,
    /// A further copy, by another gateway: the reception is stored.
    Reception,
    /// This gateway's copy was stored before; nothing was written.
    Duplicate,
}
