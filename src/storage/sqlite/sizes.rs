//! How large the histories are, without counting.

use super::{SqliteStore, failed};
use crate::storage::{
    StoreError,
    retention::{History, Sizes, TableSize},
    sql::columns::Columns,
};

/// Pages of each table and index that are looked at. What is larger is estimated by these.
const SAMPLE: i64 = 200;

const TALLIES: &str =
    "SELECT packets, receptions, positions, telemetry, messages, links FROM tallies";

/// The tables and indexes of the histories: name, and the table that it belongs to.
const TREES: &str = "SELECT name, tbl_name FROM sqlite_schema WHERE rootpage > 0";

/// Bytes, rows and pages of the first pages of a table or an index, its oldest or least entries.
const PAGES: &str = "SELECT coalesce(sum(pgsize), 0), \
        coalesce(sum(ncell) FILTER (WHERE pagetype = 'leaf'), 0), count(*) \
    FROM (SELECT pgsize, ncell, pagetype FROM dbstat WHERE name = ?1 LIMIT ?2)";

impl SqliteStore {
    /// Rows are exact: each transaction keeps the tally. Bytes are exact for what fits into a
    /// sample; otherwise they are as many as the rows would take if all were like those of the
    /// sample.
    pub(super) async fn measure(&self) -> Result<Sizes, StoreError> {
        let pages = self.pages().await?;
        let row = sqlx::query(TALLIES).fetch_one(&self.readers).await.map_err(failed)?;
        let mut columns = Columns::of(&row);
        let mut tables = Vec::with_capacity(History::ALL.len());
        for history in History::ALL {
            tables.push(TableSize { history, rows: columns.integer()?, bytes: 0 });
        }
        let trees: Vec<(String, String)> =
            sqlx::query_as(TREES).fetch_all(&self.readers).await.map_err(failed)?;
        for (name, table) in trees {
            let Some(size) = tables.iter_mut().find(|size| size.history.name() == table) else {
                continue;
            };
            let sample: (i64, i64, i64) = sqlx::query_as(PAGES)
                .bind(name)
                .bind(SAMPLE)
                .fetch_one(&self.readers)
                .await
                .map_err(failed)?;
            size.bytes += estimate(size.rows, sample);
        }
        Ok(Sizes { tables, used_bytes: pages.used_bytes(), total_bytes: pages.total_bytes() })
    }
}

fn estimate(rows: u64, (bytes, sampled, pages): (i64, i64, i64)) -> u64 {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    match (unsigned(bytes), unsigned(sampled)) {
        (bytes, 0) => bytes,
        (bytes, _) if pages < SAMPLE => bytes,
        (bytes, sampled) => rows.saturating_mul(bytes) / sampled,
    }
}
