//! Which key opens which packet.

use geocast::ingest::{Decode as _, Decoder, Refusal};
use proptest::prelude::*;

use super::{ARRIVED, bytes, decode, decode_on, decoder, fixtures as made};

fn opens(decoder: &Decoder, fixture: &str) -> bool {
    let topic = "msh/2/e/Any/!0badcafe";
    match decoder.decode(topic, &bytes(fixture), ARRIVED) {
        Ok(report) => report.patch.position.is_some(),
        Err(refusal) => {
            assert_eq!(refusal, Refusal::NoKey);
            false
        }
    }
}

#[test]
fn the_default_key_opens_every_channel_that_uses_it() {
    assert!(opens(&decoder(&[]), made::POSITION));
    assert!(opens(&decoder(&[]), made::MEDIUM_FAST_POSITION));
    assert!(opens(&decoder(&["LongFast=AQIDBAUGBwgJCgsMDQ4PEA=="]), made::POSITION));
}

#[test]
fn keys_of_every_length_open_their_channels() {
    for (key, fixture) in [
        ("Ten=Cg==", made::NUMBERED_KEY_POSITION),
        ("Two=AQI=", made::TWO_BYTE_KEY_POSITION),
        ("Long=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", made::AES_256_POSITION),
        ("Open=", made::CLEAR_KEY_POSITION),
        ("Hill=AQIDBAUGBwgJCgsMDQ4PEA==", made::KEY_OF_16_POSITION),
    ] {
        assert!(!opens(&decoder(&[]), fixture), "{key}");
        assert!(opens(&decoder(&[key]), fixture), "{key}");
    }
}

#[test]
fn a_key_is_tried_under_the_name_that_the_gateway_gives_the_channel() {
    assert!(opens(&decoder(&["Berg=AQIDBAUGBwgJCgsMDQ4PEA=="]), made::KEY_OF_16_POSITION));
}

#[test]
fn a_key_with_the_same_hash_does_not_hide_the_right_one() {
    // The same bytes in another order: the same name, the same hash, another key.
    let (wrong, right) = ("Hill=EA8ODQwLCgkIBwYFBAMCAQ==", "Hill=AQIDBAUGBwgJCgsMDQ4PEA==");
    assert!(!opens(&decoder(&[wrong]), made::KEY_OF_16_POSITION));
    assert!(opens(&decoder(&[wrong, right]), made::KEY_OF_16_POSITION));
    assert!(opens(&decoder(&[right, wrong]), made::KEY_OF_16_POSITION));
}

/// The sender may know the channel by a name that nobody here knows.
#[test]
fn the_channel_hash_is_a_hint_and_no_condition() {
    use meshtastic::protobufs::ServiceEnvelope;
    use prost::Message;

    for (key, fixture) in [(None, made::POSITION), (Some("Open="), made::CLEAR_KEY_POSITION)] {
        let mut envelope = ServiceEnvelope::decode(&*bytes(fixture)).unwrap();
        envelope.packet.as_mut().unwrap().channel ^= 0x55;
        let topic = "msh/2/e/Any/!0badcafe";
        let decoder = decoder(key.as_slice());
        let report = decoder.decode(topic, &envelope.encode_to_vec(), ARRIVED).unwrap();
        assert!(report.patch.position.is_some());
    }
}

#[test]
fn a_packet_under_a_public_key_is_a_direct_message() {
    assert_eq!(decode(made::DIRECT_POSITION), Err(Refusal::DirectMessage));
    for topic in ["msh/2/e/PKI/!0badcafe", "msh/EU_868/2/json/PKI/!0badcafe"] {
        assert_eq!(decode_on(topic, made::POSITION), Err(Refusal::DirectMessage));
    }
    // Its sender can be told why it is not on the map.
    let sender = decoder(&[]).origin("msh/2/e/PKI/!0badcafe", &bytes(made::DIRECT_POSITION));
    assert_eq!(sender.unwrap().node, decode(made::POSITION).unwrap().packet.key.sender);
}

#[test]
fn no_wrong_key_is_taken_for_the_right_one() {
    use meshtastic::protobufs::{
        MeshPacket, ServiceEnvelope, mesh_packet::PayloadVariant::Encrypted,
    };
    use prost::Message;

    // Noise is what a wrong key makes of a packet. The hash is that of the default key.
    let opener = decoder(&[]);
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    for id in 1..=50_000 {
        let encrypted = (0..4 + next() % 5).flat_map(|_| next().to_le_bytes()).collect();
        let payload_variant = Some(Encrypted(encrypted));
        let packet =
            MeshPacket { from: 1, to: 2, id, channel: 8, payload_variant, ..Default::default() };
        let channel_id = "LongFast".to_owned();
        let envelope = ServiceEnvelope { packet: Some(packet), channel_id, ..Default::default() };
        let decoded =
            opener.decode("msh/2/e/LongFast/!0badcafe", &envelope.encode_to_vec(), ARRIVED);
        assert_eq!(decoded, Err(Refusal::NoKey));
    }
}

proptest! {
    #[test]
    fn a_key_of_another_channel_opens_nothing(key in any::<[u8; 16]>()) {
        use base64::Engine;
        let key = format!("LongFast={}", base64::engine::general_purpose::STANDARD.encode(key));
        prop_assert!(!opens(&decoder(&[&key]), made::KEY_OF_16_POSITION));
        prop_assert!(opens(&decoder(&[&key]), made::POSITION));
    }
}
