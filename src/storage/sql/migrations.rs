//! Bringing a schema up to date.

use sqlx::{
    SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::storage::StoreError;

/// Number, title and text of a file below `migrations`.
pub(in crate::storage) type File = (i64, &'static str, &'static str);

/// What the program brings with it, for sqlx to run.
pub(in crate::storage) fn migrator(files: &'static [File]) -> Migrator {
    let migrations = files.iter().map(|&(version, title, text)| {
        Migration::new(version, title.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Why `database` cannot be brought up to date. `failed` knows what became of a statement.
pub(in crate::storage) fn refused(
    error: MigrateError,
    database: &str,
    failed: impl FnOnce(sqlx::Error) -> StoreError,
) -> StoreError {
    let reason = match error {
        MigrateError::VersionMissing(version) => format!(
            "a newer version of this program wrote it (migration {version} is not known here)"
        ),
        MigrateError::VersionMismatch(version) => {
            format!("its migration {version} is not the one of this program")
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return failed(error);
        }
        error => error.to_string(),
    };
    StoreError::Open { path: database.to_owned(), reason }
}

/// Checks that every file in `folder` is among `files`, under its name.
#[cfg(test)]
pub(in crate::storage) fn assert_listed(folder: &str, files: &[File]) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let listed = files.iter().map(|(version, title, _)| format!("{version:04}_{title}.sql"));
    assert_eq!(found, listed.collect::<Vec<_>>());
}
