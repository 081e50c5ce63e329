//! One batch, one transaction.

use std::{ops::RangeFrom, time::Duration};

use rustc_hash::FxHashMap;
use sqlx::{Connection as _, SqliteConnection};

use super::{SqliteStore, failed, insert::insert, read};
use crate::{
    domain::{Filed, Node, NodeId, Packet, Report},
    storage::{
        StoreError,
        filing::{self, Absence, Absences, Entry, Filing},
        recent::{Recent, remember_nodes},
        sql::{
            columns::{Columns, corrupt},
            nodes::{NodeRow, Touched},
            rows::{Histories, PacketRow, ReceptionRow},
        },
    },
};

/// Packets that reports of the batch may be further copies of, and whose copies are stored.
/// Parameters: the keys as JSON, each once, and the span in which first copies count.
const KNOWN: &str = "\
    SELECT keys.key, packets.id, packets.received_at, \
        (SELECT json_group_array(gateway) FROM receptions WHERE packet = packets.id) \
    FROM json_each(?1) AS keys \
    CROSS JOIN packets ON packets.sender = keys.value ->> 0 \
        AND packets.packet_id = keys.value ->> 1 \
        AND packets.received_at BETWEEN ?2 AND ?3 \
        AND packets.network = keys.value ->> 2";

/// The row that a new packet gets. Histories outlive packets, and a row is never used twice.
const NEXT_ROW: &str = "SELECT 1 + last_row FROM tallies";

/// How many rows each history has, and the last row that a packet got.
const TALLY: &str = "\
    UPDATE tallies SET last_row = max(last_row, ?1), packets = packets + ?2, \
        receptions = receptions + ?3, positions = positions + ?4, telemetry = telemetry + ?5, \
        messages = messages + ?6, links = links + ?7";

impl SqliteStore {
    pub(super) async fn commit_batch(&self, batch: &[&Report]) -> Result<Vec<Filed>, StoreError> {
        let Some(first) = batch.first() else { return Ok(Vec::new()) };
        let mut journal = self.journal.lock().await;
        let absence = journal
            .last_before_start
            .and_then(|last| Absence::between(last, first.reception.arrived));
        let mut absences = journal.absences.clone();
        if let Some(absence) = absence {
            absences.note(absence);
        }
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let mut recent = journal.recent.recall(batch);
        let remembered = &mut journal.nodes;
        let commit = Commit { batch, absences: &absences, absence, recent: &recent, remembered };
        let outcome = commit.run(&mut connection, self.forget_after).await;
        let (entries, nodes) = self.give_back(connection, outcome).await?;
        journal.absences = absences;
        journal.last_before_start = None;
        remember_nodes(&mut journal.nodes, nodes);
        recent.remember_all(batch, &entries);
        journal.recent = recent;
        Ok(entries.into_iter().map(|entry| entry.filed).collect())
    }
}

/// What one transaction works on.
struct Commit<'a> {
    batch: &'a [&'a Report],
    absences: &'a Absences,
    /// The one that ends with this batch.
    absence: Option<Absence>,
    recent: &'a Recent,
    remembered: &'a mut FxHashMap<NodeId, Node>,
}

impl Commit<'_> {
    /// What became of each report, and of the nodes that they are about.
    async fn run(
        self,
        connection: &mut SqliteConnection,
        forget_after: Duration,
    ) -> Result<(Vec<Entry>, Vec<NodeRow>), StoreError> {
        let Self { batch, absences, absence, recent, remembered } = self;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let mut filing = look_up(&mut transaction, batch, absences, recent).await?;
        let mut entries = Vec::with_capacity(batch.len());
        let mut packets = Vec::with_capacity(batch.len());
        let mut receptions = Vec::with_capacity(batch.len());
        for &report in batch {
            let entry = filing.file(report);
            entries.push(entry);
            if entry.filed == Filed::Packet {
                packets.push(PacketRow { row: entry.row, report });
            }
            if entry.filed != Filed::Duplicate {
                receptions.push(ReceptionRow { packet: entry.row, reception: &report.reception });
            }
        }
        if let Some(absence) = absence {
            note(&mut transaction, absence).await.map_err(failed)?;
        }
        write(&mut transaction, &packets, &receptions).await.map_err(failed)?;
        let mut nodes = Vec::new();
        if !packets.is_empty() {
            let mut touched = Touched::by(packets.iter().map(|packet| packet.report).collect());
            touched.recall(remembered);
            nodes = read::merged(&mut transaction, touched, forget_after).await?;
            insert(&mut transaction, &nodes).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok((entries, nodes))
    }
}

