//! What is not to be stored any more.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, query::Query,
    sqlite::SqliteConnectOptions,
};
use tokio::time::{sleep, timeout};

use super::{PATIENCE, SqliteStore, failed, insert::insert, reapply};
use crate::{
    domain::{
        NodeId, Remark,
        policy::{Left, Policy, without},
    },
    storage::{
        Erasure, KeptOutRow, Reapplied, StoreError, Withhold,
        sql::{
            nodes::{self, NodeRow, node_columns},
            rows::RefusalRow,
            withhold as said,
        },
    },
};

/// Rows of packets that are looked through at once for what is said of a node.
const SPAN: i64 = 100_000;

/// Takes rows off the tally of a table.
fn taken_off(table: &str) -> String {
    format!("UPDATE tallies SET {table} = {table} - ?1")
}

#[async_trait]
impl Withhold for SqliteStore {
    async fn kept_out(&self) -> Result<Vec<KeptOutRow>, StoreError> {
        let rows = sqlx::query(said::KEPT_OUT).fetch_all(&self.readers).await.map_err(failed)?;
        rows.iter().map(said::kept_out).collect()
    }

    async fn left(&self, node: &NodeId) -> Result<Option<Left>, StoreError> {
        let row = sqlx::query(said::LEFT).bind(node.to_string()).fetch_optional(&self.readers);
        let row = row.await.map_err(failed)?.as_ref().map(said::kept_out).transpose()?;
        Ok(row.map(|row| row.left))
    }

    async fn note_refusals(&self, refusals: &[(NodeId, Remark)]) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = note(&mut connection, refusals).await;
        self.give_back(connection, outcome).await.map_err(failed)
    }

    async fn refusals(&self) -> Result<Vec<(NodeId, Remark)>, StoreError> {
        let rows = sqlx::query(said::NOTES).fetch_all(&self.readers).await.map_err(failed)?;
        rows.iter().map(said::note).collect()
    }

    async fn kept_out_changes(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar(said::CHANGES).fetch_one(&self.readers).await.map_err(failed)
    }

    async fn keep_out(&self, node: &NodeId, left: Left) -> Result<(), StoreError> {
        let mut journal = self.journal.lock().await;
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = keep_out(&mut connection, node, left).await;
        journal.nodes.remove(node);
        if left.why.erases() {
            journal.recent.forget_sender(node);
        }
        self.give_back(connection, outcome).await.map_err(failed)
    }

    async fn let_in(&self, node: &NodeId) -> Result<bool, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = let_in(&mut connection, node).await;
        self.give_back(connection, outcome).await.map_err(failed)
    }

    async fn erase(
        &self,
        node: &NodeId,
        from: Erasure,
        rows: u32,
    ) -> Result<Option<Erasure>, StoreError> {
        let mut journal = self.journal.lock().await;
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = match from {
            Erasure::Own => {
                journal.recent.forget_sender(node);
                journal.nodes.remove(node);
                own(&mut connection, node, rows).await
            }
            Erasure::Mentions(after) => {
                journal.nodes.clear();
                journal.recent.forget_gateway(node);
                mentions(&mut connection, node, after).await
            }
        };
        self.give_back(connection, outcome).await
    }

    async fn policy_applied(&self) -> Result<Option<u64>, StoreError> {
        let applied: Option<i64> =
            sqlx::query_scalar(said::APPLIED).fetch_one(&self.readers).await.map_err(failed)?;
        Ok(applied.map(i64::cast_unsigned))
    }

    async fn set_policy_applied(&self, fingerprint: u64) -> Result<(), StoreError> {
        let note = sqlx::query(said::SET_APPLIED).bind(fingerprint.cast_signed());
        note.execute(&self.writer).await.map(drop).map_err(failed)
    }

    async fn reapply(
        &self,
        policy: &Policy,
        from: Reapplied,
        rows: u32,
    ) -> Result<Option<Reapplied>, StoreError> {
        let kept_out = self.kept_out().await?.into_iter().map(|row| (row.node, row.left)).collect();
        let mut journal = self.journal.lock().await;
        journal.nodes.clear();
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = reapply::reapply(&mut connection, policy, &kept_out, from, rows).await;
        self.give_back(connection, outcome).await
    }
}

