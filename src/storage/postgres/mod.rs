//! Postgres: many servers may share one database.

mod access;
mod additions;
mod ahead;
mod analysis;
mod backup;
mod check;
mod commit;
mod connection;
mod continuation;
mod insert;
mod journal;
mod migrations;
mod partitions;
#[cfg(test)]
mod plans;
mod quarantine;
mod read;
mod reapply;
mod retention;
mod sizes;
mod withhold;
mod within;

#[cfg(test)]
#[path = "../../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod database;

pub(super) use self::{
    access::beside_a_server,
    backup::back_up,
    check::{check_up, to_migrate},
};
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection, postgres::PgRow};
use tokio::{sync::Mutex, time::timeout};

use self::{
    connection::{Server, at_open, hang_up, unavailable},
    journal::Journal,
};
use super::{
    AccessStore, HeardPacket, Hearing, HistoryQuery, Keep, LinkRow, Loaded, Page, PlaceQuery,
    PostgresLimits, Sizes, Store, StoreError, Swept, TelemetryRow, Total, Visit, Window,
    sql::history::{self, Question},
};
use crate::domain::{Continuation, Filed, Message, NodeId, Position, Report, Timestamp};

/// The oldest version that is known to work.
const OLDEST_VERSION: i32 = 130_000;

/// How long bringing the schema up to date may take, and ending all connections.
const MIGRATED_WITHIN: Duration = Duration::from_hours(1);
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// A store in a Postgres database.
pub(super) struct PostgresStore {
    server: Server,
    /// The connections for everything but commits.
    pool: PgPool,
    /// A node silent for this long starts anew.
    forget_after: Duration,
    journal: Mutex<Journal>,
}

impl PostgresStore {
    /// Opens the database of this URL and brings its schema up to date.
    pub(super) async fn open(
        url: &str,
        forget_after: Duration,
        limits: PostgresLimits,
    ) -> Result<Self, StoreError> {
        let server = Server::parse(url, limits)?;
        let name = server.name();
        let refused = |error| at_open(error, &name);
        let mut connection = server.connect().await.map_err(refused)?;
        let migrated = timeout(MIGRATED_WITHIN, migrate(&mut connection, &name)).await;
        let migrated = migrated.unwrap_or_else(|_elapsed| {
            Err(StoreError::Unavailable(format!("{name}: the schema was not ready in time")))
        });
        migrated?;
        let begin = async {
            server.prepare(&mut connection).await.map_err(refused)?;
            Journal::begin(&mut connection).await.map_err(refused)
        };
        let mut journal = server.within(begin).await?;
        journal.connection = Some(connection);
        Ok(Self { pool: server.pool(), server, forget_after, journal: journal.into() })
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        match self.pool.acquire().await {
            // The pool does not say why it has no connection at all.
            Err(sqlx::Error::PoolTimedOut) if self.pool.size() == 0 => {
                let connection = self.server.connect().await.map_err(unavailable)?;
                hang_up(connection).await;
                Err(unavailable(sqlx::Error::PoolTimedOut))
            }
            outcome => outcome.map_err(unavailable),
        }
    }

    async fn page<T: Send>(
        &self,
        question: Result<Question<PgRow, T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let question = question?;
        let mut connection = self.connection().await?;
        let page = self.server.within(read::page(&mut connection, &question)).await;
        give_back(connection, page).await
    }
}

/// Ends the use of a connection of the pool. It is not used again unless all went well.
async fn give_back<T>(
    connection: PoolConnection<Postgres>,
    outcome: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if outcome.is_err() {
        hang_up(connection.detach()).await;
    }
    outcome
}

