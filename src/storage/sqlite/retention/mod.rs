//! Removing history: one step is a small transaction of the one writer.
//!
//! What is to go is found by a reader. Commits only add rows with higher numbers, and nobody else
//! removes any, so what was found is still there when the writer's turn comes. The writer's
//! connection goes to whoever has waited longest, so a commit waits for one step at most.

mod statements;

use sqlx::{Connection as _, SqliteConnection};

use self::statements::{PACKETS, Statements, TABLES, taken_off};
use super::{SqliteStore, failed};
use crate::{
    domain::Timestamp,
    storage::{
        StoreError,
        retention::{Expiry, History, Keep, Reason, Swept},
        sql::columns::Columns,
    },
};

/// Pages that one step gives back to the file system.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(128)";

/// A smaller part of the file than this may stay free, for what comes next.
const FREE_PART: i64 = 10;

/// Absences of which nothing that is stored can be younger.
const TRIM: &str = "DELETE FROM absences WHERE rowid NOT IN \
    (SELECT rowid FROM absences ORDER BY ended_at DESC LIMIT 100)";

/// The packet of a reception so far behind the first one, if it is none after a packet.
const SO_FAR_BEHIND: &str = "SELECT packet FROM receptions WHERE packet <= ?1 \
    ORDER BY packet, gateway LIMIT 1 OFFSET ?2";
const REMOVE_RECEPTIONS: &str = "DELETE FROM receptions WHERE packet <= ?1";

/// Pages of a database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub(super) all: i64,
    pub(super) free: i64,
    pub(super) page_bytes: i64,
}

impl Pages {
    pub(super) fn used_bytes(self) -> u64 {
        u64::try_from((self.all - self.free) * self.page_bytes).unwrap_or(0)
    }

    pub(super) fn total_bytes(self) -> u64 {
        u64::try_from(self.all * self.page_bytes).unwrap_or(0)
    }
}

impl SqliteStore {
    pub(super) async fn step(
        &self,
        keep: &Keep,
        now: Timestamp,
        rows: u32,
    ) -> Result<Swept, StoreError> {
        for table in &TABLES {
            if let Some(age) = keep.age(table.history)
                && let Some(last) = self.last_expired(table, now.minus(age), now, rows).await?
            {
                return self.remove(table, last, rows, Reason::Age).await;
            }
        }
        let pages = self.pages().await?;
        if let Some(ceiling) = keep.database_bytes
            && let Some(excess_bytes) = pages.used_bytes().checked_sub(ceiling + 1)
        {
            return match self.oldest_of_all(now, rows).await? {
                Some((table, last)) => self.remove(table, last, rows, Reason::Size).await,
                None => Ok(Swept { excess_bytes: excess_bytes + 1, ..Swept::default() }),
            };
        }
        let more = self.shrinks && gives_back(pages, keep.database_bytes);
        if more {
            let mut writer = self.writer.acquire().await.map_err(failed)?;
            // Each page is a row.
            sqlx::query(GIVE_BACK).fetch_all(&mut *writer).await.map_err(failed)?;
        }
        Ok(Swept { more, ..Swept::default() })
    }

    pub(super) async fn pages(&self) -> Result<Pages, StoreError> {
        const SQL: &str = "SELECT page_count, freelist_count, page_size \
            FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let row = sqlx::query(SQL).fetch_one(&self.readers).await.map_err(failed)?;
        let mut columns = Columns::of(&row);
        Ok(Pages {
            all: columns.integer()?,
            free: columns.integer()?,
            page_bytes: columns.integer()?,
        })
    }

    /// The last of at most `rows` rows, the oldest of a table, that came before `cutoff`.
    async fn last_expired(
        &self,
        table: &Statements,
        cutoff: Timestamp,
        now: Timestamp,
        rows: u32,
    ) -> Result<Option<i64>, StoreError> {
        let cutoff = match table.history {
            History::Packets => match self.last_copies(now).await? {
                Some(needed) => cutoff.min(needed),
                None => return Ok(None),
            },
            _ => cutoff,
        };
        let expiry = Expiry::new(cutoff, now);
        let oldest = self.oldest(table, rows).await?;
        if let Some(last) = expiry.last_expired(&oldest) {
            return Ok(Some(last));
        }
        // None of them may tell anything; then the next one that does speaks for them.
        let Some((last, _)) = oldest.last() else { return Ok(None) };
        if oldest.iter().any(|(_, came)| *came <= expiry.latest) {
            return Ok(None);
        }
        let came: Option<i64> = sqlx::query_scalar(table.next_telling)
            .bind(last)
            .bind(expiry.latest.as_millis())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        Ok(came.filter(|came| Timestamp::from_millis(*came) < cutoff).map(|_came| *last))
    }