/// How long the server that works on a file may take to erase a node.
const ERASED_WITHIN: Duration = Duration::from_mins(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Asks the server that works on this file to forget a node, and waits until it has.
pub(in crate::storage) async fn ask_to_forget(
    path: &Path,
    node: &NodeId,
    left: Left,
) -> Result<(), StoreError> {
    const ERASED: &str = "SELECT erased FROM kept_out WHERE node = ?1";
    let mut connection = beside_the_server(path).await?;
    keep_out(&mut connection, node, left).await.map_err(failed)?;
    let erased = async {
        loop {
            let erased: Option<i64> = sqlx::query_scalar(ERASED)
                .bind(node.to_string())
                .fetch_optional(&mut connection)
                .await
                .map_err(failed)?;
            if erased == Some(1) {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
    };
    timeout(ERASED_WITHIN, erased).await.unwrap_or_else(|_elapsed| {
        Err(StoreError::Unavailable("the server that uses it has not removed the node".to_owned()))
    })
}

/// Says to the server that works on this file that a node may come in again.
pub(in crate::storage) async fn ask_to_let_in(
    path: &Path,
    node: &NodeId,
) -> Result<bool, StoreError> {
    let mut connection = beside_the_server(path).await?;
    let_in(&mut connection, node).await.map_err(failed)
}

/// A connection that writes only who is kept out: the server looks for that, and for nothing else.
async fn beside_the_server(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
    options.disable_statement_logging().connect().await.map_err(failed)
}

async fn keep_out(
    connection: &mut SqliteConnection,
    node: &NodeId,
    left: Left,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    note_out(&mut transaction, node, left).await?;
    transaction.commit().await
}

pub(super) async fn note_out(
    connection: &mut SqliteConnection,
    node: &NodeId,
    left: Left,
) -> Result<(), sqlx::Error> {
    let id = node.to_string();
    sqlx::query(said::KEEP_OUT)
        .bind(&id)
        .bind(left.why.name())
        .bind(left.since.as_millis())
        .bind(!left.why.erases())
        .execute(&mut *connection)
        .await?;
    if left.why.erases() {
        sqlx::query(said::STATE_GOES).bind(&id).execute(&mut *connection).await?;
    }
    sqlx::query(said::CHANGED).execute(connection).await.map(drop)
}

async fn let_in(connection: &mut SqliteConnection, node: &NodeId) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let gone = sqlx::query(said::LET_IN).bind(node.to_string()).execute(&mut *transaction).await?;
    sqlx::query(said::CHANGED).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(gone.rows_affected() > 0)
}

async fn note(
    connection: &mut SqliteConnection,
    refusals: &[(NodeId, Remark)],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    insert(&mut transaction, &RefusalRow::all(refusals)).await?;
    sqlx::query(said::TRIM_NOTES).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Removes rows, and takes them off the tally.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    table: &str,
    rows: u64,
) -> Result<(), sqlx::Error> {
    if rows == 0 || table == "quarantine" {
        return Ok(());
    }
    sqlx::query(AssertSqlSafe(taken_off(table)))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map(drop)
}

/// Removes some of what a node said since a time; says whether there was any.
pub(super) async fn some_goes(
    connection: &mut SqliteConnection,
    removals: &[said::Removal],
    (node, since): (&str, i64),
    rows: u32,
) -> Result<bool, StoreError> {
    let mut any = false;
    for (table, sql) in removals {
        let gone = sqlx::query(*sql).bind(node).bind(since).bind(rows);
        let gone = gone.execute(&mut *connection).await.map_err(failed)?.rows_affected();
        remove(connection, table, gone).await.map_err(failed)?;
        any |= gone > 0;
    }
    Ok(any)
}

async fn own(
    connection: &mut SqliteConnection,
    node: &NodeId,
    rows: u32,
) -> Result<Option<Erasure>, StoreError> {
    let id = node.to_string();
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let any = some_goes(&mut transaction, &said::OWN, (&id, i64::MIN), rows).await?;
    for sql in [said::STATE_GOES, said::NOTES_GO] {
        sqlx::query(sql).bind(&id).execute(&mut *transaction).await.map_err(failed)?;
    }
    let aside = sqlx::query(said::QUARANTINED).bind(&id).execute(&mut *transaction).await;
    let any = any | (aside.map_err(failed)?.rows_affected() > 0);
    transaction.commit().await.map_err(failed)?;
    Ok(Some(if any { Erasure::Own } else { Erasure::Mentions(0) }))
}

/// Others' packets that went by the node, or to it, or name it, and others that hear it.
async fn mentions(
    connection: &mut SqliteConnection,
    node: &NodeId,
    after: i64,
) -> Result<Option<Erasure>, StoreError> {
    // Two gateways that are not told of are one.
    const TWICE: &str = "DELETE FROM receptions WHERE packet > ?1 AND packet <= ?2 \
        AND gateway = ?3 AND EXISTS (SELECT 1 FROM receptions AS other \
            WHERE other.packet = receptions.packet AND other.gateway = ?4)";
    const GATEWAY: &str = "UPDATE receptions SET gateway = ?4 \
        WHERE packet > ?1 AND packet <= ?2 AND gateway = ?3";
    const ADDRESSEE: &str = "UPDATE packets SET addressee = NULL, payload = x'' \
        WHERE id > ?1 AND id <= ?2 AND addressee = ?3";
    const NAMING: &str = "UPDATE packets SET payload = x'' \
        WHERE id > ?1 AND id <= ?2 AND port IN (?3, ?4) AND (instr(payload, ?5) > 0 \
            OR instr(payload, ?6) > 0 OR instr(payload, ?7) > 0)";
    const LAST: &str = "SELECT last_row FROM tallies";
    let id = node.to_string();
    let until = after.saturating_add(SPAN);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    for (at, sql) in [TWICE, GATEWAY, ADDRESSEE].into_iter().enumerate() {
        let query = sqlx::query(sql).bind(after).bind(until).bind(&id);
        let query = if at < 2 { query.bind(said::NOBODY) } else { query };
        let gone = query.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
        if at == 0 {
            remove(&mut transaction, "receptions", gone).await.map_err(failed)?;
        }
    }
    let naming = sqlx::query(NAMING).bind(after).bind(until);
    let naming = said::NAMING_PORTS.into_iter().fold(naming, Query::bind);
    let names = said::names_in_bytes(node).into_iter();
    let naming = names.fold(naming, Query::bind);
    naming.execute(&mut *transaction).await.map_err(failed)?;
    let last: i64 = sqlx::query_scalar(LAST).fetch_one(&mut *transaction).await.map_err(failed)?;
    if until < last {
        transaction.commit().await.map_err(failed)?;
        return Ok(Some(Erasure::Mentions(until)));
    }
    neighbours(&mut transaction, node).await?;
    let erased = "UPDATE kept_out SET erased = 1 WHERE node = ?1";
    sqlx::query(erased).bind(&id).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(None)
}

/// Takes a node out of the lists of those that hear it.
async fn neighbours(connection: &mut SqliteConnection, node: &NodeId) -> Result<(), StoreError> {
    const HEARING: &str =
        concat!("SELECT json_array(", node_columns!(), ") FROM nodes WHERE instr(links, ?1) > 0");
    let named = serde_json::to_string(&node.to_string()).unwrap_or_default();
    let hearing: Vec<String> = sqlx::query_scalar(HEARING)
        .bind(named)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let mut changed = Vec::new();
    for row in &hearing {
        let mut one = nodes::from_json(row)?;
        one.links = one.links.map(|links| without(links, |id| id == node));
        changed.push(NodeRow(one));
    }
    insert(connection, &changed).await.map_err(failed)
}
