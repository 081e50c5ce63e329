//! The database, row by row.

use std::collections::BTreeMap;

use sqlx::{
    ConnectOptions, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::load::{Fact, Key, Load, Said, gateway_id};
use crate::harness::Radio;

/// A database, by another program's hand.
pub(super) enum Ledger {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Ledger {
    pub(super) async fn open(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                let mut database = options.connect().await.unwrap();
                let check = sqlx::query_scalar("PRAGMA integrity_check");
                let whole: String = check.fetch_one(&mut database).await.unwrap();
                assert_eq!(whole, "ok");
                Self::Sqlite(database)
            }
            None => Self::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    /// Text, a number and text.
    async fn rows(&mut self, query: &'static str) -> Rows {
        let found: Vec<(String, i64, String)> = match self {
            Self::Sqlite(database) => sqlx::query_as(query).fetch_all(database).await.unwrap(),
            Self::Postgres(database) => sqlx::query_as(query).fetch_all(database).await.unwrap(),
        };
        let mut rows = Rows::new();
        for (text, number, other) in found {
            rows.entry((text, number)).or_default().push(other);
        }
        rows
    }

    /// How many copies of packets are there.
    pub(super) async fn receptions(&mut self) -> usize {
        let rows = self.rows("SELECT '', count(*), '' FROM receptions").await;
        rows.into_keys().map(|(_, count)| usize::try_from(count).unwrap()).sum()
    }
}

/// Asserts that the database holds what was published, all of it, once.
pub(super) async fn compare(url: &str, load: &Load) {
    let mut database = Ledger::open(url).await;
    let packets = database.rows("SELECT sender, packet_id, '' FROM packets").await;
    same("packets", &packets, load, |_, _| vec![String::new()]);
    let receptions = database
        .rows(
            "SELECT sender, packet_id, gateway FROM receptions JOIN packets ON packets.id = packet",
        )
        .await;
    same("receptions", &receptions, load, |_, fact| {
        fact.gateways.iter().map(|gateway| Radio(gateway_id(*gateway)).id()).collect()
    });
    let positions = database
        .rows(
            "SELECT node, packet_id, time || ' ' || latitude_e7 || ' ' || longitude_e7 \
         FROM positions JOIN packets ON packets.id = packet",
        )
        .await;
    same("positions", &positions, load, |_, fact| match &fact.said {
        Said::Place(latitude, longitude) => {
            vec![format!("{}000 {latitude} {longitude}", fact.heard)]
        }
        _ => Vec::new(),
    });
    let telemetry = database
        .rows(
            "SELECT node, packet_id, time || ' ' || readings \
         FROM telemetry JOIN packets ON packets.id = packet",
        )
        .await;
    same("telemetry", &telemetry, load, |_, fact| match &fact.said {
        Said::Battery(level) => {
            vec![format!("{}000 {{\"batteryLevel\":{level}.0}}", fact.heard)]
        }
        _ => Vec::new(),
    });
    let messages = database
        .rows(
            "SELECT messages.sender, packets.packet_id, messages.time || ' ' || text \
         FROM messages JOIN packets ON packets.id = packet",
        )
        .await;
    same("messages", &messages, load, |_, fact| match &fact.said {
        Said::Text(text) => vec![format!("{}000 {text}", fact.heard)],
        _ => Vec::new(),
    });
    let links = database
        .rows(
            "SELECT to_node, packet_id, time || ' ' || from_node \
         FROM links JOIN packets ON packets.id = packet",
        )
        .await;
    same("links", &links, load, |_, fact| match &fact.said {
        Said::Neighbours(ids) => {
            ids.iter().map(|id| format!("{}000 {}", fact.heard, Radio(*id).id())).collect()
        }
        _ => Vec::new(),
    });
}

/// What the rows say, by packet.
type Rows = BTreeMap<(String, i64), Vec<String>>;

fn same(table: &str, rows: &Rows, load: &Load, expected: impl Fn(&Key, &Fact) -> Vec<String>) {
    let mut left = rows.clone();
    let mut wrong = Vec::new();
    for (key, fact) in &load.facts {
        let mut there = left.remove(&(Radio(key.0).id(), key.1.into())).unwrap_or_default();
        there.sort();
        let mut expected = expected(key, fact);
        expected.sort();
        if there != expected {
            wrong.push(format!("{key:?}: {there:?} and not {expected:?}"));
        }
    }
    wrong.extend(left.into_iter().map(|stray| format!("{stray:?} was never published")));
    let count = wrong.len();
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{count} packets are wrong in {table}:\n{}", wrong.join("\n"));
}
