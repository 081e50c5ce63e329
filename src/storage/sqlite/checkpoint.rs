//! What is in the write-ahead log goes to its place in the database between two commits.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::failed;
use crate::storage::StoreError;

/// Pages of 4 KiB in the log, from which on it is emptied between two commits. A page that many
/// commits change goes to its place once for all.
const ENOUGH: i64 = 8000;

/// From which on the commit itself does it, as where other writing makes the log grow.
pub(super) const TOO_MANY: &str = "16000";

/// Empties the log if it is long. Of what readers still need nothing is lost: it stays for the next time.
pub(super) async fn empty_log(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = writer.acquire().await.map_err(failed)?;
    let pages = |row: SqliteRow| row.try_get::<i64, _>(1);
    // Only tells. It is -1 where there is no log, as in memory.
    let log = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection).await;
    if log.and_then(pages).map_err(failed)? >= ENOUGH {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::storage::{
        Store as _,
        sqlite::{SqliteStore, commit::tests::report},
    };

    #[tokio::test]
    async fn a_long_log_is_emptied_between_two_commits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("geocast.db");
        let store = SqliteStore::open(&path, Duration::MAX).await.unwrap();
        let log = async || {
            let row = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&store.writer);
            let row = row.await.unwrap();
            (row.get::<i64, _>(1), row.get::<i64, _>(2))
        };
        let reports: Vec<_> = (0..60_000).map(report).collect();
        let mut times = 0;
        for reports in reports.chunks(100) {
            store.commit(&reports.iter().collect::<Vec<_>>()).await.unwrap();
            let (before, _) = log().await;
            store.tidy().await.unwrap();
            let (pages, in_place) = log().await;
            assert!(pages < ENOUGH || pages == in_place, "{in_place} of {pages}");
            times += usize::from(before >= ENOUGH);
        }
        assert!(times > 0, "the log never was long");
    }
}