/// Asks for all reports at once what is stored of them, save those whose packets are remembered.
async fn look_up<'a>(
    connection: &mut SqliteConnection,
    batch: &[&'a Report],
    absences: &'a Absences,
    recent: &Recent,
) -> Result<Filing<'a, RangeFrom<i64>>, StoreError> {
    let next_row: i64 =
        sqlx::query_scalar(NEXT_ROW).fetch_one(&mut *connection).await.map_err(failed)?;
    let mut filing = Filing::new(absences, next_row..);
    let unknown = recent.tell(batch, absences, &mut filing);
    if unknown.is_empty() {
        return Ok(filing);
    }
    let keys = unknown.iter().filter_map(|copies| copies.first());
    let keys: Vec<_> = keys
        .map(|Report { packet: Packet { key, .. }, .. }| {
            (key.sender.to_string(), key.id.cast_signed(), key.network.name())
        })
        .collect();
    let keys = serde_json::to_string(&keys).expect("texts and numbers always have a JSON form");
    let (earliest, latest) = filing::span(absences, batch);
    let known = sqlx::query(KNOWN)
        .bind(keys)
        .bind(earliest.as_millis())
        .bind(latest.as_millis())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    for row in &known {
        let mut columns = Columns::of(row);
        let at: usize = columns.integer()?;
        let (row, received_at) = (columns.integer()?, columns.timestamp()?);
        let gateways = columns.text()?;
        let gateways: Vec<String> = serde_json::from_str(&gateways)
            .map_err(|_not_json| corrupt("list of gateways", &*gateways))?;
        for report in &unknown[at] {
            let gateway = report.reception.gateway.to_string();
            filing.found(report, row, received_at, gateways.contains(&gateway));
        }
    }
    Ok(filing)
}

async fn note(connection: &mut SqliteConnection, absence: Absence) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO absences (began_at, ended_at) VALUES (?1, ?2)")
        .bind(absence.began.as_millis())
        .bind(absence.ended.as_millis())
        .execute(connection)
        .await
        .map(drop)
}

async fn write(
    connection: &mut SqliteConnection,
    packets: &[PacketRow<'_>],
    receptions: &[ReceptionRow<'_>],
) -> Result<(), sqlx::Error> {
    let Histories { positions, readings, messages, links } = Histories::of(packets);
    insert(connection, packets).await?;
    insert(connection, receptions).await?;
    insert(connection, &positions).await?;
    insert(connection, &readings).await?;
    insert(connection, &messages).await?;
    insert(connection, &links).await?;
    let mut tally = sqlx::query(TALLY).bind(packets.last().map_or(0, |packet| packet.row));
    let lengths = [packets.len(), receptions.len(), positions.len(), readings.len()];
    for rows in lengths.into_iter().chain([messages.len(), links.len()]) {
        tally = tally.bind(i64::try_from(rows).unwrap_or(i64::MAX));
    }
    tally.execute(connection).await.map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        domain::{Network, PacketKey, Patch, Reception, Terms, Timestamp},
        storage::Store as _,
    };

    pub(in crate::storage::sqlite) fn report(id: u64) -> Report {
        let node = NodeId::Radio(1);
        let arrived = Timestamp::from_millis(0);
        Report {
            packet: Packet {
                key: PacketKey { network: Network::Meshtastic, sender: node.clone(), id },
                port: 1,
                channel: None,
                to: None,
                payload: vec![0; 200],
            },
            reception: Reception {
                gateway: node.clone(),
                arrived,
                redelivered_since: None,
                snr_db: None,
                rssi_dbm: None,
                hop_start: None,
                hop_limit: None,
            },
            patch: Patch::heard(node, Network::Meshtastic, arrived),
            links: Vec::new(),
            terms: Terms::default(),
        }
    }

    #[tokio::test]
    async fn a_full_disk_stores_nothing_and_the_next_attempt_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&directory.path().join("geocast.db"), Duration::MAX).await.unwrap();
        let reports: Vec<_> = (0..500).map(report).collect();
        let batch: Vec<_> = reports.iter().collect();
        store.commit(&batch[..1]).await.unwrap();
        // Holds for this connection only: with the next one the disk has room again.
        sqlx::query("PRAGMA max_page_count = 30").execute(&store.writer).await.unwrap();
        let refused = store.commit(&batch).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let stored = async || -> i64 {
            sqlx::query_scalar("SELECT count(*) FROM packets")
                .fetch_one(&store.readers)
                .await
                .unwrap()
        };
        assert_eq!(stored().await, 1);
        let filed = store.commit(&batch).await.unwrap();
        assert_eq!((filed[0], filed[499]), (Filed::Duplicate, Filed::Packet));
        assert_eq!(stored().await, 500);
    }
}
