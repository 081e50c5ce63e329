//! What a run leaves for the next one.

use sqlx::PgConnection;
use tracing::warn;

use super::connection::failed;
use crate::{
    domain::Continuation,
    storage::{StoreError, continuation},
};

pub(super) async fn put(
    connection: &mut PgConnection,
    left: &Continuation,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO continuation (id, content) VALUES (1, $1) \
        ON CONFLICT (id) DO UPDATE SET content = excluded.content";
    let query = sqlx::query(SQL).bind(continuation::to_bytes(left));
    query.execute(connection).await.map(drop).map_err(failed)
}

pub(super) async fn take(
    connection: &mut PgConnection,
) -> Result<Option<Continuation>, StoreError> {
    let taken: Option<Vec<u8>> = sqlx::query_scalar("DELETE FROM continuation RETURNING content")
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(taken.and_then(|bytes| match continuation::from_bytes(&bytes) {
        Ok(left) => Some(left),
        Err(error) => {
            warn!(%error, "clients start afresh: {error}");
            None
        }
    }))
}
