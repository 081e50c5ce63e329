#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Topic and bytes in, a report or a refusal out.

mod capture;
mod edges;
mod envelopes;
mod fixtures;
mod hostile;
mod json;
mod secrecy;

use geocast::{
    domain::{NodeId, Report, Timestamp},
    ingest::{ChannelKey, ChannelKeys, Decode as _, Decoder, Refusal},
};

/// When the gateway of the fixtures heard them.
const HEARD: Timestamp = Timestamp::from_seconds(1_795_176_000);
/// When they arrive: two seconds later.
const ARRIVED: Timestamp = Timestamp::from_millis(1_795_176_002_000);
const SENDER: NodeId = NodeId::Radio(0xa1b2_c3d4);
const GATEWAY: NodeId = NodeId::Radio(0x0bad_cafe);

fn decoder(keys: &[&str]) -> Decoder {
    Decoder::new(ChannelKeys::new(keys.iter().map(|key| ChannelKey::parse(key).unwrap())))
}

/// Decodes a fixture on its channel's topic.
fn decode(fixture: &str) -> Result<Report, Refusal> {
    decode_on("msh/EU_868/DE/2/e/LongFast/!0badcafe", fixture)
}

fn decode_on(topic: &str, fixture: &str) -> Result<Report, Refusal> {
    decoder(&[]).decode(topic, &bytes(fixture), ARRIVED)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}
