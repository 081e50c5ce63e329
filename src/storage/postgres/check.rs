//! A look through a database: is everything in it as a server would have left it?
//!
//! What a damaged disk does to its files, Postgres tells by checksums and `pg_amcheck`.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{
    connection::{Server, at_open, hang_up},
    migrations, read,
};
use crate::{
    domain::Timestamp,
    storage::{
        Checkup, PostgresLimits, StoreError,
        sql::rules::{NEWEST, QUARANTINED, RULES},
    },
};

/// One moment for all that is read.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Not those of the driver, nor days that retention has taken off their table.
const TABLES: &str = "\
    SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE nspname = current_schema() AND relkind IN ('r', 'p') AND NOT relispartition \
        AND relname NOT LIKE '\\_sqlx\\_%' AND relname NOT LIKE '%\\_removed' ORDER BY relname";

pub(in crate::storage) async fn check_up(url: &str) -> Result<Checkup, StoreError> {
    let mut connection = connect(url).await?;
    let mut checkup = Checkup::default();
    let outcome = match connection.begin_with(BEGIN).await {
        Ok(mut moment) => look_through(&mut moment, &mut checkup).await,
        Err(error) => Err(error),
    };
    hang_up(connection).await;
    checkup.problems.extend(outcome.err().map(|error| format!("it cannot be read: {error}")));
    Ok(checkup)
}

/// The version of the schema, none without one, and what is to be run.
pub(in crate::storage) async fn to_migrate(
    url: &str,
) -> Result<(Option<i64>, Vec<String>), StoreError> {
    let name = Server::parse(url, PostgresLimits::default())?.name();
    let mut connection = connect(url).await?;
    let schema = migrations::schema(&mut connection).await.map_err(|error| at_open(error, &name));
    hang_up(connection).await;
    let schema = schema?;
    match schema.trouble {
        None => Ok((schema.version, schema.pending)),
        Some(reason) => Err(StoreError::Open { path: name, reason }),
    }
}

async fn connect(url: &str) -> Result<PgConnection, StoreError> {
    let server = Server::parse(url, PostgresLimits::default())?;
    server.connect().await.map_err(|error| at_open(error, &server.name()))
}

async fn look_through(
    connection: &mut PgConnection,
    checkup: &mut Checkup,
) -> Result<(), sqlx::Error> {
    let is_known = checkup.compare(migrations::schema(connection).await?);
    let size = "SELECT pg_database_size(current_database())";
    let bytes: i64 = sqlx::query_scalar(size).fetch_one(&mut *connection).await?;
    checkup.bytes = bytes.unsigned_abs();
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *connection).await?;
    for table in tables {
        let quoted = table.replace('"', "\"\"");
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM \"{quoted}\""));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        checkup.rows.push((table, count.unsigned_abs()));
    }
    if !is_known {
        return Ok(());
    }
    for &(what, tables, sql) in RULES {
        if tables.iter().all(|table| checkup.has(table)) {
            checkup.break_rule(what, sqlx::query_scalar(sql).fetch_one(&mut *connection).await?);
        }
    }
    for &(table, sql) in NEWEST {
        if checkup.has(table) {
            checkup.newest(sqlx::query_scalar(sql).fetch_one(&mut *connection).await?);
        }
    }
    if checkup.has("nodes") && checkup.pending.is_empty() {
        let nodes = read::heard_since(&mut *connection, Timestamp::from_millis(i64::MIN)).await;
        checkup.problems.extend(nodes.err().map(|error| error.to_string()));
    }
    if checkup.has("quarantine") {
        checkup.set_aside(sqlx::query_as(QUARANTINED).fetch_all(connection).await?);
    }
    Ok(())
}
