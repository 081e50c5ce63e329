//! `SQLite`: one file, one writer, readers that never wait for it.

mod access;
mod analysis;
mod backup;
mod check;
mod checkpoint;
mod commit;
mod continuation;
mod file;
mod insert;
mod migrations;
mod quarantine;
mod read;
mod reading;
mod reapply;
mod retention;
mod sizes;
mod withhold;
mod within;

use std::{
    fs::File,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rustc_hash::FxHashMap;
use sqlx::{
    ConnectOptions as _, Sqlite, SqlitePool,
    error::DatabaseError,
    pool::PoolConnection,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use self::file::{lock, real};
pub(super) use self::{
    access::beside_a_server,
    backup::back_up,
    check::check_up,
    file::is_in_use,
    withhold::{ask_to_forget, ask_to_let_in},
};
use super::{
    AccessStore, HeardPacket, Hearing, HistoryQuery, Keep, LinkRow, Loaded, Page, PlaceQuery,
    Sizes, Store, StoreError, Swept, TelemetryRow, Total, Visit, Window,
    filing::{Absence, Absences},
    recent::Recent,
    sql::{columns::Columns, history, migrations::Schema},
};
use crate::domain::{Continuation, Filed, Message, Node, NodeId, Position, Report, Timestamp};

/// Connections that read. When all are busy, whoever asks waits, at most [`PATIENCE`].
const READERS: u32 = 4;

/// How long a connection, or a lock that another program holds, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store in an `SQLite` database.
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Where the file is, if it is not in memory, and its number: another file in its place is another database.
    file: Option<(PathBuf, u64)>,
    /// A node silent for this long starts anew.
    forget_after: Duration,
    journal: tokio::sync::Mutex<Journal>,
    /// Whether the file can be made smaller, page by page. One that was made before it could stays
    /// as large as it has become, and what is free in it is used again.
    shrinks: bool,
    /// The lock on the file; none for a database in memory, and once closed.
    lock: Mutex<Option<File>>,
}

/// What the writer remembers between two commits. The database holds all of it.
#[derive(Debug)]
struct Journal {
    absences: Absences,
    /// The last sign of life before this store was opened; none once something was committed
    /// since.
    last_before_start: Option<Timestamp>,
    /// Nodes as they were last committed. Nobody else writes the file, so what is here need not
    /// be read; a commit takes out what it touches and puts it back when it has succeeded.
    nodes: FxHashMap<NodeId, Node>,
    recent: Recent,
}

impl SqliteStore {
    /// Opens the database in this file, which is created if the directory is there.
    pub(super) async fn open(path: &Path, forget_after: Duration) -> Result<Self, StoreError> {
        let path = &real(path);
        let lock = lock(path)?;
        let failed = |error: sqlx::Error| StoreError::Open {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .disable_statement_logging();
        let mut writing = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledgement is a promise: a commit is on disk, not only in the page cache.
            .synchronous(SqliteSynchronous::Full)
            // Kibibytes, when negative.
            .pragma("cache_size", "-32000")
            .pragma("wal_autocheckpoint", checkpoint::TOO_MANY)
            .pragma("temp_store", "MEMORY");
        // Another file keeps what it has, and to be told again it would wait for who writes it.
        if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
            writing = writing.auto_vacuum(SqliteAutoVacuum::Incremental);
        }
        let writer = only_connection(writing).await.map_err(failed)?;
        migrations::run(&writer, &path.display().to_string()).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        let inode = std::fs::metadata(path).ok().map(|file| file.ino());
        let file = inode.map(|inode| (path.to_owned(), inode));
        let store = Self::start(writer, readers, forget_after).await?;
        Ok(Self { file, lock: Mutex::new(Some(lock)), ..store })
    }

    /// A database that is gone when it is closed. Its one connection reads as well.
    pub(super) async fn in_memory(forget_after: Duration) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        let only = only_connection(options).await.map_err(failed)?;
        migrations::run(&only, ":memory:").await?;
        Self::start(only.clone(), only, forget_after).await
    }

    async fn start(
        writer: SqlitePool,
        readers: SqlitePool,
        forget_after: Duration,
    ) -> Result<Self, StoreError> {
        let spans =
            sqlx::query("SELECT began_at, ended_at FROM absences ORDER BY ended_at DESC LIMIT 100")
                .fetch_all(&readers)
                .await
                .map_err(failed)?;
        let spans = spans.iter().rev().map(|row| {
            let mut columns = Columns::of(row);
            Ok(Absence { began: columns.timestamp()?, ended: columns.timestamp()? })
        });
        // The end of an absence is a sign of life too: what came then may have been copies only.
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(time) FROM (SELECT max(received_at) AS time FROM packets \
             UNION ALL SELECT max(ended_at) FROM absences)",
        )
        .fetch_one(&readers)
        .await
        .map_err(failed)?;
        let vacuum = sqlx::query_scalar::<_, i64>("PRAGMA auto_vacuum").fetch_one(&writer);
        let shrinks = vacuum.await.map_err(failed)? == 2;
        let last = last.map(Timestamp::from_millis);
        let journal = Journal {
            absences: Absences::new(spans.collect::<Result<_, StoreError>>()?),
            last_before_start: last,
            nodes: FxHashMap::default(),
            recent: Recent::beside(last),
        };
        Ok(Self {
            writer,
            readers,
            file: None,
            forget_after,
            journal: journal.into(),
            shrinks,
            lock: Mutex::new(None),
        })
    }
}

