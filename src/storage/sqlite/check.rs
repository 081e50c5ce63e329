//! A look through a database file: is everything in it as a server would have left it?

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection};

use super::{file::beside, migrations, read, reading};
use crate::{
    domain::Timestamp,
    storage::{
        Checkup, StoreError,
        sql::rules::{NEWEST, QUARANTINED, RULES},
    },
};

/// Most problems that are told of the file itself: 20.
const INTEGRITY: &str = "PRAGMA integrity_check(20)";

pub(in crate::storage) async fn check_up(path: &Path) -> Result<Checkup, StoreError> {
    let mut connection = reading::open(path).await?;
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    let mut checkup =
        Checkup { bytes: size(path) + size(&beside(path, "-wal")), ..Checkup::default() };
    // One moment for all that is read.
    let outcome = match connection.begin().await {
        Ok(mut moment) => look_through(&mut moment, &mut checkup).await,
        Err(error) => Err(error),
    };
    // A damaged file can fail anything that is asked of it.
    checkup.problems.extend(outcome.err().map(|error| format!("it cannot be read: {error}")));
    Ok(checkup)
}

async fn look_through(
    connection: &mut SqliteConnection,
    checkup: &mut Checkup,
) -> Result<(), sqlx::Error> {
    let damage: Vec<String> = sqlx::query_scalar(INTEGRITY).fetch_all(&mut *connection).await?;
    checkup.problems.extend(damage.into_iter().filter(|line| line != "ok"));
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *connection).await?;
    if !dangling.is_empty() {
        checkup.problems.push(format!("{} rows refer to rows that are not there", dangling.len()));
    }
    let is_known = checkup.compare(migrations::schema(connection).await?);
    checkup.rows = reading::count_rows(connection).await?;
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
