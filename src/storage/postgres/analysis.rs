//! Questions about a stretch of time as a whole.

use sqlx::{PgConnection, postgres::PgRow};

use super::connection::failed;
use crate::{
    domain::NodeId,
    storage::{
        HeardPacket, Hearing, StoreError, Total, Window,
        sql::{
            analysis::{self, PACKET_TOTALS, heard, reception_totals, signals},
            heard::{self, HIDDEN_GATEWAY, heard_of},
        },
    },
};

/// Who heard a node.
pub(super) const HEARD_OF: &str = heard_of!(" AND r.received_at = p.received_at");

pub(super) async fn heard_of(
    connection: &mut PgConnection,
    node: &NodeId,
    most: u32,
) -> Result<Vec<HeardPacket>, StoreError> {
    let query = sqlx::query(HEARD_OF).bind(node.to_string()).bind(i64::from(most));
    let rows = query.bind(HIDDEN_GATEWAY).fetch_all(connection).await.map_err(failed)?;
    heard::heard(&rows)
}

pub(super) async fn hearing(
    connection: &mut PgConnection,
    window: Window,
) -> Result<Hearing, StoreError> {
    const HEARD: &str = heard!(" AND r.received_at = p.received_at");
    const SIGNALS: &str = signals!(" AND r.received_at = p.received_at");
    let heard = rows(connection, HEARD, window, None).await?;
    let signals = rows(connection, SIGNALS, window, None).await?;
    Ok(Hearing {
        heard: heard.iter().map(analysis::heard_of).collect::<Result<_, _>>()?,
        signals: signals.iter().map(analysis::signal_count).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn totals(
    connection: &mut PgConnection,
    window: Window,
    bucket_ms: i64,
) -> Result<Vec<Total>, StoreError> {
    const RECEPTIONS: &str = reception_totals!(" AND r.received_at = p.received_at");
    let packets = rows(connection, PACKET_TOTALS, window, Some(bucket_ms)).await?;
    let receptions = rows(connection, RECEPTIONS, window, Some(bucket_ms)).await?;
    analysis::totals(bucket_ms, &packets, &receptions)
}

async fn rows(
    connection: &mut PgConnection,
    sql: &'static str,
    window: Window,
    bucket_ms: Option<i64>,
) -> Result<Vec<PgRow>, StoreError> {
    let (first, last) = window.ends();
    let mut query = sqlx::query(sql).bind(first).bind(last);
    if let Some(bucket_ms) = bucket_ms {
        query = query.bind(bucket_ms);
    }
    query.fetch_all(connection).await.map_err(failed)
}
