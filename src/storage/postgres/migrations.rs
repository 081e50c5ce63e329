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
    (7, "policy", include_str!("../../../migrations/postgres/0007_policy.sql")),
    (8, "refusals", include_str!("../../../migrations/postgres/0008_refusals.sql")),
    (9, "access", include_str!("../../../migrations/postgres/0009_access.sql")),
    (10, "shares", include_str!("../../../migrations/postgres/0010_shares.sql")),
];

/// Whether there are no tables, but for those of extensions, and whether there is the journal of
/// migrations: at one moment, as another server may be creating them.
const TABLES: &str = "\
    SELECT count(*) = 0, count(*) FILTER (WHERE relname = '_sqlx_migrations') > 0 \
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE nspname = current_schema() AND relkind IN ('r', 'p') AND NOT EXISTS ( \
        SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass \
            AND objid = pg_class.oid AND deptype = 'e')";

/// Runs what `database` has not seen yet. Of several servers that start at once, one does.
pub(super) async fn run(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    let refuse = |reason| Err(StoreError::Open { path: database.to_owned(), reason });
    match schema(connection).await {
        Ok(Schema { trouble: Some(reason), .. }) => return refuse(reason),
        Ok(_) => {}
        Err(error) => return Err(at_open(error, database)),
    }
    let outcome = migrator(MIGRATIONS).run(connection).await;
    outcome.map_err(|error| refused(error, database, |error| at_open(error, database)))
}

/// How the schema is, without a change to it.
pub(super) async fn schema(connection: &mut PgConnection) -> Result<Schema, sqlx::Error> {
    let (is_empty, has_journal) = sqlx::query_as(TABLES).fetch_one(&mut *connection).await?;
    if has_journal {
        let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(APPLIED).fetch_all(connection).await?;
        return Ok(Schema::of(MIGRATIONS, &applied));
    }
    let none = Schema::none(MIGRATIONS);
    Ok(if is_empty { none } else { none.foreign() })
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