    /// Row numbers of the oldest rows, and when they came.
    async fn oldest(
        &self,
        table: &Statements,
        rows: u32,
    ) -> Result<Vec<(i64, Timestamp)>, StoreError> {
        let oldest = sqlx::query(table.oldest).bind(rows).fetch_all(&self.readers).await;
        let oldest = oldest.map_err(failed)?;
        let oldest = oldest.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok((columns.integer()?, columns.timestamp()?))
        });
        oldest.collect()
    }

    /// Further copies may still come of packets received at this time or later; none if of all of
    /// them. That is reckoned back from the newest packet, as what comes next is no older: it may
    /// have waited for as long as the database did not answer, or the server did not run.
    async fn last_copies(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "SELECT max(received_at) FROM packets WHERE received_at <= ?1";
        let newest: Option<i64> = sqlx::query_scalar(SQL)
            .bind(now.as_millis())
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        let journal = self.journal.lock().await;
        let newest = newest.map(Timestamp::from_millis);
        Ok(newest.map(|newest| journal.absences.window_before(newest, newest)))
    }

    /// The table with the oldest row of all that may be removed, and the last of its oldest rows.
    async fn oldest_of_all(
        &self,
        now: Timestamp,
        rows: u32,
    ) -> Result<Option<(&'static Statements, i64)>, StoreError> {
        const { assert!(matches!(TABLES[0].history, History::Packets), "they go first") }
        let mut oldest: Option<(i64, &Statements, i64)> = None;
        for table in &TABLES {
            let head: Option<i64> = sqlx::query_scalar(table.head)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed)?;
            let Some(head) = head else { continue };
            if oldest.as_ref().is_some_and(|(least, ..)| *least <= head) {
                continue;
            }
            let last = match table.history {
                History::Packets => self.last_expired(table, now, now, rows).await?,
                _ => self.oldest(table, rows).await?.last().map(|(row, _)| *row),
            };
            oldest = last.map(|last| (head, table, last)).or(oldest);
        }
        Ok(oldest.map(|(_, table, last)| (table, last)))
    }

    /// Removes the rows of a table up to `last`, of receptions about as many as `rows`.
    async fn remove(
        &self,
        table: &Statements,
        last: i64,
        rows: u32,
        reason: Reason,
    ) -> Result<Swept, StoreError> {
        if matches!(table.history, History::Packets) {
            self.journal.lock().await.recent.forget_until(last);
        }
        let mut writer = self.writer.acquire().await.map_err(failed)?;
        let removed = removal(&mut writer, table, last, rows.into()).await;
        let removed = self.give_back(writer, removed).await.map_err(failed)?.into_iter();
        let removed = removed.filter(|(_, rows)| *rows > 0);
        Ok(Swept {
            removed: removed.map(|(history, rows)| (history, reason, rows)).collect(),
            more: true,
            excess_bytes: 0,
        })
    }
}

/// Whether pages are free that belong to the file system.
fn gives_back(pages: Pages, ceiling: Option<u64>) -> bool {
    let too_large = ceiling.is_some_and(|ceiling| pages.total_bytes() > ceiling);
    pages.free > if too_large { 0 } else { (pages.all / FREE_PART).max(1000) }
}

async fn removal(
    connection: &mut SqliteConnection,
    table: &Statements,
    last: i64,
    most: i64,
) -> Result<Vec<(History, u64)>, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let removed = match table.history {
        History::Packets => packets(&mut transaction, last, most).await?,
        history => {
            let removal = sqlx::query(table.remove).bind(last).execute(&mut *transaction).await?;
            vec![(history, removal.rows_affected())]
        }
    };
    for (history, rows) in &removed {
        let rows = i64::try_from(*rows).unwrap_or(i64::MAX);
        sqlx::query(taken_off(*history)).bind(rows).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(removed)
}