/// Brings the schema up to date, if this is a database that can hold it.
async fn migrate(connection: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    const KIND: &str = "\
        SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
            current_setting('server_encoding')";
    let kind: (i32, String, String) = sqlx::query_as(KIND)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| at_open(error, name))?;
    let refuse = |reason: String| Err(StoreError::Open { path: name.to_owned(), reason });
    match kind {
        (number, version, _) if number < OLDEST_VERSION => {
            refuse(format!("it is PostgreSQL {version}, and 13 or newer is needed"))
        }
        (_, _, encoding) if encoding != "UTF8" => {
            refuse(format!("its encoding is {encoding}, and UTF8 is needed"))
        }
        _ => migrations::run(connection, name).await,
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        self.commit_batch(batch).await
    }

    async fn quarantine(&self, report: &Report, reason: &str) -> Result<bool, StoreError> {
        let mut connection = self.connection().await?;
        let outcome = self.server.within(quarantine::put(&mut connection, report, reason)).await;
        give_back(connection, outcome).await
    }

    async fn load(&self, since: Timestamp, messages: u32) -> Result<Loaded, StoreError> {
        let mut connection = self.connection().await?;
        let nodes = self.server.within(read::heard_since(&mut connection, since)).await;
        let nodes = give_back(connection, nodes).await?;
        let mut messages = match messages {
            0 => Vec::new(),
            _ => self.page(history::newest_messages(messages)).await?.records,
        };
        messages.reverse();
        Ok(Loaded { nodes, messages })
    }

    async fn leave(&self, left: &Continuation) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let outcome = self.server.within(continuation::put(&mut connection, left)).await;
        give_back(connection, outcome).await
    }

    async fn take_left(&self) -> Result<Option<Continuation>, StoreError> {
        let mut connection = self.connection().await?;
        let left = self.server.within(continuation::take(&mut connection)).await;
        give_back(connection, left).await
    }

    async fn positions(&self, query: &HistoryQuery) -> Result<Page<Position>, StoreError> {
        self.page(history::positions(query)).await
    }

    async fn telemetry(&self, query: &HistoryQuery) -> Result<Page<TelemetryRow>, StoreError> {
        self.page(history::telemetry(query)).await
    }

    async fn messages(&self, query: &HistoryQuery) -> Result<Page<Message>, StoreError> {
        self.page(history::messages(query)).await
    }

    async fn links(&self, query: &HistoryQuery) -> Result<Page<LinkRow>, StoreError> {
        self.page(history::links(query)).await
    }

    async fn visits(&self, query: &PlaceQuery) -> Result<Page<Visit>, StoreError> {
        let mut connection = self.connection().await?;
        let page = self.server.within(within::visits(&mut connection, query)).await;
        give_back(connection, page).await
    }

    async fn heard(&self, node: &NodeId, most: u32) -> Result<Vec<HeardPacket>, StoreError> {
        let mut connection = self.connection().await?;
        let heard = self.server.within(analysis::heard_of(&mut connection, node, most)).await;
        give_back(connection, heard).await
    }

    async fn hearing(&self, window: Window) -> Result<Hearing, StoreError> {
        let mut connection = self.connection().await?;
        let hearing = self.server.within(analysis::hearing(&mut connection, window)).await;
        give_back(connection, hearing).await
    }

    async fn totals(&self, window: Window, bucket_ms: i64) -> Result<Vec<Total>, StoreError> {
        let mut connection = self.connection().await?;
        let totals = self.server.within(analysis::totals(&mut connection, window, bucket_ms)).await;
        give_back(connection, totals).await
    }

    async fn sweep(&self, keep: &Keep, now: Timestamp, _rows: u32) -> Result<Swept, StoreError> {
        self.step(keep, now).await
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        self.measure().await
    }

    fn access(&self) -> Arc<dyn AccessStore> {
        Arc::new(access::PostgresAccess { server: self.server.clone(), pool: self.pool.clone() })
    }

    async fn check(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let outcome = self.server.within(connection::check(&mut connection)).await;
        give_back(connection, outcome).await
    }

    async fn close(&self) {
        let mut journal = self.journal.lock().await;
        journal.is_closed = true;
        if let Some(connection) = journal.connection.take() {
            hang_up(connection).await;
        }
        // A connection that nobody answers on is not waited for.
        let _ = timeout(CLOSED_WITHIN, self.pool.close()).await;
    }
}
