//! One batch, one transaction, beside those of other servers on the same database.

use std::{
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use rustc_hash::{FxHashSet, FxHasher};
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::join;

use super::{
    PostgresStore,
    additions::{Additions, FiledReceptionRow},
    ahead::ahead,
    connection::{failed, hang_up, unavailable},
    journal::{Doubt, Journal, LOCKS, Memory, STATES, be_present, end_absence},
    read,
};
use crate::{
    domain::{Filed, NodeId, Report, Timestamp},
    storage::{
        StoreError,
        filing::{self, Entry, Filing},
        recent::remember_nodes,
        sql::{
            columns::Columns,
            nodes::Touched,
            rows::{PacketRow, ReceptionRow},
        },
    },
};

/// Waits until nobody takes anything out of the states of nodes, and no other server writes packets
/// of any of these senders. They are waited for in order, so that no two servers wait for each other.
/// Until the end of the transaction.
const LOCK: &str = "\
    WITH states AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared($1, $3)) \
    SELECT pg_advisory_xact_lock($1, slot) FROM states CROSS JOIN ( \
        SELECT DISTINCT hashtext(sender) & 255 AS slot FROM unnest($2::text[]) AS sender \
        ORDER BY slot) AS slots";

/// Packets that reports of the batch may be further copies of, and whose copies are stored.
/// Parameters: the keys, each once, column by column, and the span in which first copies count.
///
/// What is lateral and has an offset is asked once for each key. Otherwise a plan that was made
/// while there were few packets would go through all of them for the whole batch.
pub(super) const KNOWN: &str = "\
    SELECT keys.nth - 1, packets.id, packets.received_at, \
        ARRAY(SELECT gateway FROM receptions WHERE packet = packets.id \
            AND received_at = packets.received_at AND received_at BETWEEN $4 AND $5) \
    FROM unnest($1::text[], $2::int8[], $3::text[]) \
        WITH ORDINALITY AS keys (sender, packet_id, network, nth) \
    CROSS JOIN LATERAL ( \
        SELECT id, received_at FROM packets \
        WHERE sender = keys.sender AND packet_id = keys.packet_id \
            AND received_at BETWEEN $4 AND $5 AND network = keys.network \
        OFFSET 0) AS packets";

/// Says that this run commits, and what came last, and takes as many rows for packets as are new.
/// Greatest passes over NULL.
const ANNOUNCE: &str = "\
    WITH run AS (INSERT INTO writers (id, commits, last_packet) VALUES ($1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET commits = excluded.commits, \
            last_packet = greatest(writers.last_packet, excluded.last_packet)) \
    SELECT coalesce(array_agg(nextval('packet_rows')), '{}') FROM generate_series(1, $4)";

/// New packets are numbered from here until they get their rows: no row is less than 1.
const FIRST_NEW: i64 = i64::MIN;

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
        let mut connection = if let Some(connection) = journal.connection.take() {
            connection
        } else {
            // Another server may answer, which does not hold what the former one did.
            journal.memory = Memory::new();
            self.server.within(self.connect_to_write()).await?
        };
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
        self.memory.look_around(&mut transaction, self.writer).await.map_err(failed)?;
        let mut recent = self.memory.recent.recall(batch);
        let mut filing = Filing::new(&absences, FIRST_NEW..);
        let unknown = recent.tell(batch, &absences, &mut filing);
        if !unknown.is_empty() {
            let span = filing::span(&absences, batch);
            look_up(&mut transaction, &unknown, span, &mut filing).await?;
        }
        let mut entries: Vec<_> = batch.iter().map(|report| filing.file(report)).collect();
        let packets = self.announce(&mut transaction, batch, &mut entries).await?;
        let additions = self.additions(&mut transaction, batch, &entries, packets).await?;
        let (encoding, sending) = ahead();
        let attempt = self.attempts;
        let encoded = async {
            let nodes = additions.encode(encoding, forget_after).await?;
            recent.remember_all(batch, &entries);
            let filed = entries.iter().map(|entry| entry.filed).collect();
            Ok((nodes, Doubt { attempt, batch: hash(batch), filed }))
        };
        let (sent, encoded) = join!(sending.run(&mut transaction), encoded);
        sent.map_err(failed)?;
        let (nodes, doubt) = encoded?;
        let filed = self.doubt.insert(doubt).filed.clone();
        transaction.commit().await.map_err(failed)?;
        self.doubt = None;
        self.absences = Some(absences);
        self.memory.recent = recent;
        remember_nodes(&mut self.memory.nodes, nodes);
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

    /// Gives new packets their rows.
    async fn announce<'a>(
        &self,
        connection: &mut PgConnection,
        batch: &[&'a Report],
        entries: &mut [Entry],
    ) -> Result<Vec<PacketRow<'a>>, StoreError> {
        let filed = batch.iter().zip(&*entries);
        let new = filed.filter(|(_, entry)| entry.filed == Filed::Packet);
        let new: Vec<&Report> = new.map(|(report, _)| *report).collect();
        let newest = new.iter().map(|report| report.reception.arrived).max();
        let rows: Vec<i64> = sqlx::query_scalar(ANNOUNCE)
            .bind(self.writer)
            .bind(self.attempts)
            .bind(newest.map(Timestamp::as_millis))
            .bind(i64::try_from(new.len()).unwrap_or(i64::MAX))
            .fetch_one(connection)
            .await
            .map_err(failed)?;
        for entry in entries {
            let nth = usize::try_from(entry.row.wrapping_sub(FIRST_NEW)).ok();
            entry.row = nth.and_then(|nth| rows.get(nth)).copied().unwrap_or(entry.row);
        }
        Ok(new.into_iter().zip(rows).map(|(report, row)| PacketRow { row, report }).collect())
    }

    /// What the batch adds, now that its packets have rows.
    async fn additions<'a>(
        &mut self,
        connection: &mut PgConnection,
        batch: &[&'a Report],
        entries: &[Entry],
        packets: Vec<PacketRow<'a>>,
    ) -> Result<Additions<'a>, StoreError> {
        let filed = batch.iter().zip(entries);
        let receptions = filed
            .filter(|(_, entry)| entry.filed != Filed::Duplicate)
            .map(|(report, entry)| FiledReceptionRow {
                copy: ReceptionRow { packet: entry.row, reception: &report.reception },
                received_at: entry.received_at,
            })
            .collect();
        let mut touched = Touched::by(packets.iter().map(|packet| packet.report).collect());
        touched.recall(&mut self.memory.nodes);
        let held = read::held(connection, touched.ids()).await?;
        Ok(Additions { packets, receptions, touched, held })
    }
}

