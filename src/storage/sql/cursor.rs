//! Where a page of a history ended.

use crate::{
    domain::Timestamp,
    storage::{HistoryQuery, StoreError},
};

/// The last record of a page: histories are sorted by time and then by row, both falling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Cursor {
    pub(in crate::storage) time: i64,
    pub(in crate::storage) row: i64,
}

/// What a history query asks of an index on (time, row), with every bound filled in.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct Span {
    /// The earliest time wanted.
    pub(in crate::storage) first: i64,
    /// The latest time wanted.
    pub(in crate::storage) last: i64,
    /// Only what is sorted after this.
    pub(in crate::storage) after: Cursor,
    /// How many records make a page.
    pub(in crate::storage) limit: usize,
}

impl Cursor {
    /// Sorted before every record.
    const START: Self = Self { time: i64::MAX, row: i64::MAX };

    pub(in crate::storage) fn parse(text: &str) -> Option<Self> {
        let (time, row) = text.split_once('.')?;
        let cursor = Self { time: time.parse().ok()?, row: row.parse().ok()? };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.time, self.row)
    }
}

impl Span {
    /// The span that `query` asks for.
    pub(in crate::storage) fn of(query: &HistoryQuery) -> Result<Self, StoreError> {
        let after = match &query.cursor {
            Some(text) => Cursor::parse(text).ok_or(StoreError::InvalidCursor)?,
            None => Cursor::START,
        };
        let before = query.to.map_or(i64::MAX, |to| to.as_millis().saturating_sub(1));
        Ok(Self {
            first: query.from.map_or(i64::MIN, Timestamp::as_millis),
            last: before.min(after.time),
            after,
            limit: usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX),
        })
    }

    /// How many rows to read: one more than a page tells whether another page follows.
    pub(in crate::storage) fn rows(&self) -> i64 {
        i64::try_from(self.limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for cursor in [Cursor { time: 1, row: 2 }, Cursor { time: i64::MIN, row: i64::MAX }] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
    }

    #[test]
    fn what_no_store_wrote_is_no_cursor() {
        for text in
            ["", ".", "1", "1.", ".1", "+1.2", "01.2", "1.2.3", "1.9223372036854775808", "ä.ö"]
        {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
