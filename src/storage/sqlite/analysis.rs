//! Questions about a stretch of time as a whole.

use sqlx::{SqlitePool, sqlite::SqliteRow};

use super::failed;
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

pub(super) async fn heard_of(
    pool: &SqlitePool,
    node: &NodeId,
    most: u32,
) -> Result<Vec<HeardPacket>, StoreError> {
    let query = sqlx::query(heard_of!("")).bind(node.to_string()).bind(most);
    let rows = query.bind(HIDDEN_GATEWAY).fetch_all(pool).await.map_err(failed)?;
    heard::heard(&rows)
}

pub(super) async fn hearing(pool: &SqlitePool, window: Window) -> Result<Hearing, StoreError> {
    let heard = rows(pool, heard!(""), window, None).await?;
    let signals = rows(pool, signals!(""), window, None).await?;
    Ok(Hearing {
        heard: heard.iter().map(analysis::heard_of).collect::<Result<_, _>>()?,
        signals: signals.iter().map(analysis::signal_count).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn totals(
    pool: &SqlitePool,
    window: Window,
    bucket_ms: i64,
) -> Result<Vec<Total>, StoreError> {
    let packets = rows(pool, PACKET_TOTALS, window, Some(bucket_ms)).await?;
    let receptions = rows(pool, reception_totals!(""), window, Some(bucket_ms)).await?;
    analysis::totals(bucket_ms, &packets, &receptions)
}

async fn rows(
    pool: &SqlitePool,
    sql: &'static str,
    window: Window,
    bucket_ms: Option<i64>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let (first, last) = window.ends();
    let mut query = sqlx::query(sql).bind(first).bind(last);
    if let Some(bucket_ms) = bucket_ms {
        query = query.bind(bucket_ms);
    }
    query.fetch_all(pool).await.map_err(failed)
}
