//! Retention: how long histories are kept, and how much of them.

mod keeper;
mod metrics;

use std::time::Duration;

use crate::domain::Timestamp;

pub use keeper::Keeper;
pub use metrics::RetentionMetrics;

/// A table of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum History {
    /// What nodes sent.
    Packets,
    /// Gateways' copies of packets; they go with their packets.
    Receptions,
    /// Where nodes were.
    Positions,
    /// What they measured.
    Telemetry,
    /// What was said.
    Messages,
    /// Who heard whom.
    Links,
}

impl History {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Packets,
        Self::Receptions,
        Self::Positions,
        Self::Telemetry,
        Self::Messages,
        Self::Links,
    ];

    /// The name of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Receptions => "receptions",
            Self::Positions => "positions",
            Self::Telemetry => "telemetry",
            Self::Messages => "messages",
            Self::Links => "links",
        }
    }
}

/// Why rows are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// They are older than what is kept.
    Age,
    /// The database is larger than it may be, and they are the oldest.
    Size,
}

impl Reason {
    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

/// What is kept. The age of a row is by when it came to this server, not by what a node or a gateway
/// says of the time. None is for ever, or without end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Packets, with their receptions. However short, those stay that a further copy may still
    /// come of.
    pub packets: Option<Duration>,
    /// Where nodes were.
    pub positions: Option<Duration>,
    /// What they measured.
    pub telemetry: Option<Duration>,
    /// What was said.
    pub messages: Option<Duration>,
    /// Who heard whom.
    pub links: Option<Duration>,
    /// How large the database may be. Beyond that the oldest rows are removed, whatever their age.
    pub database_bytes: Option<u64>,
}

impl Keep {
    /// For how long rows of `history` are kept.
    pub fn age(&self, history: History) -> Option<Duration> {
        match history {
            History::Packets | History::Receptions => self.packets,
            History::Positions => self.positions,
            History::Telemetry => self.telemetry,
            History::Messages => self.messages,
            History::Links => self.links,
        }
    }

    /// The shortest of the ages; none if everything is kept for ever.
    pub fn shortest(&self) -> Option<Duration> {
        History::ALL.into_iter().filter_map(|history| self.age(history)).min()
    }
}

/// What one step of a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows removed.
    pub removed: Vec<(History, Reason, u64)>,
    /// Whether another step may find something to do.
    pub more: bool,
    /// By how much the database is larger than it may be, when there is nothing left to remove.
    pub excess_bytes: u64,
}

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Rows and bytes of each history. Indexes are included. How exact this is depends on the
    /// database; it is told cheaply.
    pub tables: Vec<TableSize>,
    /// The bytes that are in use, of everything.
    pub used_bytes: u64,
    /// The bytes that it takes on disk, with what is free inside.
    pub total_bytes: u64,
}

/// What one table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Which.
    pub history: History,
    /// How many rows.
    pub rows: u64,
    /// How many bytes, with its indexes.
    pub bytes: u64,
}

/// How far a clock may have been wrong before what it said counts as a lie.
const LIE: Duration = Duration::from_hours(24);

/// Which rows are too old. They are looked at in the order in which they were stored, and one that
/// stays keeps all that were stored after it. So a row that seems to have come long before its
/// neighbours goes when they go, and no sooner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    /// What came earlier is too old.
    pub(super) cutoff: Timestamp,
    /// What came later came while this server's clock was wrong. It tells nothing, and goes with
    /// what was stored after it.
    pub(super) latest: Timestamp,
}

impl Expiry {
    pub(super) fn new(cutoff: Timestamp, now: Timestamp) -> Self {
        Self { cutoff, latest: now.plus(LIE) }
    }

    /// The last that is too old of the oldest rows of a table, each with when it came.
    pub(super) fn last_expired<R: Copy>(&self, oldest: &[(R, Timestamp)]) -> Option<R> {
        let telling = oldest.iter().filter(|(_, came)| *came <= self.latest);
        telling.take_while(|(_, came)| *came < self.cutoff).last().map(|(row, _)| *row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u32) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// Rows 0, 1, .. that came at these seconds; the cutoff is at second 100.
    fn last_expired(seconds: &[u32]) -> Option<usize> {
        let rows: Vec<_> = seconds.iter().map(|second| at(*second)).enumerate().collect();
        Expiry::new(at(100), at(200)).last_expired(&rows)
    }

    #[test]
    fn rows_go_in_the_order_in_which_they_were_stored() {
        assert_eq!(last_expired(&[]), None);
        assert_eq!(last_expired(&[100, 101]), None);
        assert_eq!(last_expired(&[98, 99, 100]), Some(1));
        assert_eq!(last_expired(&[98, 99]), Some(1));
        assert_eq!(last_expired(&[98, 100, 0, 99]), Some(0), "1970 goes with its neighbours");
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nothing_for_ever_and_removes_nothing_at_once() {
        let future = 9_000_000;
        assert_eq!(last_expired(&[98, future, 99, 100]), Some(2));
        assert_eq!(last_expired(&[98, future, 100]), Some(0));
        assert_eq!(last_expired(&[future, future]), None);
    }
}
