//! What a run leaves for the next one.

use sqlx::SqlitePool;
use tracing::warn;

use super::failed;
use crate::{
    domain::Continuation,
    storage::{StoreError, continuation},
};

pub(super) async fn put(writer: &SqlitePool, left: &Continuation) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO continuation (id, content) VALUES (1, ?)")
        .bind(continuation::to_bytes(left))
        .execute(writer)
        .await
        .map(drop)
        .map_err(failed)
}

pub(super) async fn take(writer: &SqlitePool) -> Result<Option<Continuation>, StoreError> {
    let taken: Option<Vec<u8>> = sqlx::query_scalar("DELETE FROM continuation RETURNING content")
        .fetch_optional(writer)
        .await
        .map_err(failed)?;
    let read = taken.map(|bytes| continuation::from_bytes(&bytes)).transpose();
    Ok(read.unwrap_or_else(|error| {
        warn!(%error, "clients start afresh: {error}");
        None
    }))
}
