//! How large the histories are, without counting.

use sqlx::PgConnection;

use super::{PostgresStore, connection::failed, give_back};
use crate::storage::{
    StoreError,
    retention::{History, Sizes, TableSize},
};

/// Rows and bytes of all partitions of a table.
const TABLE: &str = "\
    SELECT coalesce(sum(pg_stat_get_live_tuples(inhrelid)), 0)::int8, \
        coalesce(sum(pg_total_relation_size(inhrelid)), 0)::int8 \
    FROM pg_inherits WHERE inhparent = to_regclass($1)";

const DATABASE: &str = "SELECT pg_database_size(current_database())";

impl PostgresStore {
    /// Bytes are exact; rows are as many as the server's statistics say.
    pub(super) async fn measure(&self) -> Result<Sizes, StoreError> {
        let mut connection = self.connection().await?;
        let sizes = self.server.within(sizes(&mut connection)).await;
        give_back(connection, sizes).await
    }
}

async fn sizes(connection: &mut PgConnection) -> Result<Sizes, StoreError> {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut tables = Vec::with_capacity(History::ALL.len());
    for history in History::ALL {
        let table = sqlx::query_as(TABLE).bind(history.name()).fetch_one(&mut *connection);
        let (rows, bytes): (i64, i64) = table.await.map_err(failed)?;
        tables.push(TableSize { history, rows: unsigned(rows), bytes: unsigned(bytes) });
    }
    let all: i64 = sqlx::query_scalar(DATABASE).fetch_one(connection).await.map_err(failed)?;
    Ok(Sizes { tables, used_bytes: unsigned(all), total_bytes: unsigned(all) })
}
