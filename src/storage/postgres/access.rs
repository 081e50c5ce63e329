//! Who may see and do what.

use sqlx::{PgConnection, PgPool};

use super::connection::{Server, failed, hang_up, unavailable};
use crate::{
    domain::Timestamp,
    storage::{
        Deed, Hash, PostgresLimits, Session, Share, StoreError, Token, sql::access as statements,
    },
};

/// By the connections that read: these are few and small.
pub(in crate::storage) struct PostgresAccess {
    pub(super) server: Server,
    pub(super) pool: PgPool,
}

impl PostgresAccess {
    fn pool(&self) -> &PgPool {
        &self.pool
    }

    async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(unavailable)?;
        let outcome = async { work(&mut connection).await.map_err(failed) };
        let outcome = self.server.within(outcome).await;
        if outcome.is_err() {
            hang_up(connection.detach()).await;
        }
        outcome
    }
}

statements::access_store!(PostgresAccess);

/// Beside servers that may be using the database.
pub(in crate::storage) fn beside_a_server(url: &str) -> Result<PostgresAccess, StoreError> {
    let server = Server::parse(url, PostgresLimits::default())?;
    Ok(PostgresAccess { pool: server.pool(), server })
}
