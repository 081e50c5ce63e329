//! What is not to be stored any more.

use async_trait::async_trait;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction, query::Query};

use super::{
    PostgresStore,
    connection::failed,
    give_back,
    insert::insert,
    journal::{STATES, hold},
    reapply,
};
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

/// Milliseconds whose packets are looked through at once for what is said of a node: a day.
const SPAN: i64 = 86_400_000;

/// Runs work on a connection of the pool.
macro_rules! with_connection {
    ($store:ident, $connection:ident => $work:expr) => {{
        let mut connection = $store.connection().await?;
        let $connection = &mut *connection;
        let outcome = $store.server.within($work).await;
        give_back(connection, outcome).await
    }};
}

#[async_trait]
impl Withhold for PostgresStore {
    async fn kept_out(&self) -> Result<Vec<KeptOutRow>, StoreError> {
        with_connection!(self, connection => kept_out(connection))
    }

    async fn left(&self, node: &NodeId) -> Result<Option<Left>, StoreError> {
        with_connection!(self, connection => async {
            let row = sqlx::query(said::LEFT).bind(node.to_string()).fetch_optional(connection);
            let row = row.await.map_err(failed)?.as_ref().map(said::kept_out).transpose()?;
            Ok(row.map(|row| row.left))
        })
    }

    async fn note_refusals(&self, refusals: &[(NodeId, Remark)]) -> Result<(), StoreError> {
        with_connection!(self, connection => async {
            let mut transaction = begin(connection).await?;
            insert(&mut transaction, &RefusalRow::all(refusals)).await.map_err(failed)?;
            sqlx::query(said::TRIM_NOTES).execute(&mut *transaction).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)
        })
    }

    async fn refusals(&self) -> Result<Vec<(NodeId, Remark)>, StoreError> {
        with_connection!(self, connection => async {
            let rows = sqlx::query(said::NOTES).fetch_all(connection).await.map_err(failed)?;
            rows.iter().map(said::note).collect()
        })
    }

    async fn kept_out_changes(&self) -> Result<i64, StoreError> {
        with_connection!(self, connection => async {
            sqlx::query_scalar(said::CHANGES).fetch_one(connection).await.map_err(failed)
        })
    }

    async fn keep_out(&self, node: &NodeId, left: Left) -> Result<(), StoreError> {
        with_connection!(self, connection => async {
            let mut transaction = begin(connection).await?;
            hold_states(&mut transaction).await?;
            note_out(&mut transaction, node, left).await?;
            transaction.commit().await.map_err(failed)
        })
    }

    async fn let_in(&self, node: &NodeId) -> Result<bool, StoreError> {
        with_connection!(self, connection => async {
            let mut transaction = begin(connection).await?;
            let gone = sqlx::query(said::LET_IN).bind(node.to_string());
            let gone = gone.execute(&mut *transaction).await.map_err(failed)?;
            changed(&mut transaction).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            Ok(gone.rows_affected() > 0)
        })
    }

    async fn erase(
        &self,
        node: &NodeId,
        from: Erasure,
        rows: u32,
    ) -> Result<Option<Erasure>, StoreError> {
        with_connection!(self, connection => async {
            match from {
                Erasure::Own => own(connection, node, rows).await,
                Erasure::Mentions(after) => mentions(connection, node, after).await,
            }
        })
    }

    async fn policy_applied(&self) -> Result<Option<u64>, StoreError> {
        let applied: Option<i64> = with_connection!(self, connection => async {
            sqlx::query_scalar(said::APPLIED).fetch_one(connection).await.map_err(failed)
        })?;
        Ok(applied.map(i64::cast_unsigned))
    }

    async fn set_policy_applied(&self, fingerprint: u64) -> Result<(), StoreError> {
        with_connection!(self, connection => async {
            let note = sqlx::query(said::SET_APPLIED).bind(fingerprint.cast_signed());
            note.execute(connection).await.map(drop).map_err(failed)
        })
    }

    async fn reapply(
        &self,
        policy: &Policy,
        from: Reapplied,
        rows: u32,
    ) -> Result<Option<Reapplied>, StoreError> {
        with_connection!(self, connection => async {
            let kept_out = kept_out(connection).await?;
            let kept_out = kept_out.into_iter().map(|row| (row.node, row.left)).collect();
            let mut transaction = begin(connection).await?;
            if matches!(from, Reapplied::Nodes(_)) {
                hold_states(&mut transaction).await?;
            }
            let next = reapply::reapply(&mut transaction, policy, &kept_out, from, rows).await?;
            changed(&mut transaction).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            Ok(next)
        })
    }
}

async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, StoreError> {
    connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)
}

/// Waits until no commit is under way that has read states, and lets none begin before the end of
/// the transaction.
async fn hold_states(connection: &mut PgConnection) -> Result<(), StoreError> {
    hold(connection, STATES).await.map_err(failed)
}

async fn kept_out(connection: &mut PgConnection) -> Result<Vec<KeptOutRow>, StoreError> {
    let rows = sqlx::query(said::KEPT_OUT).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(said::kept_out).collect()
}

pub(super) async fn note_out(
    connection: &mut PgConnection,
    node: &NodeId,
    left: Left,
) -> Result<(), StoreError> {
    let id = node.to_string();
    sqlx::query(said::KEEP_OUT)
        .bind(&id)
        .bind(left.why.name())
        .bind(left.since.as_millis())
        .bind(!left.why.erases())
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    if left.why.erases() {
        let gone = sqlx::query(said::STATE_GOES).bind(&id);
        gone.execute(&mut *connection).await.map_err(failed)?;
    }
    changed(connection).await.map_err(failed)
}

