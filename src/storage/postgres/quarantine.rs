//! What the database refused, set aside with the reason.

use sqlx::{Connection as _, PgConnection};

use super::{connection::unavailable, journal::hold};
use crate::{
    domain::Report,
    storage::{StoreError, quarantine},
};

/// The second half of the key of the lock that whoever sets something aside holds.
const LOCK: i32 = -3;

pub(super) async fn put(
    connection: &mut PgConnection,
    report: &Report,
    reason: &str,
) -> Result<bool, StoreError> {
    // A refusal here must not look like one of the report: it would be the last word on it.
    set_aside(connection, report, reason).await.map_err(unavailable)
}

async fn set_aside(
    connection: &mut PgConnection,
    report: &Report,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let Report { packet, reception, .. } = report;
    let (sender, gateway) = (packet.key.sender.to_string(), reception.gateway.to_string());
    let (network, packet_id) = (packet.key.network.name(), packet.key.id.cast_signed());
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    hold(&mut transaction, LOCK).await?;
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
            .bind(clean(quarantine::shortened(reason)))
            .bind(network)
            .bind(sender)
            .bind(packet_id)
            .bind(gateway)
            .bind(i32::from(packet.port))
            .bind(packet.channel.as_deref().map(clean))
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

/// Postgres takes no NUL in a text.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}
