//! What is stored, held to another policy.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    failed,
    insert::insert,
    withhold::{note_out, remove, some_goes},
};
use crate::{
    domain::policy::{KeptOut, Left, Policy, RowVerdict, StateVerdict},
    storage::{
        Reapplied, StoreError,
        sql::{
            columns::Columns,
            nodes::{self, NodeRow, node_columns},
            reapply::{self as said, position_columns},
            withhold::{BESIDE_POSITIONS, OWN, STATE_GOES},
        },
    },
};

/// Holds a page to a policy, in one transaction.
pub(super) async fn reapply(
    connection: &mut SqliteConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    from: Reapplied,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let on = &mut *transaction;
    let next = match from {
        Reapplied::Nodes(after) => states(on, policy, kept_out, after, rows).await?,
        Reapplied::Packets(_, _, after) => packets(on, policy, after, rows).await?,
        Reapplied::Positions(_, after) => positions(on, policy, after, rows).await?,
        Reapplied::Messages(time, packet) => messages(on, policy, (time, packet), rows).await?,
        Reapplied::Links(time, row) => links(on, policy, kept_out, (time, row), rows).await?,
        Reapplied::Outside(after) => outside(on, policy, after, rows).await?,
    };
    transaction.commit().await.map_err(failed)?;
    Ok(next)
}

async fn states(
    connection: &mut SqliteConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    after: String,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = concat!(
        "SELECT json_array(",
        node_columns!(),
        ") FROM nodes WHERE id > ?1 ORDER BY id LIMIT ?2"
    );
    let page = sqlx::query_scalar::<_, String>(SQL).bind(&after).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Packets(String::new(), 0, 0);
    let mut before = after;
    let mut changed = Vec::new();
    for row in &page {
        let node = nodes::from_json(row)?;
        let id = node.id.to_string();
        let kinds = sqlx::query(said::KINDS_OF).bind(&id);
        let kinds = kinds.fetch_all(&mut *connection).await.map_err(failed)?;
        let position = match node.position.map(|position| position.stamp) {
            Some(stamp) => sqlx::query(said::SAID_POSITION)
                .bind(&id)
                .bind(stamp.time.as_millis())
                .bind(stamp.heard.as_millis())
                .fetch_optional(&mut *connection)
                .await
                .map_err(failed)?,
            None => None,
        };
        match said::state(&node, &kinds, position.as_ref(), policy, kept_out)? {
            StateVerdict::Stays => {}
            StateVerdict::Becomes(node) => changed.push(NodeRow(*node)),
            // The state goes last: so that what is left of the node is found again.
            StateVerdict::Goes if some_goes(connection, &OWN, (&id, i64::MIN), rows).await? => {
                next = Reapplied::Nodes(before);
                break;
            }
            StateVerdict::Hides | StateVerdict::Goes => state_goes(connection, &id).await?,
            StateVerdict::Leaves(why) => {
                let left = Left { why, since: said::heard_last(&node) };
                note_out(connection, &node.id, left).await.map_err(failed)?;
            }
        }
        before.clone_from(&id);
        next = Reapplied::Nodes(id);
    }
    insert(connection, &changed).await.map_err(failed)?;
    Ok(Some(next))
}

