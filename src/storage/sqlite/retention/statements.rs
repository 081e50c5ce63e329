//! What is said to the tables whose rows retention removes.

use crate::storage::retention::History;

/// The statements of a table whose rows are numbered in the order in which they were stored.
pub(super) struct Statements {
    pub(super) history: History,
    /// The oldest rows: number, and when they came.
    pub(super) oldest: &'static str,
    /// When the first row after this one came that came no later than this.
    pub(super) next_telling: &'static str,
    /// The packet of the oldest row.
    pub(super) head: &'static str,
    pub(super) remove: &'static str,
}

/// `$came` says when a row came to this server.
macro_rules! statements {
    ($history:ident, $table:literal, $row:literal, $packet:literal, $came:expr) => {
        Statements {
            history: History::$history,
            oldest: concat!(
                "SELECT ",
                $row,
                ", ",
                $came,
                " FROM ",
                $table,
                " ORDER BY ",
                $row,
                " LIMIT ?1"
            ),
            next_telling: concat!(
                "SELECT ",
                $came,
                " AS came FROM ",
                $table,
                " WHERE ",
                $row,
                " > ?1 AND came <= ?2 ORDER BY ",
                $row,
                " LIMIT 1"
            ),
            head: concat!("SELECT ", $packet, " FROM ", $table, " ORDER BY ", $row, " LIMIT 1"),
            remove: concat!("DELETE FROM ", $table, " WHERE ", $row, " <= ?1"),
        }
    };
}

/// A row came with its packet. Where that is gone, the time by the gateway's clock has to do.
macro_rules! came {
    ($table:literal, $heard:literal) => {
        concat!(
            "coalesce((SELECT received_at FROM packets WHERE packets.id = ",
            $table,
            ".packet), ",
            $heard,
            ")"
        )
    };
}

pub(super) const PACKETS: Statements = statements!(Packets, "packets", "id", "id", "+received_at");

pub(super) const TABLES: [Statements; 5] = [
    PACKETS,
    statements!(Positions, "positions", "packet", "packet", came!("positions", "heard")),
    statements!(Telemetry, "telemetry", "packet", "packet", came!("telemetry", "heard")),
    statements!(Messages, "messages", "packet", "packet", came!("messages", "time")),
    statements!(Links, "links", "id", "packet", came!("links", "time")),
];

/// Takes rows off the tally of a table.
pub(super) fn taken_off(history: History) -> &'static str {
    match history {
        History::Packets => "UPDATE tallies SET packets = packets - ?1",
        History::Receptions => "UPDATE tallies SET receptions = receptions - ?1",
        History::Positions => "UPDATE tallies SET positions = positions - ?1",
        History::Telemetry => "UPDATE tallies SET telemetry = telemetry - ?1",
        History::Messages => "UPDATE tallies SET messages = messages - ?1",
        History::Links => "UPDATE tallies SET links = links - ?1",
    }
}
