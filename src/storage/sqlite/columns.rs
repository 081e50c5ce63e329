//! Reading rows, column by column, in the order of the statement.

use sqlx::{Decode, Row as _, Sqlite, Type, sqlite::SqliteRow};

use super::failed;
use crate::{
    domain::{Network, NodeId, Place, Position, Stamp, Timestamp},
    storage::StoreError,
};

/// The columns of a row that are not read yet.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn take<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        let at = self.next;
        self.next += 1;
        self.row.try_get(at).map_err(failed)
    }

    /// Passes over columns that are NULL together.
    pub(super) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    /// An integer that has to fit into `T`.
    pub(super) fn integer<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        fit(self.take()?)
    }

    /// An integer that has to fit into `T`, or NULL.
    pub(super) fn optional_integer<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        self.take::<Option<i64>>()?.map(fit).transpose()
    }

    /// A number that was written with single precision.
    pub(super) fn single(&mut self) -> Result<Option<f32>, StoreError> {
        #[expect(clippy::cast_possible_truncation, reason = "it was an f32 when it was written")]
        Ok(self.take::<Option<f64>>()?.map(|number| number as f32))
    }

    pub(super) fn text(&mut self) -> Result<Box<str>, StoreError> {
        self.take::<&str>().map(Into::into)
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<Box<str>>, StoreError> {
        self.take::<Option<&str>>().map(|text| text.map(Into::into))
    }

    pub(super) fn timestamp(&mut self) -> Result<Timestamp, StoreError> {
        self.take().map(Timestamp::from_millis)
    }

    pub(super) fn optional_timestamp(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.take::<Option<i64>>().map(|millis| millis.map(Timestamp::from_millis))
    }

    pub(super) fn node_id(&mut self) -> Result<NodeId, StoreError> {
        let text: &str = self.take()?;
        text.parse().ok().ok_or_else(|| corrupt("node id", text))
    }

    pub(super) fn network(&mut self) -> Result<Network, StoreError> {
        let name: &str = self.take()?;
        Network::named(name).ok_or_else(|| corrupt("network", name))
    }

    pub(super) fn place(&mut self) -> Result<Place, StoreError> {
        let (latitude, longitude) = (self.integer()?, self.integer()?);
        Place::from_e7(latitude, longitude)
            .ok()
            .ok_or_else(|| corrupt("place", format!("{latitude}, {longitude}")))
    }

    /// What follows the time of a position or of readings: heard and own clock.
    pub(super) fn stamp(&mut self, time: Timestamp) -> Result<Stamp, StoreError> {
        Ok(Stamp { time, heard: self.timestamp()?, own_clock: self.take::<i64>()? != 0 })
    }

    /// What follows the time of a position.
    pub(super) fn position(&mut self, time: Timestamp) -> Result<Position, StoreError> {
        Ok(Position {
            stamp: self.stamp(time)?,
            place: self.place()?,
            altitude_m: self.optional_integer()?,
            ground_speed_kmh: self.single()?,
            ground_track_deg: self.single()?,
            sats_in_view: self.optional_integer()?,
            precision_bits: self.optional_integer()?,
        })
    }
}

fn fit<T: TryFrom<i64>>(integer: i64) -> Result<T, StoreError> {
    T::try_from(integer).ok().ok_or_else(|| corrupt("number", integer.to_string()))
}

/// A value that this program cannot have written.
pub(super) fn corrupt(what: &'static str, value: impl Into<String>) -> StoreError {
    StoreError::Corrupt { what, value: value.into() }
}
