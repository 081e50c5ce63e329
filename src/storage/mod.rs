//! Storage: what was acknowledged is on disk.

mod access;
mod analysis;
mod checkup;
mod continuation;
mod draft;
mod filing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lag;
mod metrics;
mod opening;
mod pace;
mod place;
mod postgres;
mod quarantine;
mod recent;
mod retention;
mod sql;
mod sqlite;
mod tools;
mod withhold;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::{
    Bounds, Commit, Continuation, Filed, LinkObservation, Message, Metric, Node, NodeId, Position,
    Report, Timestamp,
};

use place::Place;

pub use access::{
    AccessStore, Deed, Hash, MadeToken, Session, Share, TOKEN_PREFIX, Token, TokenList, hash_of,
    make_token, random_bytes, revoke_token, rotate_share_key, tokens,
};
pub use analysis::{HeardOf, Hearing, SignalCount, SignalKind, Spread, Total, Window};
pub use checkup::{Checkup, Quarantined};
pub use lag::Lag;
pub use metrics::Metrics;
pub use opening::Patience;
pub use retention::{History, Keep, Keeper, Reason, RetentionMetrics, Sizes, Swept, TableSize};
pub use tools::{Copied, Migrated, back_up, check_up, forget, let_in, migrate};
pub use withhold::{Erasure, KeptOutRow, Reapplied, Removal, Withhold};
pub use writer::{Job, Outcome, Settle, Writer};

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, opened, read or written now; trying again may help.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database is well and refuses what it was given, for what that says; trying again does
    /// not help.
    #[error("the database refuses it: {0}")]
    Rejected(String),
    /// The database holds what this program cannot read.
    #[error("database holds an unreadable {what}: {value}")]
    Corrupt {
        /// What kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// There is a database, or a place for one, but it cannot be used; trying again does not help.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// Where it is.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// The copy cannot be made.
    #[error("cannot write the backup {path}: {reason}")]
    Backup {
        /// Where it was to be.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// The URL names no database that this program can use. The message never repeats the URL,
    /// which may hold a password.
    #[error(
        "not a usable database URL ({0}): write sqlite:PATH, sqlite::memory: or postgres://..."
    )]
    UnsupportedUrl(String),
    /// The cursor was not made by this store.
    #[error("not a cursor that this server gave")]
    InvalidCursor,
}

/// What is told of a commit, and when it began or was made.
pub type Committed = (tokio::time::Instant, Commit);

/// Nodes and recent messages as the world starts with them, the oldest first.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The latest state of every node heard since, by last heard.
    pub nodes: Vec<Node>,
    /// The newest messages, by time.
    pub messages: Vec<Message>,
}

/// Which part of a history is wanted: newest first, a page at a time.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only of this node.
    pub node: Option<NodeId>,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
    /// At most this many records.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which positions are wanted, of whichever node: newest first, a page at a time.
#[derive(Clone, Debug)]
pub struct PlaceQuery {
    /// Only in this rectangle.
    pub bounds: Bounds,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
    /// At most this many records.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A node was at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Who.
    pub node: NodeId,
    /// Where and when.
    pub position: Position,
    /// The row of the packet that said so. No other visit has it.
    pub packet: i64,
}

/// A copy of a packet, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardPacket {
    /// When it came to this server.
    pub time: Timestamp,
    /// Who handed it over.
    pub gateway: NodeId,
    /// The number of its kind.
    pub port: u16,
    /// The name of its channel.
    pub channel: Option<Box<str>>,
}

/// One page of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The records, newest first.
    pub records: Vec<T>,
    /// Where the next page begins; none after the last record.
    pub next: Option<String>,
}

/// The readings of one telemetry packet.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryRow {
    /// Source time of the readings.
    pub time: Timestamp,
    /// What was read.
    pub values: Vec<(Metric, f64)>,
}

/// One observation of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRow {
    /// When it was heard.
    pub time: Timestamp,
    /// What was observed.
    pub link: LinkObservation,
}

