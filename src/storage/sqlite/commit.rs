//! One batch, one transaction.

use std::{ops::RangeFrom, time::Duration};

use sqlx::{Connection as _, SqliteConnection};

use super::{Journal, SqliteStore, failed, insert::insert, read};
use crate::{
    domain::{Filed, Report},
    storage::{
        StoreError,
        filing::{self, Absence, Absences, Filing},
        sql::{
            columns::Columns,
            nodes::Touched,
            rows::{Histories, PacketRow, ReceptionRow},
        },
    },
};

/// Packets that a report of the batch may be a further copy of, and whether its gateway's copy is
/// stored. Parameters: the reports as JSON, and the span in which first copies count.
const KNOWN: &str = "\
    SELECT reports.key, packets.id, packets.received_at, \
        receptions.packet IS NOT NULL \
    FROM json_each(?1) AS reports \
    CROSS JOIN packets ON packets.sender = reports.value ->> 0 \
        AND packets.packet_id = reports.value ->> 1 \
        AND packets.received_at BETWEEN ?2 AND ?3 \
        AND packets.network = reports.value ->> 3 \
    LEFT JOIN receptions ON receptions.packet = packets.id \
        AND receptions.gateway = reports.value ->> 2";

/// The row that a new packet gets. Histories outlive packets, and a row is never used twice.
const NEXT_ROW: &str = "\
    SELECT 1 + max( \
        coalesce((SELECT max(id) FROM packets), 0), \
        coalesce((SELECT max(packet) FROM positions), 0), \
        coalesce((SELECT max(packet) FROM telemetry), 0), \
        coalesce((SELECT max(packet) FROM messages), 0))";

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
        let filed =
            transaction(&mut connection, batch, &absences, absence, self.forget_after).await;
        if filed.is_ok() {
            *journal = Journal { absences, last_before_start: None };
        } else if self.file.is_some() {
            // SQLite may have rolled back by itself, which the driver does not see: it would
            // think itself inside a transaction for ever. A new connection knows better.
            drop(connection.close().await);
        }
        filed
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    batch: &[&Report],
    absences: &Absences,
    absence: Option<Absence>,
    forget_after: Duration,
) -> Result<Vec<Filed>, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut filing = look_up(&mut transaction, batch, absences).await?;
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
            receptions.push(ReceptionRow { packet: entry.row, reception: &report.reception });
        }
    }
    if let Some(absence) = absence {
        note(&mut transaction, absence).await.map_err(failed)?;
    }
    let new = packets.iter().map(|packet| packet.report).collect();
    write(&mut transaction, &packets, &receptions).await.map_err(failed)?;
    if !packets.is_empty() {
        let nodes = read::merged(&mut transaction, Touched::by(new), forget_after).await?;
        insert(&mut transaction, &nodes).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(filed)
}

/// Asks for all reports at once what is stored of them.
async fn look_up<'a>(
    connection: &mut SqliteConnection,
    batch: &[&'a Report],
    absences: &'a Absences,
) -> Result<Filing<'a, RangeFrom<i64>>, StoreError> {
    let keys: Vec<_> = batch
        .iter()
        .map(|Report { packet, reception, .. }| {
            let key = &packet.key;
            let gateway = reception.gateway.to_string();
            (key.sender.to_string(), key.id.cast_signed(), gateway, key.network.name())
        })
        .collect();
    let keys = serde_json::to_string(&keys).expect("texts and numbers always have a JSON form");
    let (earliest, latest) = filing::span(absences, batch);
    let known = sqlx::query(KNOWN)
        .bind(keys)
        .bind(earliest.as_millis())
        .bind(latest.as_millis())
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let next_row: i64 = sqlx::query_scalar(NEXT_ROW).fetch_one(connection).await.map_err(failed)?;
    let mut filing = Filing::new(absences, next_row..);
    for row in &known {
        let mut columns = Columns::of(row);
        let at: usize = columns.integer()?;
        let (row, received_at, copy) = (columns.integer()?, columns.timestamp()?, columns.flag()?);
        filing.found(batch[at], row, received_at, copy);
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
    insert(connection, &links).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Network, NodeId, Packet, PacketKey, Patch, Reception, Timestamp},
        storage::Store as _,
    };

    fn report(id: u64) -> Report {
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
