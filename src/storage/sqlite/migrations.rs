//! The schema, embedded.

use std::path::Path;

use sqlx::{
    SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::storage::StoreError;

/// Number, title and text of each file in `migrations/sqlite`.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "packets", include_str!("../../../migrations/sqlite/0001_packets.sql")),
    (2, "histories", include_str!("../../../migrations/sqlite/0002_histories.sql")),
    (3, "nodes", include_str!("../../../migrations/sqlite/0003_nodes.sql")),
    (4, "continuation", include_str!("../../../migrations/sqlite/0004_continuation.sql")),
];

/// Runs what the database has not seen yet.
pub(super) async fn run(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.iter().map(|&(version, title, text)| {
        Migration::new(version, title.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    let outcome = Migrator::with_migrations(migrations.collect()).run(pool).await;
    outcome.map_err(|error| StoreError::Open {
        path: path.display().to_string(),
        reason: match error {
            MigrateError::VersionMissing(version) => format!(
                "a newer version of this program wrote it (migration {version} is not known here)"
            ),
            MigrateError::VersionMismatch(version) => {
                format!("its migration {version} is not the one of this program")
            }
            error => error.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_listed_under_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
        let mut files: Vec<String> = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed =
            MIGRATIONS.iter().map(|(version, title, _)| format!("{version:04}_{title}.sql"));
        assert_eq!(files, listed.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_database_that_a_newer_program_wrote_is_refused() {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        run(&pool, Path::new("geocast.db")).await.unwrap();
        run(&pool, Path::new("geocast.db")).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                     execution_time) VALUES (9999, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&pool).await.unwrap();
        let message = run(&pool, Path::new("geocast.db")).await.unwrap_err().to_string();
        assert!(message.contains("geocast.db: a newer version"), "{message}");
    }
}
