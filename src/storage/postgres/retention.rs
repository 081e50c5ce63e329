//! Removing history: whole days by dropping their partitions, what lies in no such day row by row.
//!
//! The day of a row is that in which it was heard, or in which its packet came. No commit waits for
//! rows to be removed. A day is first taken off its table, which is a change of the catalogue and
//! takes as long whatever is in it, and dropped by the next step, when nobody knows it any more.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{
    PostgresStore,
    connection::failed,
    give_back,
    journal::{LOCKS, absences},
    partitions::DAY_MS,
    withhold::changed,
};
use crate::{
    domain::Timestamp,
    storage::{
        StoreError,
        retention::{History, Keep, Reason, Swept},
    },
};

/// The second half of the key of the lock of who sweeps: one server at a time.
const SWEEP: i32 = -2;

/// What is kept for a shorter time than this is removed row by row as it grows old. Otherwise a
/// row stays until its whole day is old enough.
const BY_ROW: Duration = Duration::from_hours(48);

/// For how long a lock is waited for, as others wait meanwhile.
const PATIENCE: &str = "SET LOCAL lock_timeout = '200ms'";

/// How many of the oldest rows of a partition one step looks at, and how many it removes.
const LOOK: i64 = 20_000;
const REMOVE: i64 = 5_000;

/// What is larger than this is not counted when it is dropped: then the statistics have to do.
const COUNTED_BYTES: i64 = 1 << 30;

/// The tables that go together, and the column that says when a row came.
const GROUPS: [(&[History], &str); 5] = [
    (&[History::Packets, History::Receptions], "received_at"),
    (&[History::Positions], "heard"),
    (&[History::Telemetry], "heard"),
    (&[History::Messages], "time"),
    (&[History::Links], "time"),
];

/// Partitions of some tables that hold what came before a time, the oldest day first: what their
/// names end in, whether they hold nothing else, and of which tables there is one. Those of no day,
/// which may hold anything, are the last.
const OLD: &str = "\
    SELECT name, coalesce((day + 1) * $3 <= $2, false), parents FROM ( \
        SELECT name, array_agg(parent) AS parents, \
            (to_date(nullif(name, 'default'), 'YYYYMMDD') - date '1970-01-01')::int8 AS day \
        FROM (SELECT substring(part.relname FROM '_([0-9]{8}|default)$') AS name, \
                parent.relname::text AS parent \
            FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid \
                JOIN pg_class AS parent ON parent.oid = inhparent \
            WHERE inhparent = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) AS name)) \
            AS partitions \
        WHERE name IS NOT NULL GROUP BY name) AS days \
    WHERE day IS NULL OR day * $3 < $2 ORDER BY day NULLS LAST";

/// A day that was taken off its table: its name now, and the name of the table.
const TAKEN_OFF: &str = "\
    SELECT relname::text, split_part(relname, '_', 1) FROM pg_class \
    WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('packets')) \
        AND relkind = 'r' AND NOT relispartition AND relname ~ '_[0-9]{8}_removed$' \
        AND split_part(relname, '_', 1) = ANY($1) \
    ORDER BY relname LIMIT 1";

/// So that rows are looked at in the order in which they lie there, which is about that in which
/// they were stored.
const AS_THEY_LIE: &str = "\
    SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; \
    SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off; \
    SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// The copies of some packets.
const COPIES: &str = "DELETE FROM receptions USING unnest($1::int8[], $2::int8[]) AS gone (id, at) \
    WHERE packet = gone.id AND received_at = gone.at";
const BY_KEY: &str = "SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off";

impl PostgresStore {
    pub(super) async fn step(&self, keep: &Keep, now: Timestamp) -> Result<Swept, StoreError> {
        let mut connection = self.connection().await?;
        let swept = self.server.within(step(&mut connection, keep, now)).await;
        give_back(connection, swept).await
    }
}

async fn step(
    connection: &mut PgConnection,
    keep: &Keep,
    now: Timestamp,
) -> Result<Swept, StoreError> {
    const ALONE: &str = "SELECT pg_try_advisory_xact_lock($1, $2)";
    let mut transaction = connection.begin().await.map_err(failed)?;
    let alone = sqlx::query_scalar(ALONE).bind(LOCKS).bind(SWEEP);
    if !alone.fetch_one(&mut *transaction).await.map_err(failed)? {
        return Ok(Swept::default());
    }
    sqlx::query(PATIENCE).execute(&mut *transaction).await.map_err(failed)?;
    let mut removed = drop_taken_off(&mut transaction).await.map_err(failed)?;
    if removed.is_none() {
        removed = remove(&mut transaction, keep, now).await?;
    }
    transaction.commit().await.map_err(failed)?;
    let more = removed.is_some();
    let removed = removed.into_iter().flatten().filter(|(_, rows)| *rows > 0);
    let removed = removed.map(|(history, rows)| (history, Reason::Age, rows)).collect();
    Ok(Swept { removed, more, excess_bytes: 0 })
}

/// Which rows went for good, and how many.
type Removed = Vec<(History, u64)>;

