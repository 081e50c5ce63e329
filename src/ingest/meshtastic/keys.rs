//! Channel keys: which of them may open a packet, and opening it.

use std::fmt;

use aes::{Aes128, Aes256};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use thiserror::Error;

/// The key with the number 1, which every radio knows: `AQ==`.
const DEFAULT_KEY: [u8; 16] = [
    0xd4, 0xf1, 0xbb, 0x3a, 0x20, 0x29, 0x07, 0x59, 0xf0, 0xbc, 0xff, 0xab, 0xcf, 0x4e, 0x69, 0x01,
];
const AES_128_BYTES: usize = 16;
const AES_256_BYTES: usize = 32;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no channel key. The text itself is not repeated, since it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidChannelKey {
    /// There is no `=`, or no name before it.
    #[error("a channel key is written NAME=BASE64, for example LongFast=AQ==")]
    Form,
    /// What follows the `=` is not base64.
    #[error("what follows NAME= must be the key in base64, for example LongFast=AQ==")]
    Base64,
    /// The key is longer than any cipher takes.
    #[error(
        "a channel key is base64 of 0 bytes (clear), 1 byte (the number of a default key), \
         2 to 16 bytes (AES-128) or 17 to 32 bytes (AES-256), not of {0}"
    )]
    Length(usize),
}

/// A channel's name and key.
#[derive(Clone)]
pub struct ChannelKey {
    name: Box<str>,
    cipher: Cipher,
}

impl ChannelKey {
    /// Reads `NAME=BASE64`, as the apps show a channel's key: `LongFast=AQ==`.
    pub fn parse(text: &str) -> Result<Self, InvalidChannelKey> {
        let (name, key) = text.split_once('=').ok_or(InvalidChannelKey::Form)?;
        let key = BASE64.decode(key).map_err(|_secret| InvalidChannelKey::Base64)?;
        Self::new(name, &key)
    }

    /// The key of the channel `name`: 0 to 32 bytes, of which fewer stand for more.
    pub fn new(name: &str, key: &[u8]) -> Result<Self, InvalidChannelKey> {
        if name.is_empty() {
            return Err(InvalidChannelKey::Form);
        }
        Ok(Self { name: name.into(), cipher: Cipher::new(key)? })
    }
}

