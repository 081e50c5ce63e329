//! What is stored, held to another policy.

use sqlx::PgConnection;

use super::{
    connection::failed,
    insert::insert,
    withhold::{note_out, some_goes},
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

/// Holds a page to a policy, in the transaction of the connection.
pub(super) async fn reapply(
    on: &mut PgConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    from: Reapplied,
    rows: u32,
) -> Result<Option<Reapplied>, StoreError> {
    let rows = i64::from(rows);
    let next = match from {
        Reapplied::Nodes(after) => states(on, policy, kept_out, after, rows).await?,
        Reapplied::Packets(sender, id, received) => {
            packets(on, policy, (sender, id, received), rows).await?
        }
        Reapplied::Positions(time, packet) => positions(on, policy, (time, packet), rows).await?,
        Reapplied::Messages(time, packet) => messages(on, policy, (time, packet), rows).await?,
        Reapplied::Links(time, row) => links(on, policy, kept_out, (time, row), rows).await?,
        Reapplied::Outside(after) => outside(on, policy, after, rows).await?,
    };
    Ok(next)
}

async fn states(
    connection: &mut PgConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    after: String,
    rows: i64,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        node_columns!(),
        " FROM nodes WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE"
    );
    let page = sqlx::query(SQL).bind(&after).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Packets(String::new(), i64::MIN, i64::MIN);
    let mut before = after;
    let mut changed = Vec::new();
    for row in &page {
        let node = nodes::from_row(row)?;
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
                note_out(connection, &node.id, left).await?;
            }
        }
        before.clone_from(&id);
        next = Reapplied::Nodes(id);
    }
    insert(connection, &changed).await.map_err(failed)?;
    Ok(Some(next))
}

async fn state_goes(connection: &mut PgConnection, id: &str) -> Result<(), StoreError> {
    let gone = sqlx::query(STATE_GOES).bind(id).execute(connection).await;
    gone.map(drop).map_err(failed)
}

async fn packets(
    connection: &mut PgConnection,
    policy: &Policy,
    (sender, packet_id, received): (String, i64, i64),
    rows: i64,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = "\
        SELECT id, packet_id, received_at, sender, port, channel, ok_to_mqtt, source, sender \
        FROM packets WHERE (sender, packet_id, received_at) > ($1, $2, $3) \
        ORDER BY sender, packet_id, received_at LIMIT $4";
    const SAID: [&str; 4] = [
        "DELETE FROM positions WHERE packet = ANY($1) AND node = ANY($2)",
        "DELETE FROM telemetry WHERE packet = ANY($1) AND node = ANY($2)",
        "DELETE FROM messages WHERE packet = ANY($1) AND sender = ANY($2)",
        // A traced route tells of others, too.
        "DELETE FROM links WHERE packet = ANY($1) AND cardinality($2::text[]) > 0",
    ];
    const WHOLE: [&str; 2] = [
        "DELETE FROM receptions WHERE packet = ANY($1) AND cardinality($2::text[]) > 0",
        "DELETE FROM packets WHERE id = ANY($1) AND sender = ANY($2)",
    ];
    const BYTES_GO: &str =
        "UPDATE packets SET payload = ''::bytea WHERE id = ANY($1) AND sender = ANY($2)";
    let page = sqlx::query(SQL).bind(sender).bind(packet_id).bind(received).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Positions(i64::MIN, i64::MIN);
    let (mut gone, mut bare) = (Vec::<i64>::new(), Vec::<i64>::new());
    let mut senders = Vec::<String>::new();
    for row in &page {
        let mut columns = Columns::of(row);
        let (packet, id, received) = (columns.integer()?, columns.integer()?, columns.integer()?);
        let verdict = said::packet(&mut columns, policy)?;
        let sender = columns.text()?.into_string();
        match verdict {
            RowVerdict::Stays => {}
            RowVerdict::Becomes(()) => bare.push(packet),
            RowVerdict::Goes => gone.push(packet),
        }
        if verdict != RowVerdict::Stays {
            senders.push(sender.clone());
        }
        next = Reapplied::Packets(sender, id, received);
    }
    senders.dedup();
    let statements = SAID.iter().chain([&BYTES_GO]).map(|sql| (sql, &bare));
    let statements = statements.chain(SAID.iter().chain(&WHOLE).map(|sql| (sql, &gone)));
    for (sql, packets) in statements.filter(|(_, packets)| !packets.is_empty()) {
        let changed = sqlx::query(*sql).bind(packets).bind(&senders);
        changed.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(Some(next))
}

async fn positions(
    connection: &mut PgConnection,
    policy: &Policy,
    (time, packet): (i64, i64),
    rows: i64,
) -> Result<Option<Reapplied>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        position_columns!(),
        " FROM positions WHERE (time, packet) > ($1, $2) ORDER BY time, packet LIMIT $3"
    );
    let page = sqlx::query(SQL).bind(time).bind(packet).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Messages(i64::MIN, i64::MIN);
    for row in &page {
        let said::JudgedPosition { packet, node, position, verdict } = said::position(row, policy)?;
        let (node, time) = (node.to_string(), position.stamp.time.as_millis());
        next = Reapplied::Positions(time, packet);
        let change = match verdict {
            RowVerdict::Stays => continue,
            RowVerdict::Becomes(told) => sqlx::query(said::COARSEN)
                .bind(told.place.latitude_e7())
                .bind(told.place.longitude_e7())
                .bind(told.altitude_m)
                .bind(told.ground_speed_kmh)
                .bind(told.ground_track_deg)
                .bind(told.sats_in_view.map(i64::from))
                .bind(told.precision_bits.map(i16::from)),
            RowVerdict::Goes => sqlx::query(said::POSITION_GOES),
        };
        let change = change.bind(packet).bind(time).bind(&node);
        change.execute(&mut *connection).await.map_err(failed)?;
        bytes_go(connection, &node, packet).await?;
    }
    Ok(Some(next))
}

