//! Doors to this room's decoders, for `fuzz/`. They are there only when that is built.

use super::{continuation, sql::cursor::Cursor};

/// Reads where a page of a history ended, and says it again.
pub fn cursor(text: &str) -> Option<String> {
    Cursor::parse(text).map(|cursor| cursor.to_string())
}

/// Reads what the last run left, and writes it again.
pub fn continuation(bytes: &[u8]) -> Option<Vec<u8>> {
    continuation::from_bytes(bytes).ok().map(|left| continuation::to_bytes(&left))
}
