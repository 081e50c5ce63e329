//! How nodes are named.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// Longest id that is accepted, in bytes.
const MAX_ID_BYTES: usize = 64;

/// Names one node for good, in every network: `!a1b2c3d4` for a radio with a 32-bit number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// A Meshtastic node number.
    Radio(u32),
    /// Any other name, 1 to 64 bytes without control characters.
    Named(Arc<str>),
}

/// Why a text names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidNodeId {
    /// It is no name.
    #[error("a node id has 1 to {MAX_ID_BYTES} bytes and no control characters")]
    NoName,
    /// It looks like the number of a radio, and is not written as the id of one.
    #[error("the id of a radio is ! and eight hexadecimal digits, as in !a1b2c3d4")]
    Mistyped,
}

/// Whether this is a number as the ids of radios have it.
fn is_radio_number(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl NodeId {
    /// `!` and eight hexadecimal digits. Ids become text several times a packet, which the formatter's
    /// own way makes noticeable.
    pub fn radio_text(number: u32) -> [u8; 9] {
        let mut text = *b"!00000000";
        for (digit, shift) in text[1..].iter_mut().zip((0..32).step_by(4).rev()) {
            *digit = b"0123456789abcdef"[(number >> shift & 0xf) as usize];
        }
        text
    }

    /// The node that somebody means who names it in order to keep it out, or in. What is most likely
    /// a slip of the pen would be taken for another node's name, and do nothing.
    pub fn meant(text: &str) -> Result<Self, InvalidNodeId> {
        let id = text.parse()?;
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let is_mistyped = text.starts_with('!') || is_radio_number(digits);
        match id {
            Self::Named(_) if is_mistyped => Err(InvalidNodeId::Mistyped),
            id => Ok(id),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Radio(number) => {
                f.write_str(str::from_utf8(&Self::radio_text(*number)).unwrap_or("!"))
            }
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, InvalidNodeId> {
        let radio = text
            .strip_prefix('!')
            .filter(|hex| is_radio_number(hex))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if let Some(number) = radio {
            return Ok(Self::Radio(number));
        }
        if text.is_empty() || text.len() > MAX_ID_BYTES || text.chars().any(char::is_control) {
            return Err(InvalidNodeId::NoName);
        }
        Ok(Self::Named(text.into()))
    }
}
