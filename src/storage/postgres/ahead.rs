//! What a batch adds: encoded while the server works on what was sent before.

use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::{connection::failed, insert::Insert};
use crate::storage::{StoreError, sql::rows::Row};

/// How many tables may be encoded before the server is done with the first: all of a batch.
const TABLES: usize = 7;

/// Encodes tables, to be inserted in this order.
pub(super) struct Encoding(mpsc::Sender<Insert>);

/// Inserts what is encoded.
pub(super) struct Sending(mpsc::Receiver<Insert>);

/// To be polled together.
pub(super) fn ahead() -> (Encoding, Sending) {
    let (encoded, to_send) = mpsc::channel(TABLES);
    (Encoding(encoded), Sending(to_send))
}

impl Encoding {
    /// Passes on `rows` of a table.
    pub(super) async fn pass<R: Row>(&self, rows: &[R]) -> Result<(), StoreError> {
        let Some(insert) = Insert::of(rows).await.map_err(failed)? else { return Ok(()) };
        let is_over = |_| StoreError::Unavailable("what was sent before has failed".to_owned());
        self.0.send(insert).await.map_err(is_over)
    }
}

impl Sending {
    /// Goes on until everything is inserted, or cannot be.
    pub(super) async fn run(mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        while let Some(insert) = self.0.recv().await {
            insert.execute(connection).await?;
        }
        Ok(())
    }
}
