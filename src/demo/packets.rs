//! The Meshtastic side: what a radio puts on the air, and what a gateway hands to MQTT.

use aes::Aes128;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use geo::Point;
use meshtastic::protobufs::{
    Data, MeshPacket, PortNum, ServiceEnvelope, mesh_packet::PayloadVariant,
};
use prost::Message;

use super::numbers::whole;

/// The receiver of what is meant for everybody.
pub const EVERYBODY: u32 = 0xffff_ffff;

/// The root of all topics.
const ROOT: &str = "msh/EU_868/2";

/// The channel that radios come with, and that its name and key give in one byte of every packet.
const CHANNEL: &str = "LongFast";
const CHANNEL_HASH: u32 = 8;

/// The key that radios come with (`AQ==`).
const DEFAULT_KEY: [u8; 16] = [
    0xd4, 0xf1, 0xbb, 0x3a, 0x20, 0x29, 0x07, 0x59, 0xf0, 0xbc, 0xff, 0xab, 0xcf, 0x4e, 0x69, 0x01,
];

/// `Data.bitfield`: the sender agrees that its packets go to MQTT.
const OK_TO_MQTT: u32 = 1;

/// What a node says, before it is encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Who says it.
    pub from: u32,
    /// To whom.
    pub to: u32,
    /// The number of the packet; 0 in a map report.
    pub id: u32,
    /// How often it may be relayed.
    pub hop_start: u32,
    /// What kind of thing it is.
    pub port: PortNum,
    /// The encoded thing itself.
    pub payload: Vec<u8>,
    /// The packet that it answers, or 0.
    pub request_id: u32,
}

/// How one gateway heard a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// The gateway.
    pub gateway: u32,
    /// When, in seconds since 1970.
    pub rx_time: u32,
    /// Signal to noise, in dB.
    pub snr_db: f32,
    /// Signal strength, in dBm.
    pub rssi_dbm: i32,
    /// How often it was relayed before.
    pub hops: u32,
    /// The last byte of the number of who relayed it last.
    pub relay: u32,
}

/// One MQTT message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it is published.
    pub topic: String,
    /// A `ServiceEnvelope`.
    pub payload: Vec<u8>,
}

impl Said {
    /// The packet as it goes through the air: encrypted, unless it is a map report, which never
    /// does.
    pub fn on_air(self) -> MeshPacket {
        let clear = self.port == PortNum::MapReportApp;
        let data = Data {
            portnum: self.port.into(),
            payload: self.payload,
            request_id: self.request_id,
            bitfield: Some(OK_TO_MQTT),
            ..Data::default()
        };
        let variant = if clear {
            PayloadVariant::Decoded(data)
        } else {
            let mut bytes = data.encode_to_vec();
            cipher(self.from, self.id).apply_keystream(&mut bytes);
            PayloadVariant::Encrypted(bytes)
        };
        MeshPacket {
            from: self.from,
            to: self.to,
            id: self.id,
            channel: if clear { 0 } else { CHANNEL_HASH },
            hop_start: self.hop_start,
            payload_variant: Some(variant),
            ..MeshPacket::default()
        }
    }
}

/// The cipher of one packet under the default key: AES-128 in counter mode, its first counter made
/// of the packet id (u64), the sender (u32) and zeros (u32), little endian.
fn cipher(from: u32, id: u32) -> Ctr128BE<Aes128> {
    let counter = u128::from(id) | u128::from(from) << 64;
    Ctr128BE::new(&DEFAULT_KEY.into(), &counter.to_le_bytes().into())
}

/// What the gateway that `heard` the packet publishes.
pub fn frame(packet: &MeshPacket, heard: &Heard) -> Frame {
    let gateway = format!("!{:08x}", heard.gateway);
    let topic = match packet.payload_variant {
        Some(PayloadVariant::Decoded(_)) => format!("{ROOT}/map/"),
        _ => format!("{ROOT}/e/{CHANNEL}/{gateway}"),
    };
    let packet = MeshPacket {
        rx_time: heard.rx_time,
        rx_snr: heard.snr_db,
        rx_rssi: heard.rssi_dbm,
        hop_limit: packet.hop_start.saturating_sub(heard.hops),
        relay_node: heard.relay,
        ..packet.clone()
    };
    let channel_id = CHANNEL.to_owned();
    let envelope = ServiceEnvelope { packet: Some(packet), channel_id, gateway_id: gateway };
    Frame { topic, payload: envelope.encode_to_vec() }
}

