//! A partition for each day, made before the day begins.
//!
//! An insert never needs one: what fits into no day is kept by the default partitions. That they
//! are nearly empty is what makes new days cheap, and dropping a day a way to forget it.

use std::time::Duration;

use rustc_hash::FxHashSet;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::Instant;
use tracing::warn;

use crate::domain::{Report, Timestamp};

/// The tables that have partitions, and the column that says in which one a row is.
const TABLES: [(&str, &str); 6] = [
    ("packets", "received_at"),
    ("receptions", "received_at"),
    ("positions", "heard"),
    ("telemetry", "heard"),
    ("messages", "time"),
    ("links", "time"),
];

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Days for which partitions are made, counted from 1970: until 2170.
const DAYS: std::ops::Range<i64> = 0..73_000;

/// The days around the one of a batch that get partitions: a gateway's clock may be a day behind,
/// and there are two days to overcome what keeps the next one from being made.
const AROUND: std::ops::RangeInclusive<i64> = -1..=2;

/// Pause after a partition could not be made. Somebody may be reading everything, as for a backup.
const PAUSE: Duration = Duration::from_mins(10);

/// Which partitions there are, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    /// The days whose neighbours have partitions, too.
    ready: FxHashSet<i64>,
    again_at: Option<Instant>,
}

impl Partitions {
    /// Makes what is missing around the days of `batch`. Only a connection that broke is an error.
    pub(super) async fn make_for(
        &mut self,
        connection: &mut PgConnection,
        batch: &[&Report],
    ) -> Result<(), sqlx::Error> {
        let newest = batch.iter().map(|report| report.reception.arrived).max();
        let Some(day) = newest.map(day_of).filter(|day| DAYS.contains(day)) else { return Ok(()) };
        let is_waiting = self.again_at.is_some_and(|again_at| Instant::now() < again_at);
        if self.ready.contains(&day) || is_waiting {
            return Ok(());
        }
        match make_around(connection, day).await {
            Ok(()) => {
                self.ready.insert(day);
                self.again_at = None;
                Ok(())
            }
            Err(sqlx::Error::Database(error)) => {
                warn!(%error, "could not make the partitions of the next days, trying again: {error}");
                self.again_at = Some(Instant::now() + PAUSE);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(DAY_MS)
}

/// Makes the partitions of a day and of those around it.
pub(super) async fn make_around(
    connection: &mut PgConnection,
    day: i64,
) -> Result<(), sqlx::Error> {
    const MISSING: &str = "\
        SELECT parent, by, day, parent || '_' || to_char(date '1970-01-01' + day, 'YYYYMMDD') \
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS tables (parent, by, nth), \
            unnest($3::int4[]) AS day \
        WHERE to_regclass(parent || '_' || to_char(date '1970-01-01' + day, 'YYYYMMDD')) IS NULL \
        ORDER BY day, nth";
    let days: Vec<i32> = AROUND.filter_map(|near| i32::try_from(day + near).ok()).collect();
    let missing: Vec<(String, String, i32, String)> = sqlx::query_as(MISSING)
        .bind(TABLES.map(|(parent, _)| parent))
        .bind(TABLES.map(|(_, by)| by))
        .bind(days)
        .fetch_all(&mut *connection)
        .await?;
    for (parent, by, day, name) in missing {
        match make(connection, &parent, &by, day.into(), &name).await {
            Err(sqlx::Error::Database(error)) if was_made_meanwhile(error.code().as_deref()) => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Whether another server made the same at the same time: a duplicate table, or its type.
fn was_made_meanwhile(code: Option<&str>) -> bool {
    matches!(code, Some("42P07" | "42710" | "23505"))
}

/// Makes one partition, and moves into it what the default partition holds of its day. Whoever
/// reads or writes other days is not held up.
async fn make(
    connection: &mut PgConnection,
    parent: &str,
    by: &str,
    day: i64,
    name: &str,
) -> Result<(), sqlx::Error> {
    let (first, end) = (day * DAY_MS, (day + 1) * DAY_MS);
    let sql = format!(
        "SET LOCAL lock_timeout = '2s'; \
         CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
         LOCK TABLE {parent}_default IN ACCESS EXCLUSIVE MODE; \
         WITH moved AS (DELETE FROM {parent}_default WHERE {by} >= {first} AND {by} < {end} \
             RETURNING *) INSERT INTO {name} SELECT * FROM moved; \
         ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    );
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await
}
