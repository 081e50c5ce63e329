//! What a packet says of itself, whatever it carries: who, when, on which channel, how well heard.

use std::time::Duration;

use meshtastic::protobufs::MeshPacket;

use super::content::Said;
use crate::{
    domain::{
        Network, NodeId, Packet, PacketKey, Patch, Reception, Report, Stamp, Terms, Timestamp,
    },
    ingest::{Refusal, hash::fnv1a},
};

/// The receiver of what is meant for everybody.
pub(super) const BROADCAST: u32 = 0xffff_ffff;
/// How far ahead of this server's a node's own clock may run.
const MAX_AHEAD: Duration = Duration::from_mins(5);
/// How long ago a gateway can have heard what arrives now.
const MAX_RX_AGE: Duration = Duration::from_hours(24);
/// No node states an earlier time by a clock that was set: 2020-01-01.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_577_836_800);
/// Marks a packet id that is a hash, which no radio's 32-bit number can be.
const HASHED: u64 = 1 << 63;

/// The parts of a packet outside its content.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    /// Who sent it.
    pub(super) sender: u32,
    /// Who it is for; [`BROADCAST`] for everybody.
    pub(super) to: u32,
    /// The sender's number for it; 0 if it has none.
    pub(super) id: u32,
    /// Name of its channel.
    pub(super) channel: Option<Box<str>>,
    /// When it was heard, by the gateway's clock if that is plausible.
    pub(super) heard: Timestamp,
    /// The gateway's copy of it.
    pub(super) reception: Reception,
}

impl Header {
    /// The header of `packet`, which `gateway` handed over.
    pub(super) fn read(
        packet: &MeshPacket,
        channel: Option<Box<str>>,
        gateway: NodeId,
        arrived: Timestamp,
    ) -> Result<Self, Refusal> {
        if matches!(packet.from, 0 | BROADCAST) {
            return Err(Refusal::Malformed);
        }
        let (snr_db, rssi_dbm) = signal(packet.rx_snr, packet.rx_rssi);
        // Firmware before 2.3 sends no `hop_start`, and protobuf has no absent number.
        let hop_start = Some(packet.hop_start).filter(|&hops| hops != 0);
        let hop_limit = Some(packet.hop_limit).filter(|&hops| hops != 0 || hop_start.is_some());
        let reception = Reception {
            gateway,
            arrived,
            redelivered_since: None,
            snr_db,
            rssi_dbm,
            hop_start: hop_start.and_then(|hops| u8::try_from(hops).ok()),
            hop_limit: hop_limit.and_then(|hops| u8::try_from(hops).ok()),
        };
        Ok(Self {
            sender: packet.from,
            to: packet.to,
            id: packet.id,
            channel,
            heard: heard(packet.rx_time, arrived),
            reception,
        })
    }

    /// Whether it is meant for everybody.
    pub(super) fn is_broadcast(&self) -> bool {
        self.to == BROADCAST
    }

    /// A patch that says only that the sender was heard, and on which channel.
    pub(super) fn heard_only(&self) -> Patch {
        let sender = NodeId::Radio(self.sender);
        let mut patch = Patch::heard(sender, Network::Meshtastic, self.heard);
        patch.info.channel.clone_from(&self.channel);
        patch
    }

    /// The stamp of a statement that its sender dated `seconds` after 1970; 0 for not at all.
    pub(super) fn stamp(&self, seconds: u32) -> Stamp {
        let own = Timestamp::from_seconds(seconds);
        if own >= EARLIEST && own <= self.reception.arrived.plus(MAX_AHEAD) {
            Stamp::dated(own, self.heard)
        } else {
            Stamp::heard(self.heard)
        }
    }

    /// What the packet is called: its number, or if it has none a hash of what it holds.
    pub(super) fn packet_id(&self, port: u16, payload: &[u8]) -> u64 {
        if self.id != 0 {
            return u64::from(self.id);
        }
        let (port, sender) = (port.to_le_bytes(), self.sender.to_le_bytes());
        fnv1a([&port[..], &sender[..], payload].into_iter().flatten()) | HASHED
    }

    /// The report of this packet, once its content is read.
    pub(super) fn report(self, port: u16, payload: Vec<u8>, said: Said) -> Report {
        let sender = NodeId::Radio(self.sender);
        let key = PacketKey { network: Network::Meshtastic, sender, id: said.id };
        let to = Some(self.to).filter(|to| !matches!(*to, 0 | BROADCAST)).map(NodeId::Radio);
        let payload = if said.private { Vec::new() } else { payload };
        Report {
            packet: Packet { key, port, channel: self.channel, to, payload },
            reception: self.reception,
            patch: said.patch,
            links: said.links,
            terms: Terms::default(),
        }
    }
}

/// When a packet was heard: by the gateway's clock, unless that lies or is not set.
fn heard(rx_time: u32, arrived: Timestamp) -> Timestamp {
    let stated = Timestamp::from_seconds(rx_time);
    let plausible = stated >= arrived.minus(MAX_RX_AGE) && stated <= arrived;
    if plausible { stated } else { arrived }
}

/// Signal to noise and strength. A gateway's own packets, and those that it has from MQTT, came
/// over no radio and state zeros.
fn signal(snr_db: f32, rssi_dbm: i32) -> (Option<f32>, Option<i32>) {
    let measured = rssi_dbm != 0;
    let snr = Some(snr_db).filter(|snr| snr.is_finite() && (measured || *snr != 0.0));
    (snr, measured.then_some(rssi_dbm))
}
