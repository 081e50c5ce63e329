//! Reading a database file that a server may be writing, without its lock and without a change.

use std::{io::ErrorKind, path::Path};

use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{PATIENCE, file::beside};
use crate::storage::StoreError;

/// Opens an existing database for reading.
pub(super) async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let refuse = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
    match path.metadata() {
        Ok(file) if file.is_file() => {}
        Ok(_) => return Err(refuse("it is no file".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(refuse("there is no such file".to_owned()));
        }
        Err(error) => return Err(refuse(error.to_string())),
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let error = match connect(&options).await {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    // Where the files beside a database in WAL mode are not there and cannot be made, nobody
    // writes: then the file alone is the database.
    let is_alone = beside(path, "-wal").metadata().map_or(true, |wal| wal.len() == 0);
    if is_alone && let Ok(connection) = connect(&options.immutable(true)).await {
        return Ok(connection);
    }
    Err(refuse(error.to_string()))
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    // Nothing is read before it is asked for.
    sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut connection).await?;
    Ok(connection)
}

/// How many rows each table has.
pub(super) async fn count_rows(
    connection: &mut SqliteConnection,
) -> Result<Vec<(String, u64)>, sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_sqlx\\_%' ESCAPE '\\' \
         ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut rows = Vec::with_capacity(tables.len());
    for table in tables {
        let quoted = table.replace('"', "\"\"");
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM \"{quoted}\""));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        rows.push((table, count.unsigned_abs()));
    }
    Ok(rows)
}
