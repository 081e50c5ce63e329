//! The schema, embedded.

use sqlx::{SqliteConnection, SqlitePool};

use crate::storage::{
    StoreError,
    sql::migrations::{APPLIED, File, Schema, migrator, refused},
};

/// Each file in `migrations/sqlite`.
pub(super) const MIGRATIONS: &[File] = &[
    (1, "packets", include_str!("../../../migrations/sqlite/0001_packets.sql")),
    (2, "histories", include_str!("../../../migrations/sqlite/0002_histories.sql")),
    (3, "nodes", include_str!("../../../migrations/sqlite/0003_nodes.sql")),
    (4, "continuation", include_str!("../../../migrations/sqlite/0004_continuation.sql")),
    (5, "retention", include_str!("../../../migrations/sqlite/0005_retention.sql")),
    (6, "quarantine", include_str!("../../../migrations/sqlite/0006_quarantine.sql")),
    (7, "policy", include_str!("../../../migrations/sqlite/0007_policy.sql")),
    (8, "refusals", include_str!("../../../migrations/sqlite/0008_refusals.sql")),
    (9, "access", include_str!("../../../migrations/sqlite/0009_access.sql")),
    (10, "shares", include_str!("../../../migrations/sqlite/0010_shares.sql")),
];

/// Runs what the database at `path` has not seen yet.
pub(super) async fn run(pool: &SqlitePool, path: &str) -> Result<(), StoreError> {
    let open =
        |error: sqlx::Error| StoreError::Open { path: path.to_owned(), reason: error.to_string() };
    let mut connection = pool.acquire().await.map_err(open)?;
    if let Some(reason) = schema(&mut connection).await.map_err(open)?.trouble {
        return Err(StoreError::Open { path: path.to_owned(), reason });
    }
    let outcome = migrator(MIGRATIONS).run(&mut *connection).await;
    outcome.map_err(|error| refused(error, path, open))
}

/// How the schema is, without a change to it.
pub(super) async fn schema(connection: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    let journal = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if sqlx::query_scalar::<_, i64>(journal).fetch_one(&mut *connection).await? == 0 {
        let nothing = "SELECT count(*) = 0 FROM sqlite_schema";
        let is_empty: bool = sqlx::query_scalar(nothing).fetch_one(connection).await?;
        let none = Schema::none(MIGRATIONS);
        return Ok(if is_empty { none } else { none.foreign() });
    }
    let applied = sqlx::query_as(APPLIED).fetch_all(connection).await?;
    Ok(Schema::of(MIGRATIONS, &applied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sql::migrations::assert_listed;

    #[test]
    fn every_migration_file_is_listed_under_its_name() {
        assert_listed("migrations/sqlite", MIGRATIONS);
    }

    #[tokio::test]
    async fn a_database_that_a_newer_program_wrote_is_refused() {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        run(&pool, "geocast.db").await.unwrap();
        run(&pool, "geocast.db").await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                     execution_time) VALUES (9999, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&pool).await.unwrap();
        let message = run(&pool, "geocast.db").await.unwrap_err().to_string();
        assert!(message.contains("geocast.db: a newer version"), "{message}");
    }
}
