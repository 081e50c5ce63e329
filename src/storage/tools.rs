//! What is done to a database by hand, beside a running server or without one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{AccessStore, Checkup, Erasure, Place, StoreError, open, postgres, sqlite};
use crate::domain::{
    NodeId, Timestamp,
    policy::{Left, Why},
};

/// Rows of each table that are removed in one step.
const ROWS: u32 = 1000;

/// What bringing the schema up to date did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; none where there was no database.
    pub version: Option<i64>,
    /// The migrations, in order.
    pub migrations: Vec<String>,
    /// Whether they were run.
    pub done: bool,
}

/// A copy of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// How many rows each table has, where the copy says it.
    pub rows: Vec<(String, u64)>,
}

/// Looks through the database of this URL without changing it.
pub async fn check_up(url: &str) -> Result<Checkup, StoreError> {
    match Place::of(url)? {
        Place::Memory => Err(nothing_to_keep()),
        Place::File(path) => sqlite::check_up(&path).await,
        Place::Postgres => postgres::check_up(url).await,
    }
}

/// Brings the schema of the database of this URL up to date; with `dry_run`, says what that would
/// run.
pub async fn migrate(url: &str, dry_run: bool) -> Result<Migrated, StoreError> {
    let (version, migrations) = match Place::of(url)? {
        Place::Memory => return Err(nothing_to_keep()),
        Place::File(path) => sqlite::to_migrate(&path).await?,
        Place::Postgres => postgres::to_migrate(url).await?,
    };
    if !dry_run {
        // As the server does at its start.
        open(url, Duration::MAX).await?.close().await;
    }
    Ok(Migrated { version, migrations, done: !dry_run })
}

/// Copies the database of this URL into a file that is not there yet, as of one moment. A server
/// may go on meanwhile.
pub async fn back_up(url: &str, file: &Path) -> Result<Copied, StoreError> {
    match Place::of(url)? {
        Place::Memory => Err(nothing_to_keep()),
        Place::File(path) => sqlite::back_up(&path, file).await,
        Place::Postgres => postgres::back_up(url, file).await,
    }
}

/// Who may see and do what in the database of this URL. Its schema is brought up to date first
/// where it has to be, as the server does at its start.
pub(super) async fn access(url: &str) -> Result<Arc<dyn AccessStore>, StoreError> {
    let place = Place::of(url)?;
    if place == Place::Memory {
        return Err(nothing_to_keep());
    }
    if !migrate(url, true).await?.migrations.is_empty() {
        migrate(url, false).await?;
    }
    Ok(match place {
        Place::Memory => return Err(nothing_to_keep()),
        Place::File(path) => Arc::new(sqlite::beside_a_server(&path).await?),
        Place::Postgres => Arc::new(postgres::beside_a_server(url)?),
    })
}

/// Removes a node from the database of this URL, and keeps it out. Where a server works on a file,
/// it is the server that removes; this waits for it.
pub async fn forget(url: &str, node: &NodeId, now: Timestamp) -> Result<(), StoreError> {
    let left = Left { why: Why::Forgotten, since: now };
    if let Some(path) = beside_a_server(url)? {
        return sqlite::ask_to_forget(&path, node, left).await;
    }
    let store = open(url, Duration::MAX).await?;
    let work = async {
        store.keep_out(node, left).await?;
        let mut from = Erasure::default();
        while let Some(next) = store.erase(node, from, ROWS).await? {
            from = next;
        }
        Ok(())
    };
    let outcome = work.await;
    store.close().await;
    outcome
}

/// Lets a node in again in the database of this URL; says whether it was kept out.
pub async fn let_in(url: &str, node: &NodeId) -> Result<bool, StoreError> {
    if let Some(path) = beside_a_server(url)? {
        return sqlite::ask_to_let_in(&path, node).await;
    }
    let store = open(url, Duration::MAX).await?;
    let outcome = store.let_in(node).await;
    store.close().await;
    outcome
}

/// The file, if the database is one that a server works on.
fn beside_a_server(url: &str) -> Result<Option<PathBuf>, StoreError> {
    match Place::of(url)? {
        Place::Memory => Err(nothing_to_keep()),
        Place::File(path) if !path.exists() => {
            let reason = "there is no such file".to_owned();
            Err(StoreError::Open { path: path.display().to_string(), reason })
        }
        Place::File(path) => Ok(sqlite::is_in_use(&path).then(|| path.clone())),
        Place::Postgres => Ok(None),
    }
}

fn nothing_to_keep() -> StoreError {
    StoreError::UnsupportedUrl("a database in memory is gone when it is closed".to_owned())
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "the schema is at version {version}; ")?,
            None => write!(f, "there is no schema yet; ")?,
        }
        let names = self.migrations.join(", ");
        match (names.as_str(), self.done) {
            ("", _) => write!(f, "nothing to run"),
            (names, true) => write!(f, "ran {names}"),
            (names, false) => write!(f, "would run {names}"),
        }
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes)?;
        self.rows.iter().try_for_each(|(table, rows)| write!(f, ", {rows} {table}"))
    }
}
