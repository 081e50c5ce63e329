//! A copy of a database file as of one moment, while a server may be writing it.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use sqlx::{
    ConnectOptions as _, Connection as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use super::reading;
use crate::storage::{Copied, StoreError, draft::Draft};

/// Copies the database at `path` to `to`.
pub(in crate::storage) async fn back_up(path: &Path, to: &Path) -> Result<Copied, StoreError> {
    let mut source = reading::open(path).await?;
    let mode = path.metadata().map_or(0, |file| file.permissions().mode() & 0o777);
    let copy = Draft::new(to, mode | 0o600)?;
    let Some(name) = copy.path().to_str() else {
        return Err(copy.refused("its name is not UTF-8"));
    };
    let vacuumed = sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut source).await;
    vacuumed.map_err(|error| copy.refused(&error))?;
    let rows = finish(copy.path()).await.map_err(|error| copy.refused(&error))?;
    Ok(Copied { bytes: copy.publish()?, rows })
}

/// Takes out of a copy what must not be told twice: a server that starts from it begins a new epoch,
/// as clients may have seen more than it holds. Answers how many rows it has.
async fn finish(copy: &Path) -> Result<Vec<(String, u64)>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(copy).disable_statement_logging();
    let mut copy = options.journal_mode(SqliteJournalMode::Memory).connect().await?;
    let is_there = "SELECT count(*) FROM sqlite_schema WHERE name = 'continuation'";
    if sqlx::query_scalar::<_, i64>(is_there).fetch_one(&mut copy).await? > 0 {
        sqlx::query("DELETE FROM continuation").execute(&mut copy).await?;
    }
    let rows = reading::count_rows(&mut copy).await?;
    copy.close().await?;
    Ok(rows)
}
