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
