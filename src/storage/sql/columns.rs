//! Reading rows, column by column, in the order of the statement.

use crate::{
    domain::{Network, NodeId, Place, Position, Stamp, Timestamp},
    storage::StoreError,
};

/// A row of a database. NULL is none.
pub(in crate::storage) trait Cells {
    fn integer(&self, at: usize) -> Result<Option<i64>, StoreError>;
    fn number(&self, at: usize) -> Result<Option<f64>, StoreError>;
    fn text(&self, at: usize) -> Result<Option<&str>, StoreError>;
    fn flag(&self, at: usize) -> Result<Option<bool>, StoreError>;
}

/// The columns of a row that are not read yet.
pub(in crate::storage) struct Columns<'r, R> {
    row: &'r R,
    next: usize,
}

impl<'r, R: Cells> Columns<'r, R> {
    pub(in crate::storage) fn of(row: &'r R) -> Self {
        Self { row, next: 0 }
    }

    /// Passes over columns.
    pub(super) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    /// The next column, read by `read`.
    fn next<T>(
        &mut self,
        read: impl Fn(&'r R, usize) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let at = self.next;
        self.next += 1;
        read(self.row, at)
    }

    /// The next column, which is not NULL.
    fn known<T>(
        &mut self,
        read: impl Fn(&'r R, usize) -> Result<Option<T>, StoreError>,
    ) -> Result<T, StoreError> {
        let at = self.next;
        self.next(read)?.ok_or_else(|| corrupt("column", format!("{at} is NULL")))
    }

    /// An integer that has to fit into `T`.
    pub(in crate::storage) fn integer<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        fit(self.known(R::integer)?)
    }

    /// An integer that has to fit into `T`, or NULL.
    pub(in crate::storage) fn optional_integer<T: TryFrom<i64>>(
        &mut self,
    ) -> Result<Option<T>, StoreError> {
        self.next(R::integer)?.map(fit).transpose()
    }

    /// A number, or NULL.
    pub(super) fn number(&mut self) -> Result<Option<f64>, StoreError> {
        self.next(R::number)
    }

    /// A number that was written with single precision.
    pub(super) fn single(&mut self) -> Result<Option<f32>, StoreError> {
        #[expect(clippy::cast_possible_truncation, reason = "it was an f32 when it was written")]
        Ok(self.next(R::number)?.map(|number| number as f32))
    }

    pub(super) fn str(&mut self) -> Result<&'r str, StoreError> {
        self.known(R::text)
    }

    pub(in crate::storage) fn text(&mut self) -> Result<Box<str>, StoreError> {
        self.str().map(Into::into)
    }

    pub(super) fn optional_str(&mut self) -> Result<Option<&'r str>, StoreError> {
        self.next(R::text)
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<Box<str>>, StoreError> {
        self.optional_str().map(|text| text.map(Into::into))
    }

    pub(in crate::storage) fn flag(&mut self) -> Result<bool, StoreError> {
        self.known(R::flag)
    }

    pub(in crate::storage) fn timestamp(&mut self) -> Result<Timestamp, StoreError> {
        self.known(R::integer).map(Timestamp::from_millis)
    }

    pub(super) fn optional_timestamp(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.next(R::integer).map(|millis| millis.map(Timestamp::from_millis))
    }

    pub(super) fn node_id(&mut self) -> Result<NodeId, StoreError> {
        let text = self.str()?;
        text.parse().ok().ok_or_else(|| corrupt("node id", text))
    }

    pub(super) fn network(&mut self) -> Result<Network, StoreError> {
        let name = self.str()?;
        Network::named(name).ok_or_else(|| corrupt("network", name))
    }

    pub(super) fn place(&mut self) -> Result<Place, StoreError> {
        let (latitude, longitude) = (self.integer()?, self.integer()?);
        Place::from_e7(latitude, longitude)
            .ok()
            .ok_or_else(|| corrupt("place", format!("{latitude}, {longitude}")))
    }

    /// What follows the time of a position or of readings: heard and own clock.
    fn stamp(&mut self, time: Timestamp) -> Result<Stamp, StoreError> {
        Ok(Stamp { time, heard: self.timestamp()?, own_clock: self.flag()? })
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
pub(in crate::storage) fn corrupt(what: &'static str, value: impl Into<String>) -> StoreError {
    StoreError::Corrupt { what, value: value.into() }
}
