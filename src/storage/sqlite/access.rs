//! Who may see and do what.

use std::path::Path;

use sqlx::{
    ConnectOptions as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use super::{PATIENCE, failed, only_connection};
use crate::{
    domain::Timestamp,
    storage::{Deed, Hash, Session, Share, StoreError, Token, sql::access as statements},
};

/// By the connection that writes: these are few and small.
pub(in crate::storage) struct SqliteAccess(pub(super) SqlitePool);

impl SqliteAccess {
    fn pool(&self) -> &SqlitePool {
        &self.0
    }

    async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut connection = self.0.acquire().await.map_err(failed)?;
        work(&mut connection).await.map_err(failed)
    }
}

statements::access_store!(SqliteAccess);

/// Beside a server that may be writing the file, without its lock: nothing here is what a server
/// remembers of the file.
pub(in crate::storage) async fn beside_a_server(path: &Path) -> Result<SqliteAccess, StoreError> {
    let refuse = |error: sqlx::Error| StoreError::Open {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    Ok(SqliteAccess(only_connection(options).await.map_err(refuse)?))
}
