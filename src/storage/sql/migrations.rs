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
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        error => StoreError::Open { path: database.to_owned(), reason: error.to_string() },
    }
}

/// What was run: version and checksum of each migration.
pub(in crate::storage) const APPLIED: &str =
    "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";

/// How the schema of a database is, seen from this program.
#[derive(Debug)]
pub(in crate::storage) struct Schema {
    /// The newest migration that was run; none where there is no schema.
    pub(in crate::storage) version: Option<i64>,
    /// What is to be run.
    pub(in crate::storage) pending: Vec<String>,
    /// Why this program cannot use it.
    pub(in crate::storage) trouble: Option<String>,
}

impl Schema {
    /// That of a database that is empty, or not there.
    pub(in crate::storage) fn none(files: &'static [File]) -> Self {
        Self::of(files, &[])
    }

    /// That of a database that holds something else.
    pub(in crate::storage) fn foreign(self) -> Self {
        Self { trouble: Some("it is a database of another program".to_owned()), ..self }
    }

    /// Compares what was run with what there is.
    pub(in crate::storage) fn of(files: &'static [File], applied: &[(i64, Vec<u8>)]) -> Self {
        let migrator = migrator(files);
        let trouble = applied.iter().find_map(|(version, checksum)| {
            match migrator.iter().find(|migration| migration.version == *version) {
                None => Some(newer(*version)),
                Some(migration) => (*migration.checksum != **checksum).then(|| other(*version)),
            }
        });
        let is_pending = |(version, ..): &&File| applied.iter().all(|(run, _)| run != version);
        let pending = files.iter().filter(is_pending);
        Self {
            version: applied.last().map(|(version, _)| *version),
            pending: pending.map(|(version, title, _)| format!("{version:04}_{title}")).collect(),
            trouble,
        }
    }
}

fn newer(version: i64) -> String {
    format!("a newer version of this program wrote it (migration {version} is not known here)")
}

fn other(version: i64) -> String {
    format!("its migration {version} is not the one of this program")
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
