//! What the database refused, set aside with the reason.

use sqlx::{Connection as _, SqliteConnection};

use super::{SqliteStore, failed};
use crate::{
    domain::Report,
    storage::{StoreError, quarantine},
};

impl SqliteStore {
    pub(super) async fn set_aside(
        &self,
        report: &Report,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let outcome = put(&mut connection, report, reason).await;
        self.give_back(connection, outcome).await.map_err(failed)
    }
}

async fn put(
    connection: &mut SqliteConnection,
    report: &Report,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let Report { packet, reception, .. } = report;
    let (sender, gateway) = (packet.key.sender.to_string(), reception.gateway.to_string());
    let (network, packet_id) = (packet.key.network.name(), packet.key.id.cast_signed());
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (of_packet, of_gateway): (i64, i64) = sqlx::query_as(quarantine::KNOWN)
        .bind(&sender)
        .bind(packet_id)
        .bind(network)
        .bind(&gateway)
        .bind(&packet.payload)
        .fetch_one(&mut *transaction)
        .await?;
    if of_gateway == 0 {
        sqlx::query(quarantine::INSERT)
            .bind(reception.arrived.as_millis())
            .bind(quarantine::shortened(reason))
            .bind(network)
            .bind(sender)
            .bind(packet_id)
            .bind(gateway)
            .bind(i64::from(packet.port))
            .bind(packet.channel.as_deref())
            .bind(&packet.payload)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(quarantine::TRIM)
            .bind(quarantine::MOST_ROWS)
            .bind(quarantine::MOST_PAYLOAD_BYTES)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(of_packet == 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Network, NodeId, Packet, PacketKey, Patch, Reception, Terms, Timestamp};

    fn report(id: u64, payload_bytes: usize) -> Report {
        let node = NodeId::Radio(1);
        let arrived = Timestamp::from_millis(0);
        Report {
            packet: Packet {
                key: PacketKey { network: Network::Meshtastic, sender: node.clone(), id },
                port: 1,
                channel: None,
                to: None,
                payload: vec![7; payload_bytes],
            },
            reception: Reception {
                gateway: node.clone(),
                arrived,
                snr_db: None,
                rssi_dbm: None,
                hop_start: None,
                hop_limit: None,
                redelivered_since: None,
            },
            patch: Patch::heard(node, Network::Meshtastic, arrived),
            links: Vec::new(),
            terms: Terms::default(),
        }
    }

    async fn kept(store: &SqliteStore) -> Vec<i64> {
        let ids = sqlx::query_scalar("SELECT packet_id FROM quarantine ORDER BY id");
        ids.fetch_all(&store.readers).await.unwrap()
    }

    #[tokio::test]
    async fn the_oldest_go_when_the_quarantine_is_full() {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) \
            INSERT INTO quarantine SELECT NULL, 0, '', '', '!00000001', n, '', 1, NULL, x'07' FROM n";
        sqlx::query(fill).bind(quarantine::MOST_ROWS).execute(&store.writer).await.unwrap();
        assert!(store.set_aside(&report(1 << 40, 10), "too odd").await.unwrap());
        let rows = kept(&store).await;
        assert_eq!(i64::try_from(rows.len()).unwrap(), quarantine::MOST_ROWS);
        assert_eq!((rows[0], rows[rows.len() - 1]), (2, 1 << 40));
    }

    #[tokio::test]
    async fn what_is_large_takes_the_room_of_many_and_the_newest_stays() {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        let most = usize::try_from(quarantine::MOST_PAYLOAD_BYTES).unwrap();
        for (id, bytes, expected) in [
            (1, most / 2, &[1][..]),
            (2, most / 2, &[1, 2]),
            (3, 1, &[2, 3]),
            (4, most + 1, &[4]),
            (5, 1, &[5]),
        ] {
            store.set_aside(&report(id, bytes), "too large").await.unwrap();
            assert_eq!(kept(&store).await, expected);
        }
    }
}
