//! The limits of what is set aside, the same in every database.

/// Most copies that are kept; the oldest go.
pub(super) const MOST_ROWS: i64 = 10_000;

/// Most bytes of their payloads together; the oldest go.
pub(super) const MOST_PAYLOAD_BYTES: i64 = 16 << 20; // 16 MiB

/// A reason may quote what it is about.
const MOST_REASON_CHARS: usize = 1000;

/// A reason, not longer than it needs to be.
pub(super) fn shortened(reason: &str) -> &str {
    reason.char_indices().nth(MOST_REASON_CHARS).map_or(reason, |(end, _)| &reason[..end])
}