/// Takes off one day, or removes some rows. None if nothing is old. A packet and its receptions go
/// together.
async fn remove(
    connection: &mut PgConnection,
    keep: &Keep,
    now: Timestamp,
) -> Result<Option<Removed>, StoreError> {
    for (tables, came) in GROUPS {
        let Some(age) = tables.first().and_then(|table| keep.age(*table)) else { continue };
        let mut cutoff = now.minus(age);
        if tables.contains(&History::Packets) {
            match last_copies(connection, now).await? {
                Some(needed) => cutoff = cutoff.min(needed),
                None => continue,
            }
        }
        let removed = remove_of(connection, tables, cutoff, came, age < BY_ROW).await;
        if let Some(removed) = removed.map_err(failed)? {
            if tables.contains(&History::Packets) {
                changed(connection).await.map_err(failed)?;
            }
            return Ok(Some(removed));
        }
    }
    Ok(None)
}

/// The same of tables that go together. Nothing went for good if a day was taken off, which goes
/// next.
async fn remove_of(
    connection: &mut PgConnection,
    tables: &[History],
    cutoff: Timestamp,
    came: &str,
    by_row: bool,
) -> Result<Option<Removed>, sqlx::Error> {
    let days: Vec<(String, bool, Vec<String>)> = sqlx::query_as(OLD)
        .bind(tables.iter().map(|table| table.name()).collect::<Vec<_>>())
        .bind(cutoff.as_millis())
        .bind(DAY_MS)
        .fetch_all(&mut *connection)
        .await?;
    for (day, is_old, parents) in days {
        let with_this_day =
            tables.iter().filter(|table| parents.iter().any(|name| name == table.name()));
        for table in with_this_day {
            if is_old {
                take_off(connection, *table, &day).await?;
            } else if by_row || day == "default" {
                let removed = remove_rows(connection, *table, &day, came, cutoff).await?;
                if !removed.is_empty() {
                    return Ok(Some(removed));
                }
            }
        }
        if is_old {
            return Ok(Some(Removed::new()));
        }
    }
    Ok(None)
}

/// Takes a partition off its table. Whoever comes to the table meanwhile waits behind this, and
/// this waits for who is there already: not for long.
async fn take_off(
    connection: &mut PgConnection,
    table: History,
    day: &str,
) -> Result<(), sqlx::Error> {
    let table = table.name();
    let name = format!("{table}_{day}");
    let sql = format!(
        "ALTER TABLE {table} DETACH PARTITION {name}; \
         ALTER TABLE {name} RENAME TO {name}_removed"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Drops a day that was taken off its table, and says how many rows it had.
async fn drop_taken_off(connection: &mut PgConnection) -> Result<Option<Removed>, sqlx::Error> {
    let day: Option<(String, String)> = sqlx::query_as(TAKEN_OFF)
        .bind(History::ALL.map(History::name))
        .fetch_optional(&mut *connection)
        .await?;
    let Some((name, table)) = day else { return Ok(None) };
    let Some(history) = History::ALL.into_iter().find(|history| history.name() == table) else {
        return Ok(None);
    };
    let count = format!(
        "SELECT CASE WHEN pg_relation_size('{name}') < {COUNTED_BYTES} \
            THEN (SELECT count(*) FROM {name}) \
            ELSE pg_stat_get_live_tuples('{name}'::regclass) END"
    );
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
    let drop = format!("DROP TABLE {name}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(connection).await?;
    Ok(Some(vec![(history, u64::try_from(rows).unwrap_or(0))]))
}

/// Removes what is too old among the oldest rows of a partition, and with packets their receptions.
async fn remove_rows(
    connection: &mut PgConnection,
    table: History,
    day: &str,
    came: &str,
    cutoff: Timestamp,
) -> Result<Removed, sqlx::Error> {
    sqlx::raw_sql(AS_THEY_LIE).execute(&mut *connection).await?;
    let name = format!("{}_{day}", table.name());
    let cutoff = cutoff.as_millis();
    let delete = format!(
        "DELETE FROM {name} WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM (SELECT ctid, {came} AS came FROM {name} LIMIT {LOOK}) AS oldest \
            WHERE came < {cutoff} LIMIT {REMOVE}))"
    );
    let mut removed = Removed::new();
    let mut gone = |table, rows: u64| (rows > 0).then(|| removed.push((table, rows)));
    if table == History::Packets {
        let delete = AssertSqlSafe(format!("{delete} RETURNING id, received_at"));
        let packets: Vec<(i64, i64)> = sqlx::query_as(delete).fetch_all(&mut *connection).await?;
        gone(table, packets.len() as u64);
        let (ids, times): (Vec<_>, Vec<_>) = packets.into_iter().unzip();
        sqlx::raw_sql(BY_KEY).execute(&mut *connection).await?;
        let copies = sqlx::query(COPIES).bind(ids).bind(times).execute(connection).await?;
        gone(History::Receptions, copies.rows_affected());
    } else {
        let removal = sqlx::raw_sql(AssertSqlSafe(delete)).execute(connection).await?;
        gone(table, removal.rows_affected());
    }
    Ok(removed)
}

/// Further copies may still come of packets received at this time or later, reckoned back from the
/// newest packet; none if there is none.
async fn last_copies(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    const NEWEST: &str = "SELECT max(last_packet) FROM writers";
    let newest: Option<i64> =
        sqlx::query_scalar(NEWEST).fetch_one(&mut *connection).await.map_err(failed)?;
    // A clock that was ahead keeps no packet for longer.
    let Some(newest) = newest.map(|newest| Timestamp::from_millis(newest).min(now)) else {
        return Ok(None);
    };
    let absences = absences(connection).await.map_err(failed)?;
    Ok(Some(absences.window_before(newest, newest)))
}
