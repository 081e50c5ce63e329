//! Positions by place and time.

use sqlx::{Connection as _, PgConnection};

use super::connection::failed;
use crate::storage::{
    Page, PlaceQuery, StoreError, Visit,
    sql::visits::{self, END, VISITS, VISITS_ACROSS},
};

/// Entries that one page looks at. Those that were stored lately cost a look at their row.
const MOST_ENTRIES: i64 = 200_000;

/// In the order of the index, which a page may leave at any entry. Of a new day the statistics may
/// say that it is nearly empty, and that sorting all of it costs nothing.
const IN_ORDER: &str = "\
    SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)";

pub(super) async fn visits(
    connection: &mut PgConnection,
    query: &PlaceQuery,
) -> Result<Page<Visit>, StoreError> {
    let span = visits::span(query)?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query(IN_ORDER).execute(&mut *transaction).await.map_err(failed)?;
    let end: Option<i64> = sqlx::query_scalar(END)
        .bind(span.first)
        .bind(span.last)
        .bind(MOST_ENTRIES)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
    let (south, north) = query.bounds.latitudes_e7();
    let ((west, east), beyond) = query.bounds.longitudes_e7();
    let mut question = sqlx::query(if beyond.is_some() { VISITS_ACROSS } else { VISITS })
        .bind(end.unwrap_or(span.first))
        .bind(span.last)
        .bind(span.after.time)
        .bind(span.after.row)
        .bind(south)
        .bind(north)
        .bind(west)
        .bind(east)
        .bind(span.rows());
    if let Some((west, east)) = beyond {
        question = question.bind(west).bind(east);
    }
    let rows = question.fetch_all(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    visits::answer(&span, end, &rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::AssertSqlSafe;

    use super::{
        super::{PostgresStore, database::Database},
        *,
    };
    use crate::storage::{PostgresLimits, Store as _};

    /// Ten positions a second, of a day that has no statistics yet.
    const HISTORY: &str = "\
        CREATE TABLE positions_20260922 PARTITION OF positions \
            FOR VALUES FROM (1790035200000) TO (1790121600000); \
        INSERT INTO positions SELECT n, '!' || lpad(to_hex(n % 500), 8, '0'), \
            1790035200000 + n * 100, 1790035200000 + n * 100, true, n % 900000000, n \
        FROM generate_series(1, 50000) AS n";

    #[tokio::test]
    async fn a_page_is_read_in_order_also_of_a_day_without_statistics() {
        let database = Database::create();
        let limits = PostgresLimits::default();
        let store = PostgresStore::open(&database.url, Duration::MAX, limits).await.unwrap();
        let mut connection = store.connection().await.unwrap();
        sqlx::raw_sql(HISTORY).execute(&mut *connection).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query(IN_ORDER).execute(&mut *transaction).await.unwrap();
        let (first, hour) = (1_790_036_000_000, 3_600_000);
        for (first, last) in [(first, first + hour), (i64::MIN, i64::MAX)] {
            for (sql, values) in [(END, 0), (VISITS, 7), (VISITS_ACROSS, 9)] {
                let explain = AssertSqlSafe(format!("EXPLAIN {sql}"));
                let mut question = sqlx::query_scalar(explain).bind(first).bind(last);
                for value in 1..=values {
                    question = question.bind(i64::from(value) * 1_000_000);
                }
                if sql == END {
                    question = question.bind(MOST_ENTRIES);
                }
                let plan: Vec<String> = question.fetch_all(&mut *transaction).await.unwrap();
                let plan = plan.join("\n");
                assert!(plan.contains("positions_20260922_time"), "{plan}");
                for unbounded in ["Seq Scan", "Bitmap", "Sort  ("] {
                    assert!(!plan.contains(unbounded), "{plan}");
                }
            }
        }
        transaction.rollback().await.unwrap();
        drop(connection);
        store.close().await;
    }
}
