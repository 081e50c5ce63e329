//! The schema, embedded.

use sqlx::PgConnection;

use super::connection::at_open;
use crate::storage::{
    StoreError,
    sql::migrations::{APPLIED, File, Schema, migrator, refused},
};

/// Each file in `migrations/postgres`.
const MIGRATIONS: &[File] = &[
    (1, "packets", include_str!("../../../migrations/postgres/0001_packets.sql")),
    (2, "histories", include_str!("../../../migrations/postgres/0002_histories.sql")),
    (3, "nodes", include_str!("../../../migrations/postgres/0003_nodes.sql")),
    (4, "continuation", include_str!("../../../migrations/postgres/0004_continuation.sql")),
    (5, "retention", include_str!("../../../migrations/postgres/0005_retention.sql")),
    (6, "quarantine", include_str!("../../../migrations/postgres/0006_quarantine.sql")),
];

/// Runs what `database` has not seen yet. Of several servers that start at once, one does.
pub(super) async fn run(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    let outcome = migrator(MIGRATIONS).run(connection).await;
    outcome.map_err(|error| refused(error, database, |error| at_open(error, database)))
}

/// How the schema is, without a change to it.
pub(super) async fn schema(connection: &mut PgConnection) -> Result<Schema, sqlx::Error> {
    let journal = "SELECT to_regclass('_sqlx_migrations') IS NULL";
    if sqlx::query_scalar(journal).fetch_one(&mut *connection).await? {
        let nothing = "SELECT count(*) = 0 FROM pg_class \
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')";
        let is_empty: bool = sqlx::query_scalar(nothing).fetch_one(connection).await?;
        let none = Schema::none(MIGRATIONS);
        return Ok(if is_empty { none } else { none.foreign() });
    }
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(APPLIED).fetch_all(connection).await?;
    Ok(Schema::of(MIGRATIONS, &applied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sql::migrations::assert_listed;

    #[test]
    fn every_migration_file_is_listed_under_its_name() {
        assert_listed("migrations/postgres", MIGRATIONS);
    }
}