/// Removes packets up to `last` with their receptions: as many as have so many together, but one
/// at least.
async fn packets(
    connection: &mut SqliteConnection,
    last: i64,
    most: i64,
) -> Result<Vec<(History, u64)>, sqlx::Error> {
    let beyond: Option<i64> = sqlx::query_scalar(SO_FAR_BEHIND)
        .bind(last)
        .bind(most)
        .fetch_optional(&mut *connection)
        .await?;
    let first: Option<i64> =
        sqlx::query_scalar(PACKETS.head).fetch_optional(&mut *connection).await?;
    let last = beyond.map_or(last, |beyond| (beyond - 1).max(first.unwrap_or(beyond)));
    let receptions = sqlx::query(REMOVE_RECEPTIONS).bind(last).execute(&mut *connection).await?;
    let packets = sqlx::query(PACKETS.remove).bind(last).execute(&mut *connection).await?;
    sqlx::query(TRIM).execute(connection).await?;
    Ok(vec![
        (History::Receptions, receptions.rows_affected()),
        (History::Packets, packets.rows_affected()),
    ])
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Duration};

    use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteRow};

    use super::*;
    use crate::{
        domain::NodeId,
        storage::{
            HistoryQuery, Store as _,
            sql::{history, visits},
            sqlite::commit::tests::report,
        },
    };

    const ALL: Keep = Keep {
        packets: Some(Duration::ZERO),
        positions: Some(Duration::ZERO),
        telemetry: Some(Duration::ZERO),
        messages: Some(Duration::ZERO),
        links: Some(Duration::ZERO),
        database_bytes: None,
    };

    async fn with_old_positions() -> SqliteStore {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        let fill = "INSERT INTO positions \
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
            SELECT i, '!00000001', i, i, 1, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM n";
        sqlx::query(fill).execute(&store.writer).await.unwrap();
        store
    }

    #[tokio::test]
    async fn whoever_waits_for_the_writer_goes_before_the_next_step() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("geocast.db");
        let store = SqliteStore::open(&path, Duration::MAX).await.unwrap();
        let reports = [report(1)];
        let batch: Vec<_> = reports.iter().collect();
        let now = Timestamp::from_millis(1);
        let order = RefCell::new(Vec::new());
        // What a step under way holds.
        let held = store.writer.acquire().await.unwrap();
        let commit = async {
            store.commit(&batch).await.unwrap();
            order.borrow_mut().push("commit");
        };
        let step = async {
            store.remove(&PACKETS, 0, 10, Reason::Age).await.unwrap();
            order.borrow_mut().push("step");
        };
        let release = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        // Each begins to wait in this order.
        let _all = tokio::join!(biased; commit, step, release);
        assert_eq!(*order.borrow(), ["commit", "step"]);
        assert_eq!(store.step(&ALL, now, 10).await.unwrap().removed, []);
    }

    #[tokio::test]
    async fn rows_of_a_clock_that_was_ahead_go_once_what_followed_them_does() {
        let store = with_old_positions().await;
        let ahead = "UPDATE positions SET heard = 9000000000000 WHERE packet <= 100";
        sqlx::query(ahead).execute(&store.writer).await.unwrap();
        let keep =
            |millis| Keep { positions: Some(Duration::from_millis(millis)), ..Keep::default() };
        let now = Timestamp::from_millis(1000);
        // Row 101 was heard at 101, which is not too old yet.
        assert_eq!(store.step(&keep(899), now, 10).await.unwrap(), Swept::default());
        let swept = store.step(&keep(898), now, 10).await.unwrap();
        assert_eq!(swept.removed, [(History::Positions, Reason::Age, 10)]);
        let all = "UPDATE positions SET heard = 9000000000000";
        sqlx::query(all).execute(&store.writer).await.unwrap();
        assert_eq!(store.step(&keep(0), now, 10).await.unwrap(), Swept::default());
    }

    /// The steps of the plan for a statement.
    async fn plan(store: &SqliteStore, sql: &str) -> Vec<String> {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(explain).fetch_all(&store.readers).await.unwrap();
        steps.iter().map(|step| step.get(3)).collect()
    }

    #[tokio::test]
    async fn every_question_is_answered_by_an_index() {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        let mut questions = vec![visits::END, visits::VISITS, visits::VISITS_ACROSS];
        for node in [None, Some(NodeId::Radio(1))] {
            let query = HistoryQuery { node, from: None, to: None, limit: 1, cursor: None };
            questions.extend([
                history::positions::<SqliteRow>(&query).unwrap().sql,
                history::telemetry::<SqliteRow>(&query).unwrap().sql,
                history::messages::<SqliteRow>(&query).unwrap().sql,
                history::links::<SqliteRow>(&query).unwrap().sql,
            ]);
        }
        for sql in questions {
            let plan = plan(&store, sql).await;
            let histories = History::ALL.map(History::name);
            let reads = plan.iter().filter(|step| histories.iter().any(|name| step.contains(name)));
            let reads: Vec<_> = reads.collect();
            assert!(!reads.is_empty(), "{sql} has the plan {plan:?}");
            let indexed = |step: &&String| step.starts_with("SEARCH") && step.contains("time");
            assert!(reads.iter().all(indexed), "{sql} has the plan {plan:?}");
        }
    }

    #[tokio::test]
    async fn a_step_reads_what_it_removes_and_no_more() {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        let of_tables = TABLES.iter().flat_map(|table| [table.oldest, table.head, table.remove]);
        for sql in [SO_FAR_BEHIND, REMOVE_RECEPTIONS].into_iter().chain(of_tables) {
            for step in plan(&store, sql).await {
                // The first few in the order of the numbers are no reading of all.
                let by_number = sql.contains("LIMIT") && !step.contains("TEMP B-TREE");
                assert!(step.starts_with("SEARCH") || by_number, "{sql} has the step {step}");
            }
        }
    }
}