/// A database that keeps packets, receptions, histories and the latest state of each node.
///
/// Every implementation passes the same contract (`tests/storage_contract`).
#[async_trait]
pub trait Store: Withhold {
    /// Stores a batch in one transaction, all or nothing, and says of each report what became of
    /// it. Idempotent: a reception stored before is not stored again. The state of a node takes
    /// in the first copy of each packet, in the order of the batch; that of a node silent for as
    /// long as nodes are remembered starts anew, as it does in the world.
    async fn commit(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError>;

    /// Does what commits put off. Best called after one, when nobody waits for the next.
    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Sets a report aside that [`commit`](Self::commit) rejects, with the reason, and says
    /// whether nothing of its packet was there before. Idempotent: the same copy is kept once.
    /// What is set aside is limited in number and size; the oldest go.
    async fn quarantine(&self, report: &Report, reason: &str) -> Result<bool, StoreError>;

    /// The nodes heard at or after `since`, and the newest `messages` messages.
    async fn load(&self, since: Timestamp, messages: u32) -> Result<Loaded, StoreError>;

    /// Keeps what this run leaves for the next one.
    async fn leave(&self, left: &Continuation) -> Result<(), StoreError>;

    /// Takes out what the last run left: nobody gets it twice. None if that run left nothing, or
    /// nothing that can be read.
    async fn take_left(&self) -> Result<Option<Continuation>, StoreError>;

    /// Where a node has been, by source time.
    async fn positions(&self, query: &HistoryQuery) -> Result<Page<Position>, StoreError>;

    /// What a node measured, by source time.
    async fn telemetry(&self, query: &HistoryQuery) -> Result<Page<TelemetryRow>, StoreError>;

    /// What was said, by time heard.
    async fn messages(&self, query: &HistoryQuery) -> Result<Page<Message>, StoreError>;

    /// Who heard whom, by time heard; of a node, those where it is at either end.
    async fn links(&self, query: &HistoryQuery) -> Result<Page<LinkRow>, StoreError>;

    /// Who was in a rectangle, by source time. What one page looks at is bounded, so a page may
    /// hold fewer records than its limit, or none, and still name a next one.
    async fn visits(&self, query: &PlaceQuery) -> Result<Page<Visit>, StoreError>;

    /// What gateways heard in this time, and how well.
    async fn hearing(&self, window: Window) -> Result<Hearing, StoreError>;

    /// By whom a node was heard, of its newest packets that are stored: so many at most, the newest
    /// first.
    async fn heard(&self, node: &NodeId, most: u32) -> Result<Vec<HeardPacket>, StoreError>;

    /// How much there was in this time, by buckets so many milliseconds wide that begin at whole
    /// multiples of that since 1970: the newest first, those without a packet left out.
    async fn totals(&self, window: Window, bucket_ms: i64) -> Result<Vec<Total>, StoreError>;

    /// Removes some of what is not kept, in one short transaction. Where a commit has to wait for
    /// it, at most `rows` rows of a table go, and the commit goes before the next such step. A packet
    /// and its receptions go together. The state of nodes is not touched.
    async fn sweep(&self, keep: &Keep, now: Timestamp, rows: u32) -> Result<Swept, StoreError>;

    /// How large the histories are. It costs the same however large they are.
    async fn sizes(&self) -> Result<Sizes, StoreError>;

    /// Who may see and do what.
    fn access(&self) -> Arc<dyn AccessStore>;

    /// Whether the database answers.
    async fn check(&self) -> Result<(), StoreError>;

    /// Ends every connection; what was committed is on disk.
    async fn close(&self);
}

/// How a Postgres database may be used. A file needs no such limits.
#[derive(Clone, Copy, Debug)]
pub struct PostgresLimits {
    /// Connections at a time: one writes, the others read.
    pub connections: u32,
    /// How long it may take to answer before it is given up.
    pub timeout: Duration,
}

impl Default for PostgresLimits {
    fn default() -> Self {
        Self { connections: 5, timeout: Duration::from_secs(30) }
    }
}

/// Opens the database of this URL and brings its schema up to date: `sqlite:PATH`,
/// `sqlite://PATH`, or `sqlite::memory:` for one that is gone when it is closed, or
/// `postgres://user:password@host:port/database`. [`StoreError::Unavailable`] says that another
/// attempt may succeed.
pub async fn open(url: &str, forget_after: Duration) -> Result<Arc<dyn Store>, StoreError> {
    open_within(url, forget_after, PostgresLimits::default()).await
}

/// The same, within other limits than the usual ones.
pub async fn open_within(
    url: &str,
    forget_after: Duration,
    limits: PostgresLimits,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match Place::of(url)? {
        Place::Memory => Arc::new(sqlite::SqliteStore::in_memory(forget_after).await?),
        Place::File(path) => Arc::new(sqlite::SqliteStore::open(&path, forget_after).await?),
        Place::Postgres => {
            Arc::new(postgres::PostgresStore::open(url, forget_after, limits).await?)
        }
    })
}