/// Says to all servers that what they remember of nodes, packets or copies may be gone. In the
/// transaction that makes it so.
pub(super) async fn changed(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(said::CHANGED).execute(connection).await.map(drop)
}

/// Removes some of what a node said since a time; says whether there was any.
pub(super) async fn some_goes(
    connection: &mut PgConnection,
    removals: &[said::Removal],
    (node, since): (&str, i64),
    rows: i64,
) -> Result<bool, StoreError> {
    let mut any = false;
    for (_, sql) in removals {
        let gone = sqlx::query(*sql).bind(node).bind(since).bind(rows);
        any |= gone.execute(&mut *connection).await.map_err(failed)?.rows_affected() > 0;
    }
    Ok(any)
}

async fn own(
    connection: &mut PgConnection,
    node: &NodeId,
    rows: u32,
) -> Result<Option<Erasure>, StoreError> {
    const FIRST: &str = "SELECT coalesce(min(received_at), 0) FROM packets";
    let id = node.to_string();
    let mut transaction = begin(connection).await?;
    hold_states(&mut transaction).await?;
    let rows = i64::from(rows);
    let mut any = some_goes(&mut transaction, &said::OWN, (&id, i64::MIN), rows).await?;
    for sql in [said::STATE_GOES, said::QUARANTINED, said::NOTES_GO] {
        let gone = sqlx::query(sql).bind(&id).execute(&mut *transaction).await.map_err(failed)?;
        any |= gone.rows_affected() > 0;
    }
    changed(&mut transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    if any {
        return Ok(Some(Erasure::Own));
    }
    let first = sqlx::query_scalar(FIRST).fetch_one(connection).await.map_err(failed)?;
    Ok(Some(Erasure::Mentions(first)))
}

/// Others' packets that went by the node, or to it, or name it, and others that hear it.
async fn mentions(
    connection: &mut PgConnection,
    node: &NodeId,
    from: i64,
) -> Result<Option<Erasure>, StoreError> {
    // Two gateways that are not told of are one.
    const TWICE: &str = "DELETE FROM receptions WHERE received_at >= $1 AND received_at < $2 \
        AND gateway = $3 AND EXISTS (SELECT 1 FROM receptions AS other \
            WHERE other.packet = receptions.packet AND other.gateway = $4 \
                AND other.received_at = receptions.received_at)";
    const GATEWAY: &str = "UPDATE receptions SET gateway = $4 \
        WHERE received_at >= $1 AND received_at < $2 AND gateway = $3";
    const ADDRESSEE: &str = "UPDATE packets SET addressee = NULL, payload = ''::bytea \
        WHERE received_at >= $1 AND received_at < $2 AND addressee = $3";
    const NAMING: &str = "UPDATE packets SET payload = ''::bytea \
        WHERE received_at >= $1 AND received_at < $2 AND port IN ($3, $4) \
            AND (position($5 in payload) > 0 OR position($6 in payload) > 0 \
                OR position($7 in payload) > 0)";
    const LAST: &str = "SELECT coalesce(max(received_at), 0) FROM packets";
    let id = node.to_string();
    let until = from.saturating_add(SPAN);
    let mut transaction = begin(connection).await?;
    for sql in [TWICE, GATEWAY] {
        let query = sqlx::query(sql).bind(from).bind(until).bind(&id).bind(said::NOBODY);
        query.execute(&mut *transaction).await.map_err(failed)?;
    }
    let query = sqlx::query(ADDRESSEE).bind(from).bind(until).bind(&id);
    query.execute(&mut *transaction).await.map_err(failed)?;
    let naming = sqlx::query(NAMING).bind(from).bind(until);
    let naming = said::NAMING_PORTS.into_iter().fold(naming, Query::bind);
    let names = said::names_in_bytes(node).into_iter();
    let naming = names.fold(naming, Query::bind);
    naming.execute(&mut *transaction).await.map_err(failed)?;
    changed(&mut transaction).await.map_err(failed)?;
    let last: i64 = sqlx::query_scalar(LAST).fetch_one(&mut *transaction).await.map_err(failed)?;
    if until <= last {
        transaction.commit().await.map_err(failed)?;
        return Ok(Some(Erasure::Mentions(until)));
    }
    hold_states(&mut transaction).await?;
    neighbours(&mut transaction, node).await?;
    let erased = sqlx::query("UPDATE kept_out SET erased = true WHERE node = $1").bind(&id);
    erased.execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(None)
}

/// Takes a node out of the lists of those that hear it.
async fn neighbours(connection: &mut PgConnection, node: &NodeId) -> Result<(), StoreError> {
    const HEARING: &str =
        concat!("SELECT ", node_columns!(), " FROM nodes WHERE strpos(links, $1) > 0 FOR UPDATE");
    let named = serde_json::to_string(&node.to_string()).unwrap_or_default();
    let hearing = sqlx::query(HEARING).bind(named);
    let hearing = hearing.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut changed = Vec::new();
    for row in &hearing {
        let mut one = nodes::from_row(row)?;
        one.links = one.links.map(|links| without(links, |id| id == node));
        changed.push(NodeRow(one));
    }
    insert(connection, &changed).await.map_err(failed)
}
