//! Removing history: whole days by dropping their partitions, what lies in no such day row by row.
//!
//! The day of a row is that in which it was heard, or in which its packet came. A commit waits for
//! a drop no longer than the drop waits for those who read, which is limited.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{PostgresStore, connection::failed, give_back, journal::LOCKS, partitions::DAY_MS};
use crate::{
    domain::Timestamp,
    storage::{
        StoreError,
        filing::{Absence, Absences},
        retention::{History, Keep, Reason, Sizes, Swept, TableSize},
    },
};

/// The second half of the key of the lock of who sweeps: one server at a time.
const SWEEP: i32 = -2;

/// What is kept for a shorter time than this is removed row by row as it grows old. Otherwise a
/// row stays until its whole day is old enough.
const BY_ROW: Duration = Duration::from_hours(48);

/// The tables that go together, and the column that says when a row came.
const GROUPS: [(&[History], &str); 5] = [
    (&[History::Receptions, History::Packets], "received_at"),
    (&[History::Positions], "heard"),
    (&[History::Telemetry], "heard"),
    (&[History::Messages], "time"),
    (&[History::Links], "time"),
];

/// Partitions of a table that hold what came before a time, the oldest day first: name, and
/// whether it holds nothing else. The default one, which may hold anything, is the last.
const OLD: &str = "\
    SELECT name, coalesce((day + 1) * $3 <= $2, false) FROM ( \
        SELECT relname::text AS name, (to_date(substring(relname FROM '_([0-9]{8})$'), 'YYYYMMDD') \
            - date '1970-01-01')::int8 AS day \
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
        WHERE inhparent = to_regclass($1)) AS partitions \
    WHERE day IS NULL OR day * $3 < $2 ORDER BY day NULLS LAST";

impl PostgresStore {
    pub(super) async fn step(
        &self,
        keep: &Keep,
        now: Timestamp,
        rows: u32,
    ) -> Result<Swept, StoreError> {
        let mut connection = self.connection().await?;
        let swept = self.server.within(step(&mut connection, keep, now, rows.into())).await;
        give_back(connection, swept).await
    }

    pub(super) async fn measure(&self) -> Result<Sizes, StoreError> {
        let mut connection = self.connection().await?;
        let sizes = self.server.within(sizes(&mut connection)).await;
        give_back(connection, sizes).await
    }
}

async fn step(
    connection: &mut PgConnection,
    keep: &Keep,
    now: Timestamp,
    rows: i64,
) -> Result<Swept, StoreError> {
    let mut transaction = connection.begin().await.map_err(failed)?;
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
        .bind(LOCKS)
        .bind(SWEEP)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let mut swept = Swept::default();
    if !alone {
        return Ok(swept);
    }
    for (tables, came) in GROUPS {
        let Some(age) = tables.first().and_then(|table| keep.age(*table)) else { continue };
        let mut cutoff = now.minus(age);
        if came == "received_at" {
            match last_copies(&mut transaction, now).await? {
                Some(needed) => cutoff = cutoff.min(needed),
                None => continue,
            }
        }
        let by_row = age < BY_ROW;
        let removed = removal(&mut transaction, tables, came, cutoff, by_row, rows).await;
        if let Some((history, rows)) = removed.map_err(failed)? {
            // A day may have been empty.
            swept.removed.extend((rows > 0).then_some((history, Reason::Age, rows)));
            swept.more = true;
            break;
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(swept)
}

/// Drops one day, or removes some rows. Nothing if nothing is old.
async fn removal(
    connection: &mut PgConnection,
    tables: &[History],
    came: &str,
    cutoff: Timestamp,
    by_row: bool,
    rows: i64,
) -> Result<Option<(History, u64)>, sqlx::Error> {
    for table in tables {
        let partitions: Vec<(String, bool)> = sqlx::query_as(OLD)
            .bind(table.name())
            .bind(cutoff.as_millis())
            .bind(DAY_MS)
            .fetch_all(&mut *connection)
            .await?;
        for (name, is_old) in partitions {
            let removed = if is_old {
                drop_partition(connection, &name).await?
            } else if by_row || name.ends_with("_default") {
                remove_rows(connection, &name, came, cutoff, rows).await?
            } else {
                0
            };
            if is_old || removed > 0 {
                return Ok(Some((*table, removed)));
            }
        }
    }
    Ok(None)
}

/// Drops a partition with everything in it, and says how many rows that was.
async fn drop_partition(connection: &mut PgConnection, name: &str) -> Result<u64, sqlx::Error> {
    let count = AssertSqlSafe(format!("SELECT count(*) FROM {name}"));
    let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut *connection).await?;
    // Who waits for the table waits behind this.
    let drop = format!("SET LOCAL lock_timeout = '200ms'; DROP TABLE {name}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(connection).await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

async fn remove_rows(
    connection: &mut PgConnection,
    name: &str,
    came: &str,
    cutoff: Timestamp,
    rows: i64,
) -> Result<u64, sqlx::Error> {
    let delete = format!(
        "DELETE FROM {name} WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM {name} WHERE {came} < $1 LIMIT $2))"
    );
    let removal = sqlx::query(AssertSqlSafe(delete))
        .bind(cutoff.as_millis())
        .bind(rows)
        .execute(connection)
        .await?;
    Ok(removal.rows_affected())
}

/// Further copies may still come of packets received at this time or later, reckoned back from the
/// newest packet; none if there is none.
async fn last_copies(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    const NEWEST: &str = "SELECT max(last_packet) FROM writers WHERE last_packet <= $1";
    const ABSENCES: &str = "\
        SELECT began_at, ended_at FROM absences WHERE ended_at IS NOT NULL \
        ORDER BY ended_at DESC LIMIT 100";
    let newest: Option<i64> = sqlx::query_scalar(NEWEST)
        .bind(now.as_millis())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let spans: Vec<(i64, i64)> =
        sqlx::query_as(ABSENCES).fetch_all(connection).await.map_err(failed)?;
    let spans = spans.into_iter().rev().map(|(began, ended)| Absence {
        began: Timestamp::from_millis(began),
        ended: Timestamp::from_millis(ended),
    });
    let absences = Absences::new(spans.collect());
    let newest = newest.map(Timestamp::from_millis);
    Ok(newest.map(|newest| absences.window_before(newest, newest)))
}

/// Rows are as many as the statistics say, bytes are exact.
async fn sizes(connection: &mut PgConnection) -> Result<Sizes, StoreError> {
    const TABLES: &str = "\
        SELECT coalesce(sum(pg_stat_get_live_tuples(inhrelid)), 0)::int8, \
            coalesce(sum(pg_total_relation_size(inhrelid)), 0)::int8 \
        FROM pg_inherits WHERE inhparent = to_regclass($1)";
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut tables = Vec::with_capacity(History::ALL.len());
    for history in History::ALL {
        let (rows, bytes): (i64, i64) = sqlx::query_as(TABLES)
            .bind(history.name())
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        tables.push(TableSize { history, rows: unsigned(rows), bytes: unsigned(bytes) });
    }
    let all: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    Ok(Sizes { tables, used_bytes: unsigned(all), total_bytes: unsigned(all) })
}