impl SqliteStore {
    /// Ends the use of the writing connection, with what came of it.
    ///
    /// After a failure `SQLite` may have rolled back by itself, which the driver does not see: it
    /// would think itself inside a transaction for ever. A new connection knows better. That of a
    /// database in memory is all there is of it.
    async fn give_back<T, E>(
        &self,
        connection: PoolConnection<Sqlite>,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        if outcome.is_err() && self.file.is_some() {
            drop(connection.close().await);
        }
        outcome
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        self.commit_batch(batch).await
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        checkpoint::empty_log(&self.writer).await
    }

    async fn quarantine(&self, report: &Report, reason: &str) -> Result<bool, StoreError> {
        self.set_aside(report, reason).await
    }

    async fn load(&self, since: Timestamp, messages: u32) -> Result<Loaded, StoreError> {
        let nodes = read::heard_since(&self.readers, since).await?;
        let mut messages = match messages {
            0 => Vec::new(),
            _ => read::page(&self.readers, history::newest_messages(messages)).await?.records,
        };
        messages.reverse();
        Ok(Loaded { nodes, messages })
    }

    async fn leave(&self, left: &Continuation) -> Result<(), StoreError> {
        continuation::put(&self.writer, left).await
    }

    async fn take_left(&self) -> Result<Option<Continuation>, StoreError> {
        continuation::take(&self.writer).await
    }

    async fn positions(&self, query: &HistoryQuery) -> Result<Page<Position>, StoreError> {
        read::page(&self.readers, history::positions(query)).await
    }

    async fn telemetry(&self, query: &HistoryQuery) -> Result<Page<TelemetryRow>, StoreError> {
        read::page(&self.readers, history::telemetry(query)).await
    }

    async fn messages(&self, query: &HistoryQuery) -> Result<Page<Message>, StoreError> {
        read::page(&self.readers, history::messages(query)).await
    }

    async fn links(&self, query: &HistoryQuery) -> Result<Page<LinkRow>, StoreError> {
        read::page(&self.readers, history::links(query)).await
    }

    async fn visits(&self, query: &PlaceQuery) -> Result<Page<Visit>, StoreError> {
        within::visits(&self.readers, query).await
    }

    async fn heard(&self, node: &NodeId, most: u32) -> Result<Vec<HeardPacket>, StoreError> {
        analysis::heard_of(&self.readers, node, most).await
    }

    async fn hearing(&self, window: Window) -> Result<Hearing, StoreError> {
        analysis::hearing(&self.readers, window).await
    }

    async fn totals(&self, window: Window, bucket_ms: i64) -> Result<Vec<Total>, StoreError> {
        analysis::totals(&self.readers, window, bucket_ms).await
    }

    async fn sweep(&self, keep: &Keep, now: Timestamp, rows: u32) -> Result<Swept, StoreError> {
        self.step(keep, now, rows.max(1)).await
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        self.measure().await
    }

    fn access(&self) -> Arc<dyn AccessStore> {
        Arc::new(access::SqliteAccess(self.writer.clone()))
    }

    async fn check(&self) -> Result<(), StoreError> {
        if let Some((path, inode)) = &self.file
            && !tokio::fs::metadata(path).await.is_ok_and(|file| file.ino() == *inode)
        {
            let reason = format!("the file {} was removed or replaced", path.display());
            return Err(StoreError::Unavailable(reason));
        }
        let schema = sqlx::query_scalar::<_, i64>("PRAGMA schema_version");
        schema.fetch_one(&self.readers).await.map(drop).map_err(failed)
    }

    async fn close(&self) {
        // The last connection to go takes the write-ahead log with it: that must be the writer.
        self.readers.close().await;
        self.writer.close().await;
        drop(self.lock.lock().map(|mut lock| lock.take()));
    }
}

/// The version of the schema in this file, none without one, and what is to be run.
pub(super) async fn to_migrate(path: &Path) -> Result<(Option<i64>, Vec<String>), StoreError> {
    let schema = if path.exists() {
        let mut connection = reading::open(path).await?;
        migrations::schema(&mut connection).await.map_err(failed)?
    } else {
        Schema::none(migrations::MIGRATIONS)
    };
    match schema.trouble {
        None => Ok((schema.version, schema.pending)),
        Some(reason) => Err(StoreError::Open { path: path.display().to_string(), reason }),
    }
}

/// A pool of one connection that lives as long as the pool.
async fn only_connection(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { index, source } => {
            StoreError::Corrupt { what: "column", value: format!("{index}: {source}") }
        }
        sqlx::Error::Database(error) if is_about_a_value(&*error) => {
            StoreError::Rejected(error.message().to_owned())
        }
        sqlx::Error::Encode(error) => StoreError::Rejected(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

/// Whether an error is about what a statement was given, and not about the database.
fn is_about_a_value(error: &dyn DatabaseError) -> bool {
    const TOO_BIG: u8 = 18;
    // What a trigger raises is a constraint, too.
    const CONSTRAINT: u8 = 19;
    const MISMATCH: u8 = 20;
    let extended = error.code().and_then(|code| code.parse::<i32>().ok());
    // The kind of a result code is its lowest byte.
    let kind = extended.map(|code| code.to_le_bytes()[0]);
    kind.is_some_and(|kind| matches!(kind, TOO_BIG | CONSTRAINT | MISMATCH))
}