/// The place as it is shared with `precision_bits` of precision, latitude and longitude in units
/// of 1e-7 degrees: below 32 bits, the middle of the cell.
pub fn shared_place(place: Point<f64>, precision_bits: u32) -> (i32, i32) {
    let blur = |degrees: f64| {
        let units = whole(degrees * 1e7);
        if (1..32).contains(&precision_bits) {
            let lost_bits = 32 - precision_bits;
            (units >> lost_bits << lost_bits) + (1 << (lost_bits - 1))
        } else {
            units
        }
    };
    (blur(place.y()), blur(place.x()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(port: PortNum) -> Said {
        let payload = b"Gr\xc3\xbc\xc3\x9fe".to_vec();
        Said {
            from: 0xa1b2_c3d4,
            to: EVERYBODY,
            id: 77,
            hop_start: 3,
            port,
            payload,
            request_id: 0,
        }
    }

    const HEARD: Heard = Heard {
        gateway: 0x0102_0304,
        rx_time: 1_795_176_000,
        snr_db: 6.25,
        rssi_dbm: -91,
        hops: 2,
        relay: 0xd4,
    };

    /// The packet in a frame, and its data once the default key is taken off.
    fn open(frame: &Frame) -> (ServiceEnvelope, Data) {
        let envelope = ServiceEnvelope::decode(frame.payload.as_slice()).unwrap();
        let packet = envelope.packet.clone().unwrap();
        let data = match packet.payload_variant.unwrap() {
            PayloadVariant::Decoded(data) => data,
            PayloadVariant::Encrypted(mut bytes) => {
                cipher(packet.from, packet.id).apply_keystream(&mut bytes);
                Data::decode(bytes.as_slice()).unwrap()
            }
        };
        (envelope, data)
    }

    #[test]
    fn what_is_said_can_be_read_with_the_default_key() {
        let frame = frame(&said(PortNum::TextMessageApp).on_air(), &HEARD);
        assert_eq!(frame.topic, "msh/EU_868/2/e/LongFast/!01020304");
        let (envelope, data) = open(&frame);
        let packet = envelope.packet.unwrap();
        assert_eq!((packet.channel, packet.hop_limit, packet.rx_rssi), (8, 1, -91));
        assert_eq!(data.payload, "Grüße".as_bytes());
        assert_eq!((data.portnum, data.bitfield), (1, Some(1)));
    }

    #[test]
    fn what_is_said_cannot_be_read_without_the_key() {
        let PayloadVariant::Encrypted(bytes) =
            said(PortNum::TextMessageApp).on_air().payload_variant.unwrap()
        else {
            panic!("not encrypted");
        };
        assert!(!bytes.windows(4).any(|four| four == b"Gr\xc3\xbc"));
    }

    #[test]
    fn the_channel_hash_is_that_of_the_channel_and_its_key() {
        let bytes = CHANNEL.bytes().chain(DEFAULT_KEY);
        assert_eq!(u32::from(bytes.fold(0, |hash, byte| hash ^ byte)), CHANNEL_HASH);
    }

    #[test]
    fn a_map_report_is_readable_for_all_and_has_a_topic_of_its_own() {
        let frame = frame(&said(PortNum::MapReportApp).on_air(), &HEARD);
        assert_eq!(frame.topic, "msh/EU_868/2/map/");
        assert_eq!(open(&frame).1.portnum, 73);
    }

    proptest! {
        #[test]
        fn a_blurred_place_is_the_middle_of_a_cell_that_holds_the_place(
            latitude in -89.0..89.0_f64, longitude in -179.0..179.0_f64, bits in 10..32_u32,
        ) {
            let place = Point::new(longitude, latitude);
            let exact = shared_place(place, 32);
            let blurred = shared_place(place, bits);
            let half = 1_i64 << (31 - bits);
            for (exact, blurred) in [(exact.0, blurred.0), (exact.1, blurred.1)] {
                let off = i64::from(exact) - i64::from(blurred);
                prop_assert!((-half..half).contains(&off), "{off} of {half}");
                prop_assert_eq!(i64::from(blurred).rem_euclid(half * 2), half);
            }
        }
    }
}
