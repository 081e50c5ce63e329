//! Questions about a stretch of time as a whole: how well gateways heard, and how much there was.
//!
//! `$same` joins a packet and its receptions, as far as the two tables need more than the row.

use std::collections::BTreeMap;

use super::columns::{Cells, Columns, corrupt};
use crate::{
    domain::Timestamp,
    storage::{HeardOf, SignalCount, SignalKind, Spread, StoreError, Total, Window},
};

/// What each gateway heard of each sender. Parameters: first and last time.
macro_rules! heard {
    ($same:literal) => {
        concat!(
            "SELECT r.gateway, p.sender, count(*), ",
            "sum(CASE WHEN r.hop_start = r.hop_limit THEN 1 ELSE 0 END), ",
            "min(r.arrived), max(r.arrived), ",
            "count(r.snr_db), CAST(min(r.snr_db) AS DOUBLE PRECISION), ",
            "avg(CAST(r.snr_db AS DOUBLE PRECISION)), CAST(max(r.snr_db) AS DOUBLE PRECISION), ",
            "count(r.rssi_dbm), CAST(min(r.rssi_dbm) AS DOUBLE PRECISION), ",
            "avg(CAST(r.rssi_dbm AS DOUBLE PRECISION)), CAST(max(r.rssi_dbm) AS DOUBLE PRECISION) ",
            "FROM packets AS p JOIN receptions AS r ON r.packet = p.id",
            $same,
            " WHERE p.received_at BETWEEN $1 AND $2 GROUP BY r.gateway, p.sender"
        )
    };
}

/// Signals by gateway, kind (0 is SNR) and class. Parameters: first and last time.
macro_rules! signals {
    ($same:literal) => {
        concat!(
            "SELECT gateway, kind, class, count(*) FROM (",
            signals!(@of $same, "0", "snr_db", "2.0"),
            " UNION ALL ",
            signals!(@of $same, "1", "rssi_dbm", "10.0"),
            ") AS signals GROUP BY gateway, kind, class"
        )
    };
    (@of $same:literal, $kind:literal, $column:literal, $width:literal) => {
        concat!(
            "SELECT r.gateway, ", $kind, " AS kind, ",
            "CAST(round(CAST(r.", $column, " AS DOUBLE PRECISION) / ", $width, ") AS INTEGER) AS class ",
            "FROM packets AS p JOIN receptions AS r ON r.packet = p.id", $same,
            " WHERE p.received_at BETWEEN $1 AND $2 AND r.", $column, " IS NOT NULL"
        )
    };
}

/// Receptions by bucket. Parameters: first and last time, the bucket's width.
macro_rules! reception_totals {
    ($same:literal) => {
        concat!(
            "SELECT p.received_at / $3, count(*), count(DISTINCT r.gateway) ",
            "FROM packets AS p JOIN receptions AS r ON r.packet = p.id",
            $same,
            " WHERE p.received_at BETWEEN $1 AND $2 GROUP BY 1"
        )
    };
}

pub(in crate::storage) use {heard, reception_totals, signals};

/// Packets by bucket. Parameters: first and last time, the bucket's width.
pub(in crate::storage) const PACKET_TOTALS: &str = "\
    SELECT received_at / $3, count(*), count(DISTINCT sender) FROM packets \
    WHERE received_at BETWEEN $1 AND $2 GROUP BY 1";

impl Window {
    /// The first and the last millisecond of it; the database knows no time before 1970.
    pub(in crate::storage) fn ends(self) -> (i64, i64) {
        (self.from.as_millis().max(0), self.to.as_millis().saturating_sub(1))
    }
}

pub(in crate::storage) fn heard_of<R: Cells>(row: &R) -> Result<HeardOf, StoreError> {
    let mut columns = Columns::of(row);
    Ok(HeardOf {
        gateway: columns.node_id()?,
        sender: columns.node_id()?,
        receptions: columns.integer()?,
        direct: columns.integer()?,
        first: columns.timestamp()?,
        last: columns.timestamp()?,
        snr_db: columns.spread()?,
        rssi_dbm: columns.spread()?,
    })
}

pub(in crate::storage) fn signal_count<R: Cells>(row: &R) -> Result<SignalCount, StoreError> {
    let mut columns = Columns::of(row);
    let gateway = columns.node_id()?;
    let kind = match columns.integer::<i64>()? {
        0 => SignalKind::Snr,
        1 => SignalKind::Rssi,
        other => return Err(corrupt("kind of signal", other.to_string())),
    };
    let class: i32 = columns.integer()?;
    let middle = class.saturating_mul(kind.class_width());
    Ok(SignalCount { gateway, kind, middle, receptions: columns.integer()? })
}

/// Totals of buckets this wide, the newest first. Buckets without a packet are left out.
pub(in crate::storage) fn totals<R: Cells>(
    bucket_ms: i64,
    packets: &[R],
    receptions: &[R],
) -> Result<Vec<Total>, StoreError> {
    let mut totals = BTreeMap::new();
    for row in packets {
        let mut columns = Columns::of(row);
        let bucket: i64 = columns.integer()?;
        let total = Total {
            time: Timestamp::from_millis(bucket.saturating_mul(bucket_ms)),
            packets: columns.integer()?,
            senders: columns.integer()?,
            receptions: 0,
            gateways: 0,
        };
        totals.insert(bucket, total);
    }
    for row in receptions {
        let mut columns = Columns::of(row);
        // A bucket that was empty a moment ago is told of next time.
        if let Some(total) = totals.get_mut(&columns.integer::<i64>()?) {
            total.receptions = columns.integer()?;
            total.gateways = columns.integer()?;
        }
    }
    Ok(totals.into_values().rev().collect())
}

impl<R: Cells> Columns<'_, R> {
    /// How many readings there are, and the least, the mean and the greatest.
    fn spread(&mut self) -> Result<Option<Spread>, StoreError> {
        let count = self.integer()?;
        let (min, mean, max) = (self.number()?, self.number()?, self.number()?);
        Ok(match (min, mean, max) {
            (Some(min), Some(mean), Some(max)) => Some(Spread { count, min, mean, max }),
            _ => None,
        })
    }
}
