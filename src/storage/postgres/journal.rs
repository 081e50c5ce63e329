//! What the writer remembers between two commits, and how a run begins.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use super::{connection::failed, partitions::Partitions};
use crate::{
    domain::{Filed, Node, NodeId, Timestamp},
    storage::{
        StoreError,
        filing::{Absence, Absences},
        recent::Recent,
    },
};

/// The first half of the keys of all advisory locks: "geoc" in ASCII.
pub(super) const LOCKS: i32 = 0x6765_6f63;

/// The second half of the key of the lock that a server shares with all others while it runs. Those
/// of senders are not negative.
const PRESENCE: i32 = -1;

/// The second half of the key of the lock on the states of nodes. Commits share it: they write a
/// state as they found it when they began, with what has come since. Whoever takes something out
/// of states holds it alone, or a commit under way would put it back.
pub(super) const STATES: i32 = -4;

/// How often it is looked for another server at the start. Of one that was killed, the database
/// may still hold the connection for a moment.
const LOOKS: usize = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Waits for a lock, and holds it alone until the end of the transaction.
pub(super) async fn hold(connection: &mut PgConnection, lock: i32) -> Result<(), sqlx::Error> {
    let held = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(LOCKS).bind(lock);
    held.execute(connection).await.map(drop)
}

/// What this server knows of its own run. The database holds the rest.
#[derive(Debug)]
pub(super) struct Journal {
    /// The connection that writes, and holds the lock that says that somebody runs; none when it
    /// broke.
    pub(super) connection: Option<PgConnection>,
    pub(super) is_closed: bool,
    /// The row of this run in `writers`.
    pub(super) writer: i64,
    /// How many transactions this run has tried to commit.
    pub(super) attempts: i64,
    /// The transaction of which it is not known whether it was committed.
    pub(super) doubt: Option<Doubt>,
    /// All spans in which no server ran. None until this run has committed something, since only
    /// that ends the last one.
    pub(super) absences: Option<Absences>,
    pub(super) partitions: Partitions,
    pub(super) memory: Memory,
}

/// What is stored, as far as this run stored it and nobody else has changed it since.
#[derive(Debug)]
pub(super) struct Memory {
    /// What [`SEEN`] said when a transaction last began.
    seen: Option<String>,
    pub(super) recent: Recent,
    pub(super) nodes: FxHashMap<NodeId, Node>,
}

/// What changes with each commit of another run, and with each removal or change of what is stored,
/// whoever makes it; and when the newest packet came.
const SEEN: &str = "\
    SELECT concat_ws(' ', (SELECT changes FROM policy), \
            string_agg(id || ':' || commits, ' ' ORDER BY id) FILTER (WHERE id <> $1)), \
        max(last_packet) \
    FROM writers";

impl Memory {
    pub(super) fn new() -> Self {
        Self { seen: None, recent: Recent::beside(None), nodes: FxHashMap::default() }
    }

    /// Forgets everything if somebody else changed what is stored since the last time. To be asked
    /// behind the locks of a batch: what is not committed yet is of none of its senders.
    pub(super) async fn look_around(
        &mut self,
        connection: &mut PgConnection,
        writer: i64,
    ) -> Result<(), sqlx::Error> {
        let (seen, newest): (String, Option<i64>) =
            sqlx::query_as(SEEN).bind(writer).fetch_one(connection).await?;
        if self.seen.as_ref() != Some(&seen) {
            self.recent = Recent::beside(newest.map(Timestamp::from_millis));
            self.nodes.clear();
            self.seen = Some(seen);
        }
        Ok(())
    }
}

/// A transaction that may have been committed: the connection ended before the answer came.
#[derive(Debug)]
pub(super) struct Doubt {
    /// Its number among the attempts of this run.
    pub(super) attempt: i64,
    /// A hash that tells its batch from others.
    pub(super) batch: u64,
    /// What is to be said of the batch if it was committed.
    pub(super) filed: Vec<Filed>,
}

impl Journal {
    /// Begins a run. If no other server runs, nobody has since the last packet: an absence begins
    /// there, and ends with the next packet of any server.
    pub(super) async fn begin(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        const ALONE: &str = "SELECT pg_try_advisory_xact_lock($1, $2)";
        const LAST: &str = "\
            SELECT max(time) FROM (SELECT max(last_packet) AS time FROM writers \
                UNION ALL SELECT max(ended_at) FROM absences) AS signs_of_life";
        const ABSENT_SINCE: &str = "\
            INSERT INTO absences (began_at) \
            SELECT $1 WHERE NOT EXISTS (SELECT FROM absences WHERE ended_at IS NULL)";
        const BEGIN: &str =
            "INSERT INTO writers (commits, last_packet) VALUES (0, $1) RETURNING id";
        let mut transaction = connection.begin().await?;
        let mut is_alone = false;
        for _ in 0..LOOKS {
            let look = sqlx::query_scalar(ALONE).bind(LOCKS).bind(PRESENCE);
            is_alone = look.fetch_one(&mut *transaction).await?;
            if is_alone {
                break;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        let mut last: Option<i64> = None;
        if is_alone {
            last = sqlx::query_scalar(LAST).fetch_one(&mut *transaction).await?;
            if last.is_some() {
                sqlx::query(ABSENT_SINCE).bind(last).execute(&mut *transaction).await?;
            }
            sqlx::query("DELETE FROM writers").execute(&mut *transaction).await?;
        }
        let writer = sqlx::query_scalar(BEGIN).bind(last).fetch_one(&mut *transaction).await?;
        be_present(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self {
            connection: None,
            is_closed: false,
            writer,
            attempts: 0,
            doubt: None,
            absences: None,
            partitions: Partitions::default(),
            memory: Memory::new(),
        })
    }
}

/// Says to servers that start that one runs already, for as long as the connection lasts. Waits
/// for one that is starting.
pub(super) async fn be_present(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("SELECT pg_advisory_lock_shared($1, $2)").bind(LOCKS).bind(PRESENCE);
    lock.execute(connection).await.map(drop)
}

/// Ends the absence that has no end yet with a packet that came at `now`, unless another server
/// has, and reads all of them.
pub(super) async fn end_absence(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Absences, StoreError> {
    const OPEN: &str = "DELETE FROM absences WHERE ended_at IS NULL RETURNING began_at";
    const NOTE: &str = "INSERT INTO absences (began_at, ended_at) VALUES ($1, $2)";
    let open: Option<i64> =
        sqlx::query_scalar(OPEN).fetch_optional(&mut *connection).await.map_err(failed)?;
    let absence = open.and_then(|began| Absence::between(Timestamp::from_millis(began), now));
    if let Some(Absence { began, ended }) = absence {
        let note = sqlx::query(NOTE).bind(began.as_millis()).bind(ended.as_millis());
        note.execute(&mut *connection).await.map_err(failed)?;
    }
    absences(connection).await.map_err(failed)
}

/// The spans in which no server ran, as far as they have ended.
pub(super) async fn absences(connection: &mut PgConnection) -> Result<Absences, sqlx::Error> {
    const ALL: &str = "\
        SELECT began_at, ended_at FROM absences WHERE ended_at IS NOT NULL \
        ORDER BY ended_at DESC LIMIT 100";
    let spans: Vec<(i64, i64)> = sqlx::query_as(ALL).fetch_all(connection).await?;
    let spans = spans.into_iter().rev().map(|(began, ended)| Absence {
        began: Timestamp::from_millis(began),
        ended: Timestamp::from_millis(ended),
    });
    Ok(Absences::new(spans.collect()))
}