impl ChannelKey {
    /// Whether the hash is that of this key, under its own name or the one that a gateway gives.
    fn fits(&self, channel: &str, hash: u32) -> bool {
        [&self.name, channel].iter().any(|name| u32::from(self.cipher.hash(name)) == hash)
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The keys that packets are tried with. The default key is always one of them, for every channel.
#[derive(Clone, Debug)]
pub struct ChannelKeys {
    keys: Vec<ChannelKey>,
}

impl ChannelKeys {
    /// These keys and the default key.
    pub fn new(keys: impl IntoIterator<Item = ChannelKey>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// The keys in these texts, as of [`ChannelKey::parse`], and the default key.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidChannelKey> {
        Ok(Self { keys: texts.into_iter().map(ChannelKey::parse).collect::<Result<_, _>>()? })
    }

    /// The ciphers that are likely to have made a packet with this channel hash: the keys of the
    /// channel that the gateway names first, then those of other channels, which it may know by
    /// another name.
    pub(super) fn likely(&self, channel: &str, hash: u32) -> impl Iterator<Item = &Cipher> {
        let of_channel = move |cipher: &Cipher| u32::from(cipher.hash(channel)) == hash;
        let named =
            self.keys.iter().filter(move |key| &*key.name == channel && of_channel(&key.cipher));
        let other =
            self.keys.iter().filter(move |key| &*key.name != channel && key.fits(channel, hash));
        let default = Some(&Cipher::DEFAULT).filter(|cipher| of_channel(cipher));
        named.map(|key| &key.cipher).chain(default).chain(other.map(|key| &key.cipher))
    }

    /// All other ciphers: a radio computes the hash from a name that may be known here by another.
    pub(super) fn unlikely(&self, channel: &str, hash: u32) -> impl Iterator<Item = &Cipher> {
        let other = self.keys.iter().filter(move |key| !key.fits(channel, hash));
        let default =
            Some(&Cipher::DEFAULT).filter(|cipher| u32::from(cipher.hash(channel)) != hash);
        other.map(|key| &key.cipher).chain(default)
    }
}

/// A key, as long as its cipher takes it.
#[derive(Clone)]
pub(super) enum Cipher {
    /// The channel is not encrypted.
    Clear,
    /// AES-128 in counter mode.
    Aes128([u8; AES_128_BYTES]),
    /// AES-256 in counter mode.
    Aes256([u8; AES_256_BYTES]),
}

impl Cipher {
    const DEFAULT: Self = Self::Aes128(DEFAULT_KEY);

    fn new(key: &[u8]) -> Result<Self, InvalidChannelKey> {
        match *key {
            [] | [0] => Ok(Self::Clear),
            [number] => {
                let mut key = DEFAULT_KEY;
                key[AES_128_BYTES - 1] = key[AES_128_BYTES - 1].wrapping_add(number - 1);
                Ok(Self::Aes128(key))
            }
            _ if key.len() <= AES_128_BYTES => Ok(Self::Aes128(padded(key))),
            _ if key.len() <= AES_256_BYTES => Ok(Self::Aes256(padded(key))),
            _ => Err(InvalidChannelKey::Length(key.len())),
        }
    }

    /// What a radio puts into a packet so that receivers know which of their keys to try.
    fn hash(&self, name: &str) -> u8 {
        let key: &[u8] = match self {
            Self::Clear => &[],
            Self::Aes128(key) => key,
            Self::Aes256(key) => key,
        };
        name.bytes().chain(key.iter().copied()).fold(0, |hash, byte| hash ^ byte)
    }

    /// Opens what `sender` closed in its packet number `id`.
    pub(super) fn decrypt(&self, sender: u32, id: u32, encrypted: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&u64::from(id).to_le_bytes());
        nonce[8..12].copy_from_slice(&sender.to_le_bytes());
        let mut bytes = encrypted.to_vec();
        match self {
            Self::Clear => {}
            Self::Aes128(key) => {
                Ctr128BE::<Aes128>::new(key.into(), &nonce.into()).apply_keystream(&mut bytes);
            }
            Self::Aes256(key) => {
                Ctr128BE::<Aes256>::new(key.into(), &nonce.into()).apply_keystream(&mut bytes);
            }
        }
        bytes
    }
}

fn padded<const BYTES: usize>(key: &[u8]) -> [u8; BYTES] {
    let mut padded = [0; BYTES];
    padded[..key.len()].copy_from_slice(key);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(text: &str) -> Cipher {
        ChannelKey::parse(text).unwrap().cipher
    }

    #[test]
    fn hashes_are_those_that_radios_send() {
        assert_eq!(cipher("LongFast=AQ==").hash("LongFast"), 8);
        assert_eq!(Cipher::DEFAULT.hash("MediumFast"), 31);
        assert_eq!(cipher("Clear=").hash("AB"), 3);
    }

    #[test]
    fn short_keys_stand_for_longer_ones() {
        assert!(matches!(cipher("A="), Cipher::Clear));
        assert!(matches!(cipher("A=AA=="), Cipher::Clear));
        assert!(matches!(cipher("A=AQ=="), Cipher::Aes128(DEFAULT_KEY)));
        assert!(matches!(cipher("A=AQ"), Cipher::Aes128(DEFAULT_KEY)), "without its padding");
        assert!(matches!(cipher("A=Cg=="), Cipher::Aes128(key) if key[15] == 10));
        assert!(matches!(cipher("A=AQI="), Cipher::Aes128(key) if key == padded(&[1, 2])));
        let seventeen = "A=AQEBAQEBAQEBAQEBAQEBAQE=";
        assert!(matches!(cipher(seventeen), Cipher::Aes256(key) if key == padded(&[1; 17])));
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let refused = |text: &str| ChannelKey::parse(text).unwrap_err();
        assert_eq!(refused("LongFast"), InvalidChannelKey::Form);
        assert_eq!(refused("=AQ=="), InvalidChannelKey::Form);
        assert_eq!(refused("LongFast=secret!"), InvalidChannelKey::Base64);
        let long = format!("LongFast={}", "AQEB".repeat(11));
        assert_eq!(refused(&long), InvalidChannelKey::Length(33));
        let message = refused(&long).to_string();
        for allowed in ["0 bytes", "1 byte", "2 to 16", "17 to 32", "not of 33"] {
            assert!(message.contains(allowed), "{message}");
        }
    }

    #[test]
    fn debug_output_never_shows_a_key() {
        let keys = ChannelKeys::new([ChannelKey::parse("Hill=AQIDBAUGBwgJCgsMDQ4PEA==").unwrap()]);
        assert_eq!(
            format!("{keys:?}"),
            r#"ChannelKeys { keys: [ChannelKey { name: "Hill", .. }] }"#
        );
    }
}