async fn lock(connection: &mut PgConnection, batch: &[&Report]) -> Result<(), sqlx::Error> {
    // A packet may speak of another node than its sender: the states are guarded, too.
    let named = batch.iter().flat_map(|report| [&report.packet.key.sender, &report.patch.node]);
    let named: FxHashSet<&NodeId> = named.collect();
    let senders: Vec<String> = named.into_iter().map(ToString::to_string).collect();
    let lock = sqlx::query(LOCK).bind(LOCKS).bind(senders).bind(STATES);
    lock.execute(connection).await.map(drop)
}

/// Asks what is stored of packets, of each of which these are copies, in this span.
async fn look_up<'a, R: Iterator<Item = i64>>(
    connection: &mut PgConnection,
    packets: &[Vec<&'a Report>],
    (earliest, latest): (Timestamp, Timestamp),
    filing: &mut Filing<'a, R>,
) -> Result<(), StoreError> {
    let keys = || packets.iter().filter_map(|copies| copies.first()).map(|one| &one.packet.key);
    let known = sqlx::query(KNOWN)
        .bind(keys().map(|key| key.sender.to_string()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.id.cast_signed()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.network.name()).collect::<Vec<_>>())
        .bind(earliest.as_millis())
        .bind(latest.as_millis())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    for row in &known {
        let gateways: Vec<String> = row.try_get(3).map_err(failed)?;
        let mut columns = Columns::of(row);
        let at: usize = columns.integer()?;
        let (row, received_at) = (columns.integer()?, columns.timestamp()?);
        for report in &packets[at] {
            let gateway = report.reception.gateway.to_string();
            filing.found(report, row, received_at, gateways.contains(&gateway));
        }
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
