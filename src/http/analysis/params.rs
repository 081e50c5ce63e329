//! Parameters that several of these questions take.

use std::time::Duration;

use crate::{
    domain::Timestamp,
    http::error::ApiError,
    storage::{StoreError, Window},
};

/// The longest stretch of time that one answer may be about.
const LONGEST: Duration = Duration::from_hours(24 * 31);

/// The shortest and the longest bucket.
const BUCKETS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24 * 366);

/// The width of a bucket in milliseconds, of a text such as `15m` or `1h`.
pub(super) fn bucket_ms(text: &str) -> Result<i64, ApiError> {
    let wrong = || {
        let allowed = "bucket is a span of one second to 366 days, such as 15m, 1h or 1d";
        ApiError::BadRequest(format!("{allowed}, not {text:?}"))
    };
    let width = humantime::parse_duration(text).ok().filter(|width| BUCKETS.contains(width));
    let millis = width.and_then(|width| i64::try_from(width.as_millis()).ok());
    millis.ok_or_else(wrong)
}

/// The `next` of an answer that looked no further back than this. Cursors of a history look the
/// same, and go on as well where its records are taken together, and the other way round.
pub(super) fn cursor(before: Timestamp) -> String {
    format!("{}.0", before.as_millis())
}

/// The time before which an answer looks that goes on from this `next` of another.
pub(super) fn before(cursor: &str) -> Result<Timestamp, StoreError> {
    let (time, row) = cursor.split_once('.').ok_or(StoreError::InvalidCursor)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_not_ours| StoreError::InvalidCursor);
    number(row)?;
    number(time).map(Timestamp::from_millis)
}

/// When the bucket begins that `time` is in.
pub(super) fn begins(time: Timestamp, bucket_ms: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis().div_euclid(bucket_ms).saturating_mul(bucket_ms))
}

/// The stretch of time asked for: up to now, and `usual` long, where nothing else is said.
pub(super) fn window(
    from: Option<i64>,
    to: Option<i64>,
    usual: Duration,
    now: Timestamp,
) -> Result<Window, ApiError> {
    let to = to.map_or(now.plus(Duration::from_millis(1)), Timestamp::from_millis);
    let from = from.map_or(to.minus(usual), Timestamp::from_millis);
    if to.since(from) > LONGEST {
        let longest = humantime::format_duration(LONGEST);
        let message = format!("from and to may be {longest} apart at most");
        return Err(ApiError::BadRequest(message));
    }
    Ok(Window { from, to })
}
