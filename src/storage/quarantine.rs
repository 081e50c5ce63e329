//! What is set aside, the same in every database: its limits, and the statements.

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

/// The same packet, by whatever gateway, and the copy of this gateway. Parameters: sender, packet
/// id, network, gateway, payload.
pub(super) const KNOWN: &str = "\
    SELECT count(*), count(*) FILTER (WHERE gateway = $4) FROM quarantine \
    WHERE sender = $1 AND packet_id = $2 AND network = $3 AND payload = $5";

pub(super) const INSERT: &str = "\
    INSERT INTO quarantine \
        (arrived, reason, network, sender, packet_id, gateway, port, channel, payload) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Deletes the oldest beyond either limit, of rows and of bytes, and the newest never.
pub(super) const TRIM: &str = "\
    DELETE FROM quarantine WHERE id IN (SELECT id FROM ( \
        SELECT id, row_number() OVER newest AS nth, sum(length(payload)) OVER newest AS bytes \
        FROM quarantine WINDOW newest AS (ORDER BY id DESC) \
    ) AS ranked WHERE nth > $1 OR (nth > 1 AND bytes > $2))";
