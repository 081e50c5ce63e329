//! A radio whose packets a gateway hands to MQTT, unencrypted.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use meshtastic::protobufs::{
    Data, MeshPacket, PortNum, Position, ServiceEnvelope, User, mesh_packet::PayloadVariant,
};
use prost::Message;

static NEXT_PACKET: AtomicU32 = AtomicU32::new(1);

pub(crate) const GATEWAY: u32 = 0x6a7e_0001;

/// Topic and payload of one publish.
pub(crate) type Publish = (String, Vec<u8>);

#[derive(Clone, Copy)]
pub(crate) struct Radio(pub(crate) u32);

impl Radio {
    pub(crate) fn id(self) -> String {
        format!("!{:08x}", self.0)
    }

    pub(crate) fn named(self, long: &str, short: &str) -> Publish {
        let user = User {
            id: self.id(),
            long_name: long.to_owned(),
            short_name: short.to_owned(),
            ..User::default()
        };
        self.says(PortNum::NodeinfoApp, &user.encode_to_vec())
    }

    /// At a place, in degrees, now.
    pub(crate) fn at(self, latitude: f64, longitude: f64) -> Publish {
        self.at_time(latitude, longitude, now_seconds())
    }

    /// At a place at a time, in seconds since 1970; 0 says no time.
    pub(crate) fn at_time(self, latitude: f64, longitude: f64, time: u32) -> Publish {
        #[expect(clippy::cast_possible_truncation, reason = "places on Earth fit")]
        let e7 = |degrees: f64| Some((degrees * 1e7).round() as i32);
        let position = Position {
            latitude_i: e7(latitude),
            longitude_i: e7(longitude),
            precision_bits: 32,
            time,
            ..Position::default()
        };
        self.says(PortNum::PositionApp, &position.encode_to_vec())
    }

    pub(crate) fn text(self, text: &str) -> Publish {
        self.says(PortNum::TextMessageApp, text.as_bytes())
    }

    pub(crate) fn says(self, port: PortNum, payload: &[u8]) -> Publish {
        self.says_through(GATEWAY, NEXT_PACKET.fetch_add(1, Ordering::Relaxed), port, payload)
    }

    /// A packet heard at a time, in seconds since 1970.
    pub(crate) fn says_at(self, time: u32, port: PortNum, payload: &[u8]) -> Publish {
        let id = NEXT_PACKET.fetch_add(1, Ordering::Relaxed);
        self.packet(GATEWAY, id, time, port, payload)
    }

    /// A packet as one gateway hands it over that heard it at a time, in seconds since 1970.
    pub(crate) fn heard_by(
        self,
        gateway: u32,
        packet_id: u32,
        time: u32,
        port: PortNum,
        payload: &[u8],
    ) -> Publish {
        self.packet(gateway, packet_id, time, port, payload)
    }

    /// A packet as one gateway hands it over.
    pub(crate) fn says_through(
        self,
        gateway: u32,
        packet_id: u32,
        port: PortNum,
        payload: &[u8],
    ) -> Publish {
        self.packet(gateway, packet_id, now_seconds(), port, payload)
    }

    /// A packet as one gateway hands it over.
    pub(crate) fn packet(
        self,
        gateway: u32,
        id: u32,
        time: u32,
        port: PortNum,
        payload: &[u8],
    ) -> Publish {
        let data = Data { portnum: port.into(), payload: payload.to_vec(), ..Data::default() };
        let packet = MeshPacket {
            from: self.0,
            to: u32::MAX,
            id,
            rx_time: time,
            rx_snr: 5.25,
            rx_rssi: -90,
            hop_limit: 3,
            hop_start: 3,
            payload_variant: Some(PayloadVariant::Decoded(data)),
            ..MeshPacket::default()
        };
        let gateway_id = format!("!{gateway:08x}");
        let topic = format!("msh/EU_868/2/e/LongFast/{gateway_id}");
        let envelope =
            ServiceEnvelope { packet: Some(packet), channel_id: "LongFast".to_owned(), gateway_id };
        (topic, envelope.encode_to_vec())
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests live in real time")]
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tests live in real time")]
pub(crate) fn now_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u32::try_from(since.as_secs()).unwrap()
}
