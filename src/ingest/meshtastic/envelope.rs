//! Service envelopes: a packet as a gateway hands it to MQTT, encrypted or not.

use meshtastic::protobufs::{
    Data, MeshPacket, PortNum, ServiceEnvelope, mesh_packet::PayloadVariant,
};
use prost::Message;

use super::{
    content::{Content, Said},
    header::{BROADCAST, Header},
    keys::{ChannelKeys, Cipher},
    text,
    topic::{self, DIRECT_MESSAGES, Uplink},
};
use crate::{
    domain::{NodeId, OkToMqtt, Report, Timestamp},
    ingest::{Refusal, Sender},
};

/// The bit of `Data.bitfield` by which a sender agrees that the packet goes to MQTT.
const OK_TO_MQTT: u32 = 1;

/// Reads an envelope of the topic `<root>/2/e/<channel>/<!gateway>`.
///
/// The topic's gateway counts, since a broker can restrict who publishes there, and not the
/// envelope's; the envelope's channel counts, since the hash of a packet is made of its name.
pub(super) fn read_uplink(
    keys: &ChannelKeys,
    uplink: Uplink<'_>,
    payload: &[u8],
    arrived: Timestamp,
) -> Result<Report, Refusal> {
    let envelope = Envelope::parse(payload)?;
    let channel = if envelope.channel.is_empty() { uplink.channel } else { &envelope.channel };
    let header = envelope.header(channel, uplink.gateway, arrived)?;
    let (data, said) = match &envelope.packet.payload_variant {
        Some(PayloadVariant::Decoded(data)) => {
            let said = Content::parse(data)?.say(&header, &data.payload)?;
            (data.clone(), said)
        }
        Some(PayloadVariant::Encrypted(bytes)) if !bytes.is_empty() => {
            decrypt(keys, channel, &envelope.packet, bytes, &header)?
        }
        _ => return Err(Refusal::Malformed),
    };
    finish(header, data, said)
}

/// Reads an envelope of the topic `<root>/2/map/`: a map report that is not encrypted.
pub(super) fn read_map_report(payload: &[u8], arrived: Timestamp) -> Result<Report, Refusal> {
    let envelope = Envelope::parse(payload)?;
    let gateway = topic::radio(&envelope.gateway)?;
    let header = envelope.header(&envelope.channel, gateway, arrived)?;
    match envelope.packet.payload_variant {
        Some(PayloadVariant::Decoded(data)) if data.portnum() == PortNum::MapReportApp => {
            let said = Content::parse(&data)?.say(&header, &data.payload)?;
            finish(header, data, said)
        }
        _ => Err(Refusal::Malformed),
    }
}

/// Who sent it, as far as the outside of the packet says.
pub(super) fn origin(payload: &[u8], gateway: Option<NodeId>) -> Option<Sender> {
    let envelope = ServiceEnvelope::decode(payload).ok()?;
    let packet = envelope.packet.filter(|packet| !matches!(packet.from, 0 | BROADCAST))?;
    let (port, channel_hash) = match &packet.payload_variant {
        Some(PayloadVariant::Decoded(data)) => (u16::try_from(data.portnum).ok(), None),
        _ => (None, Some(packet.channel)),
    };
    let gateway = gateway.or_else(|| topic::radio(&envelope.gateway_id).ok());
    Some(Sender { node: NodeId::Radio(packet.from), gateway, port, channel_hash })
}

/// When the gateway says that it heard the packet, in seconds since 1970.
pub(super) fn rx_time(payload: &[u8]) -> Option<u32> {
    Some(ServiceEnvelope::decode(payload).ok()?.packet?.rx_time)
}

fn finish(header: Header, data: Data, said: Said) -> Result<Report, Refusal> {
    let port = u16::try_from(data.portnum).map_err(|_negative| Refusal::UnknownPort)?;
    let mut report = header.report(port, data.payload, said);
    report.terms.ok_to_mqtt = match data.bitfield {
        Some(bits) if bits & OK_TO_MQTT != 0 => OkToMqtt::Yes,
        Some(_) => OkToMqtt::No,
        None => OkToMqtt::Absent,
    };
    Ok(report)
}

struct Envelope {
    packet: MeshPacket,
    channel: String,
    gateway: String,
}

impl Envelope {
    fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        let envelope = ServiceEnvelope::decode(payload).map_err(|_error| Refusal::Malformed)?;
        let packet = envelope.packet.ok_or(Refusal::Malformed)?;
        if packet.pki_encrypted || envelope.channel_id == DIRECT_MESSAGES {
            return Err(Refusal::DirectMessage);
        }
        Ok(Self { packet, channel: envelope.channel_id, gateway: envelope.gateway_id })
    }

    fn header(
        &self,
        channel: &str,
        gateway: NodeId,
        arrived: Timestamp,
    ) -> Result<Header, Refusal> {
        Header::read(&self.packet, text::name(channel), gateway, arrived)
    }
}

/// Opens a packet with the first key that proves right. The channel hash only says which keys to
/// try first, and whose reason to believe if a packet opens and is not fit.
fn decrypt(
    keys: &ChannelKeys,
    channel: &str,
    packet: &MeshPacket,
    encrypted: &[u8],
    header: &Header,
) -> Result<(Data, Said), Refusal> {
    let mut refusal = Refusal::NoKey;
    let open = |cipher: &Cipher| {
        read_decrypted(&cipher.decrypt(packet.from, packet.id, encrypted), header)
    };
    for cipher in keys.likely(channel, packet.channel) {
        match open(cipher) {
            Ok(opened) => return Ok(opened),
            Err(Some(reason)) if refusal == Refusal::NoKey => refusal = reason,
            Err(_) => {}
        }
    }
    let mut unlikely = keys.unlikely(channel, packet.channel);
    unlikely.find_map(|cipher| open(cipher).ok()).ok_or(refusal)
}

/// Reads what a key made of a packet. Nothing but its form shows whether the key was right:
///
/// - its port is one that is read, and its content is such as that port carries: accepted;
/// - it is a message to the last byte and the port is one of Meshtastic's, but its content is
///   not fit: refused with that reason, if no other key does better;
/// - all else: the wrong key.
fn read_decrypted(plain: &[u8], header: &Header) -> Result<(Data, Said), Option<Refusal>> {
    let data = Data::decode(plain).map_err(|_error| None)?;
    if matches!(PortNum::try_from(data.portnum), Err(_) | Ok(PortNum::UnknownApp | PortNum::Max)) {
        return Err(None);
    }
    // Fields that are not known are skipped, so that newer firmware is read. Then there must be a
    // content to judge by.
    let whole = data.encoded_len() == plain.len();
    match Content::parse(&data).and_then(|content| content.say(header, &data.payload)) {
        Ok(said) if whole || !data.payload.is_empty() => Ok((data, said)),
        Err(reason) if whole => Err(Some(reason)),
        _ => Err(None),
    }
}
