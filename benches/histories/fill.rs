//! A database with many positions.

use std::error::Error;

use geocast::storage;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::{DAY, FOREVER, NODES, START, report};

/// Fills an empty database. Indexes are made at the end, which is much faster.
pub(crate) async fn positions(url: &str, rows: i64, days: i64) -> Result<(), Box<dyn Error>> {
    let store = storage::open(url, FOREVER).await?;
    if url.starts_with("postgres") {
        // Each day gets its partitions.
        for day in 0..=u32::try_from(days)? {
            let day_of = report(u64::MAX - u64::from(day), START.plus(DAY * day));
            store.commit(&[&day_of]).await?;
        }
    }
    store.close().await;
    let span_millis = days * 86_400_000;
    if url.starts_with("postgres") {
        postgres(url, rows, span_millis).await
    } else {
        sqlite(url, rows, span_millis).await
    }
}

async fn sqlite(url: &str, rows: i64, span_millis: i64) -> Result<(), Box<dyn Error>> {
    let mut database = SqliteConnection::connect(url).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'positions'",
    )
    .fetch_all(&mut database)
    .await?;
    for pragma in ["synchronous = OFF", "cache_size = -400000"] {
        sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}"))).execute(&mut database).await?;
    }
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut database).await?;
    }
    // A node speaks about as often as the others, at no fixed pace, from near its own place.
    sqlx::query(
        "INSERT INTO positions \
         WITH RECURSIVE n(i, node, time) AS ( \
             SELECT 1, 0, ?1 UNION ALL \
             SELECT i + 1, (i * 2654435761) % ?4, ?1 + i * ?3 / ?2 FROM n WHERE i < ?2) \
         SELECT i, printf('!%08x', node), time / 1000 * 1000, time, 1, \
             450000000 + node * 8333 + abs(random()) % 10000, \
             50000000 + node * 40503 % 100000000 + abs(random()) % 10000, 100, 1.5, 180.5, 9, 32, NULL \
         FROM n",
    )
    .bind(START.as_millis())
    .bind(rows)
    .bind(span_millis)
    .bind(NODES)
    .execute(&mut database)
    .await?;
    for (_, sql) in indexes {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut database).await?;
    }
    sqlx::query("UPDATE tallies SET positions = ?1, last_row = ?1")
        .bind(rows)
        .execute(&mut database)
        .await?;
    database.close().await?;
    Ok(())
}

async fn postgres(url: &str, rows: i64, span_millis: i64) -> Result<(), Box<dyn Error>> {
    let mut database = PgConnection::connect(url).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'positions'",
    )
    .fetch_all(&mut database)
    .await?;
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut database).await?;
    }
    sqlx::query(
        "INSERT INTO positions \
         SELECT i, '!' || lpad(to_hex(node), 8, '0'), ($1 + i * $3 / $2) / 1000 * 1000, \
             $1 + i * $3 / $2, true, 450000000 + node * 8333 + random() * 10000, \
             50000000 + node * 40503 % 100000000 + random() * 10000, 100, 1.5, 180.5, 9, 32, NULL \
         FROM generate_series(1, $2) AS i, LATERAL (SELECT (i * 2654435761) % $4) AS n (node)",
    )
    .bind(START.as_millis())
    .bind(rows)
    .bind(span_millis)
    .bind(NODES)
    .execute(&mut database)
    .await?;
    for (_, sql) in indexes {
        let sql = sql.replace(" ON ONLY ", " ON ");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut database).await?;
    }
    // As the server does by itself after a while.
    sqlx::query("VACUUM ANALYZE positions").execute(&mut database).await?;
    database.close().await?;
    Ok(())
}