async fn state_goes(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreError> {
    let gone = sqlx::query(STATE_GOES).bind(id).execute(connection).await;
    gone.map(drop).map_err(failed)
}

async fn packets(
    connection: &mut SqliteConnection,
    policy: &Policy,
    after: i64,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = "SELECT id, sender, port, channel, ok_to_mqtt, source FROM packets \
        WHERE id > ?1 ORDER BY id LIMIT ?2";
    const SAID: [(&str, &str); 4] = [
        ("positions", "packet"),
        ("telemetry", "packet"),
        ("messages", "packet"),
        // A traced route tells of others, too.
        ("links", "packet"),
    ];
    const WHOLE: [(&str, &str); 2] = [("receptions", "packet"), ("packets", "id")];
    const BYTES_GO: &str =
        "UPDATE packets SET payload = x'' WHERE id IN (SELECT value FROM json_each(?1))";
    let page = sqlx::query(SQL).bind(after).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Positions(0, 0);
    let (mut gone, mut bare) = (Vec::<i64>::new(), Vec::<i64>::new());
    for row in &page {
        let mut columns = Columns::<SqliteRow>::of(row);
        let packet = columns.integer()?;
        next = Reapplied::Packets(String::new(), 0, packet);
        match said::packet(&mut columns, policy)? {
            RowVerdict::Stays => {}
            RowVerdict::Becomes(()) => bare.push(packet),
            RowVerdict::Goes => gone.push(packet),
        }
    }
    let [gone, bare] = [gone, bare].map(|rows| serde_json::to_string(&rows).unwrap_or_default());
    let tables = SAID.iter().map(|table| (table, &bare));
    let tables = tables.chain(SAID.iter().chain(&WHOLE).map(|table| (table, &gone)));
    for ((table, column), rows) in tables.filter(|(_, rows)| *rows != "[]") {
        let sql =
            format!("DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?1))");
        let removed = sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(&mut *connection).await;
        let removed = removed.map_err(failed)?.rows_affected();
        remove(connection, table, removed).await.map_err(failed)?;
    }
    sqlx::query(BYTES_GO).bind(&bare).execute(&mut *connection).await.map_err(failed)?;
    Ok(Some(next))
}

async fn positions(
    connection: &mut SqliteConnection,
    policy: &Policy,
    after: i64,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        position_columns!(),
        " FROM positions WHERE packet > ?1 ORDER BY packet LIMIT ?2"
    );
    let page = sqlx::query(SQL).bind(after).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Messages(i64::MIN, i64::MIN);
    let mut gone = 0;
    for row in &page {
        let said::JudgedPosition { packet, node, position, verdict } = said::position(row, policy)?;
        let (node, time) = (node.to_string(), position.stamp.time.as_millis());
        next = Reapplied::Positions(0, packet);
        let change = match verdict {
            RowVerdict::Stays => continue,
            RowVerdict::Becomes(told) => sqlx::query(said::COARSEN)
                .bind(told.place.latitude_e7())
                .bind(told.place.longitude_e7())
                .bind(told.altitude_m)
                .bind(told.ground_speed_kmh)
                .bind(told.ground_track_deg)
                .bind(told.sats_in_view)
                .bind(told.precision_bits),
            RowVerdict::Goes => sqlx::query(said::POSITION_GOES),
        };
        let change = change.bind(packet).bind(time).bind(&node).execute(&mut *connection).await;
        let changed = change.map_err(failed)?.rows_affected();
        gone += if verdict == RowVerdict::Goes { changed } else { 0 };
        bytes_go(connection, &node, packet).await?;
    }
    remove(connection, "positions", gone).await.map_err(failed)?;
    Ok(Some(next))
}

/// The bytes of a packet say what was taken out.
async fn bytes_go(
    connection: &mut SqliteConnection,
    sender: &str,
    packet: i64,
) -> Result<(), StoreError> {
    let empty: &[u8] = &[];
    let change = sqlx::query(said::BYTES_GO).bind(sender).bind(packet).bind(empty);
    change.execute(connection).await.map(drop).map_err(failed)
}

async fn messages(
    connection: &mut SqliteConnection,
    policy: &Policy,
    (time, packet): (i64, i64),
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    let page = sqlx::query(said::MESSAGES).bind(time).bind(packet).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Links(i64::MIN, i64::MIN);
    let mut gone = 0;
    for row in &page {
        let said::JudgedMessage { packet, time, sender, stays } = said::message(row, policy)?;
        next = Reapplied::Messages(time, packet);
        if stays {
            continue;
        }
        let removed = sqlx::query(said::MESSAGE_GOES).bind(packet).bind(time).bind(&sender);
        gone += removed.execute(&mut *connection).await.map_err(failed)?.rows_affected();
        bytes_go(connection, &sender, packet).await?;
    }
    remove(connection, "messages", gone).await.map_err(failed)?;
    Ok(Some(next))
}

async fn links(
    connection: &mut SqliteConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    (time, row): (i64, i64),
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    let mut next = Reapplied::Outside(String::new());
    if policy.lists().next().is_none() {
        return Ok(Some(next));
    }
    let page = sqlx::query(said::LINKS).bind(time).bind(row).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut gone = 0;
    for row in &page {
        let (id, time, stays) = said::link(row, policy, kept_out)?;
        next = Reapplied::Links(time, id);
        if !stays {
            let removed = sqlx::query(said::LINK_GOES).bind(id).bind(time);
            gone += removed.execute(&mut *connection).await.map_err(failed)?.rows_affected();
        }
    }
    remove(connection, "links", gone).await.map_err(failed)?;
    Ok(Some(next))
}

/// What nodes said after they were inside the region for the last time.
async fn outside(
    connection: &mut SqliteConnection,
    policy: &Policy,
    after: String,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    let node = sqlx::query_scalar::<_, String>(said::NEXT_OUTSIDE).bind(&after);
    let node = node.fetch_optional(&mut *connection).await.map_err(failed)?;
    let Some(node) = node.filter(|_| policy.has_regions()) else { return Ok(None) };
    let inside = sqlx::query_scalar::<_, Option<i64>>(said::LAST_INSIDE).bind(&node);
    let inside = inside.fetch_one(&mut *connection).await.map_err(failed)?;
    let since = inside.map_or(i64::MIN, |last| last.saturating_add(1));
    let any = some_goes(connection, &BESIDE_POSITIONS, (&node, since), rows).await?;
    Ok(Some(Reapplied::Outside(if any { after } else { node })))
}