/// The bytes of a packet say what was taken out.
async fn bytes_go(
    connection: &mut PgConnection,
    sender: &str,
    packet: i64,
) -> Result<(), StoreError> {
    let empty: &[u8] = &[];
    let change = sqlx::query(said::BYTES_GO).bind(sender).bind(packet).bind(empty);
    change.execute(connection).await.map(drop).map_err(failed)
}

async fn messages(
    connection: &mut PgConnection,
    policy: &Policy,
    (time, packet): (i64, i64),
    rows: i64,
) -> Result<Option<Reapplied>, StoreError> {
    let page = sqlx::query(said::MESSAGES).bind(time).bind(packet).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    let mut next = Reapplied::Links(i64::MIN, i64::MIN);
    for row in &page {
        let said::JudgedMessage { packet, time, sender, stays } = said::message(row, policy)?;
        next = Reapplied::Messages(time, packet);
        if stays {
            continue;
        }
        let removed = sqlx::query(said::MESSAGE_GOES).bind(packet).bind(time).bind(&sender);
        removed.execute(&mut *connection).await.map_err(failed)?;
        bytes_go(connection, &sender, packet).await?;
    }
    Ok(Some(next))
}

async fn links(
    connection: &mut PgConnection,
    policy: &Policy,
    kept_out: &KeptOut,
    (time, row): (i64, i64),
    rows: i64,
) -> Result<Option<Reapplied>, StoreError> {
    let mut next = Reapplied::Outside(String::new());
    if policy.lists().next().is_none() {
        return Ok(Some(next));
    }
    let page = sqlx::query(said::LINKS).bind(time).bind(row).bind(rows);
    let page = page.fetch_all(&mut *connection).await.map_err(failed)?;
    for row in &page {
        let (id, time, stays) = said::link(row, policy, kept_out)?;
        next = Reapplied::Links(time, id);
        if !stays {
            let removed = sqlx::query(said::LINK_GOES).bind(id).bind(time);
            removed.execute(&mut *connection).await.map_err(failed)?;
        }
    }
    Ok(Some(next))
}

/// What nodes said after they were inside the region for the last time.
async fn outside(
    connection: &mut PgConnection,
    policy: &Policy,
    after: String,
    rows: i64,
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
