//! One batch, one transaction, beside those of other servers on the same database.

use std::{
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use rustc_hash::FxHasher;
use sqlx::{Connection as _, PgConnection};

use super::{
    PostgresStore,
    connection::{failed, hang_up, unavailable},
    insert::insert,
    journal::{Doubt, Journal, LOCKS, be_present, end_absence},
    read,
};
use crate::{
    domain::{Filed, Report, Timestamp},
    storage::{
        StoreError,
        filing::{self, Absences, Filing},
        sql::{
            columns::Columns,
            nodes::Touched,
            rows::{Histories, PacketRow, ReceptionRow, Row, Unbindable, Values},
        },
    },
};

/// Waits until no other server writes packets of any of these senders. They are waited for in
/// order, so that no two servers wait for each other. Until the end of the transaction.
const LOCK: &str = "\
    SELECT pg_advisory_xact_lock($1, slot) FROM ( \
        SELECT DISTINCT hashtext(sender) & 255 AS slot FROM unnest($2::text[]) AS sender \
        ORDER BY slot) AS slots";

/// Packets that a report of the batch may be a further copy of, and whether its gateway's copy is
/// stored. Parameters: the reports, column by column, and the span in which first copies count.
///
/// What is lateral and has an offset is asked once for each report, by key. Otherwise a plan that
/// was made while there were few packets would go through all of them for the whole batch.
pub(super) const KNOWN: &str = "\
    SELECT reports.nth - 1, packets.id, packets.received_at, receptions.packet IS NOT NULL \
    FROM unnest($1::text[], $2::int8[], $3::text[], $4::text[]) \
        WITH ORDINALITY AS reports (sender, packet_id, gateway, network, nth) \
    CROSS JOIN LATERAL ( \
        SELECT id, received_at FROM packets \
        WHERE sender = reports.sender AND packet_id = reports.packet_id \
            AND received_at BETWEEN $5 AND $6 AND network = reports.network \
        OFFSET 0) AS packets \
    LEFT JOIN LATERAL ( \
        SELECT packet FROM receptions \
        WHERE packet = packets.id AND gateway = reports.gateway \
            AND received_at = packets.received_at AND received_at BETWEEN $5 AND $6 \
        OFFSET 0) AS receptions ON true";

/// Says that this run commits, and takes as many rows for packets as there can be new ones.
const ANNOUNCE: &str = "\
    WITH run AS (INSERT INTO writers (id, commits) VALUES ($1, $2) \
        ON CONFLICT (id) DO UPDATE SET commits = excluded.commits) \
    SELECT array_agg(nextval('packet_rows')) FROM generate_series(1, $3)";

impl PostgresStore {
    pub(super) async fn commit_batch(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut journal = self.journal.lock().await;
        if journal.is_closed {
            return Err(StoreError::Unavailable("the database is closed".to_owned()));
        }
        // Whatever happens to it meanwhile, a connection that failed is not used again.
        let connection = match journal.connection.take() {
            Some(connection) => Ok(connection),
            None => self.server.within(self.connect_to_write()).await,
        };
        let mut connection = connection?;
        let work = journal.commit(&mut connection, batch, self.forget_after);
        let outcome = self.server.within(work).await;
        match outcome {
            Ok(_) | Err(StoreError::Rejected(_)) => journal.connection = Some(connection),
            Err(_) => hang_up(connection).await,
        }
        outcome
    }

    async fn connect_to_write(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.server.connect().await.map_err(unavailable)?;
        self.server.prepare(&mut connection).await.map_err(unavailable)?;
        be_present(&mut connection).await.map_err(unavailable)?;
        Ok(connection)
    }
}

impl Journal {
    /// Commits `batch`, unless the attempt before did without our knowing.
    async fn commit(
        &mut self,
        connection: &mut PgConnection,
        batch: &[&Report],
        forget_after: Duration,
    ) -> Result<Vec<Filed>, StoreError> {
        self.partitions.make_for(connection, batch).await.map_err(unavailable)?;
        // Whoever waited for a lock must then see what it waited for, whatever the default is.
        let begin = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED");
        let mut transaction = begin.await.map_err(unavailable)?;
        lock(&mut transaction, batch).await.map_err(unavailable)?;
        // Behind the locks: they outlast a commit that is still being made.
        if let Some(filed) = self.resolve(&mut transaction, batch).await? {
            transaction.rollback().await.map_err(failed)?;
            return Ok(filed);
        }
        let absences = match &self.absences {
            Some(absences) => absences.clone(),
            None => end_absence(&mut transaction, first_arrival(batch)).await?,
        };
        self.attempts += 1;
        let rows = self.announce(&mut transaction, batch).await.map_err(failed)?;
        let mut filing = Filing::new(&absences, rows.into_iter());
        look_up(&mut transaction, batch, &absences, &mut filing).await?;
        let filed = self.write(&mut transaction, batch, filing, forget_after).await?;
        let doubt = Doubt { attempt: self.attempts, batch: hash(batch), filed };
        let filed = self.doubt.insert(doubt).filed.clone();
        transaction.commit().await.map_err(failed)?;
        self.doubt = None;
        self.absences = Some(absences);
        Ok(filed)
    }

    /// What was said of this batch, if the transaction in doubt stored it.
    async fn resolve(
        &mut self,
        connection: &mut PgConnection,
        batch: &[&Report],
    ) -> Result<Option<Vec<Filed>>, StoreError> {
        let Some(doubt) = &self.doubt else { return Ok(None) };
        let committed: Option<i64> =
            sqlx::query_scalar("SELECT commits FROM writers WHERE id = $1")
                .bind(self.writer)
                .fetch_optional(connection)
                .await
                .map_err(failed)?;
        let is_committed = committed == Some(doubt.attempt) && doubt.batch == hash(batch);
        Ok(self.doubt.take().filter(|_| is_committed).map(|doubt| doubt.filed))
    }

    async fn announce(
        &self,
        connection: &mut PgConnection,
        batch: &[&Report],
    ) -> Result<Vec<i64>, sqlx::Error> {
        sqlx::query_scalar(ANNOUNCE)
            .bind(self.writer)
            .bind(self.attempts)
            .bind(i64::try_from(batch.len()).unwrap_or(i64::MAX))
            .fetch_one(connection)
            .await
    }

    async fn write<'a>(
        &self,
        connection: &mut PgConnection,
        batch: &[&'a Report],
        mut filing: Filing<'a, impl Iterator<Item = i64>>,
        forget_after: Duration,
    ) -> Result<Vec<Filed>, StoreError> {
        let mut filed = Vec::with_capacity(batch.len());
        let mut packets = Vec::with_capacity(batch.len());
        let mut receptions = Vec::with_capacity(batch.len());
        for &report in batch {
            let entry = filing.file(report);
            filed.push(entry.filed);
            if entry.filed == Filed::Packet {
                packets.push(PacketRow { row: entry.row, report });
            }
            if entry.filed != Filed::Duplicate {
                let copy = ReceptionRow { packet: entry.row, reception: &report.reception };
                receptions.push(FiledReceptionRow { copy, received_at: entry.received_at });
            }
        }
        insert(connection, &packets).await.map_err(failed)?;
        insert(connection, &receptions).await.map_err(failed)?;
        let Histories { positions, readings, messages, links } = Histories::of(&packets);
        insert(connection, &positions).await.map_err(failed)?;
        insert(connection, &readings).await.map_err(failed)?;
        insert(connection, &messages).await.map_err(failed)?;
        insert(connection, &links).await.map_err(failed)?;
        let new: Vec<_> = packets.iter().map(|packet| packet.report).collect();
        let Some(newest) = new.iter().map(|report| report.reception.arrived).max() else {
            return Ok(filed);
        };
        let nodes = read::merged(connection, Touched::by(new), forget_after).await?;
        insert(connection, &nodes).await.map_err(failed)?;
        self.sign_of_life(connection, newest).await.map_err(failed)?;
        Ok(filed)
    }

    async fn sign_of_life(
        &self,
        connection: &mut PgConnection,
        newest: Timestamp,
    ) -> Result<(), sqlx::Error> {
        // Greatest passes over NULL.
        const SQL: &str =
            "UPDATE writers SET last_packet = greatest(last_packet, $2) WHERE id = $1";
        let query = sqlx::query(SQL).bind(self.writer).bind(newest.as_millis());
        query.execute(connection).await.map(drop)
    }
}

async fn lock(connection: &mut PgConnection, batch: &[&Report]) -> Result<(), sqlx::Error> {
    // A packet may speak of another node than its sender: the states are guarded, too.
    let named = batch.iter().flat_map(|report| [&report.packet.key.sender, &report.patch.node]);
    let mut senders: Vec<String> = named.map(ToString::to_string).collect();
    senders.sort_unstable();
    senders.dedup();
    sqlx::query(LOCK).bind(LOCKS).bind(senders).execute(connection).await.map(drop)
}

/// Asks for all reports at once what is stored of them.
async fn look_up<'a, R: Iterator<Item = i64>>(
    connection: &mut PgConnection,
    batch: &[&'a Report],
    absences: &Absences,
    filing: &mut Filing<'a, R>,
) -> Result<(), StoreError> {
    let keys = || batch.iter().map(|report| &report.packet.key);
    let (earliest, latest) = filing::span(absences, batch);
    let known = sqlx::query(KNOWN)
        .bind(keys().map(|key| key.sender.to_string()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.id.cast_signed()).collect::<Vec<_>>())
        .bind(batch.iter().map(|report| report.reception.gateway.to_string()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.network.name()).collect::<Vec<_>>())
        .bind(earliest.as_millis())
        .bind(latest.as_millis())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    for row in &known {
        let mut columns = Columns::of(row);
        let at: usize = columns.integer()?;
        let (row, received_at, copy) = (columns.integer()?, columns.timestamp()?, columns.flag()?);
        filing.found(batch[at], row, received_at, copy);
    }
    Ok(())
}

fn first_arrival(batch: &[&Report]) -> Timestamp {
    batch.first().map(|report| report.reception.arrived).unwrap_or_default()
}

/// Tells batches apart, as far as 64 bits can.
fn hash(batch: &[&Report]) -> u64 {
    let mut hasher = FxHasher::default();
    for Report { packet, reception, .. } in batch {
        (&packet.key, &reception.gateway, reception.arrived).hash(&mut hasher);
    }
    hasher.finish()
}

/// A copy of a packet, on the day of that packet.
struct FiledReceptionRow<'a> {
    copy: ReceptionRow<'a>,
    received_at: Timestamp,
}

impl Row for FiledReceptionRow<'_> {
    const TABLE: &'static str = "receptions";
    const COLUMNS: &'static str =
        "received_at, packet, gateway, arrived, snr_db, rssi_dbm, hop_start, hop_limit";

    fn put(&self, values: &mut impl Values) -> Result<(), Unbindable> {
        values.integer(self.received_at.as_millis())?;
        self.copy.put(values)
    }
}
