//! How Postgres answers: by an index, whatever is asked.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, postgres::PgRow};

use super::{analysis::HEARD_OF, commit::KNOWN, database::Database, *};
use crate::{
    domain::NodeId,
    storage::sql::visits::{END, VISITS, VISITS_ACROSS},
};

/// Four days of history, with partitions, of 500 nodes.
const HISTORY: &str = "\
    INSERT INTO packets SELECT n, 'meshtastic', '!' || lpad(to_hex(n % 500), 8, '0'), n, \
        1790000000000 + n * 8000, 1, NULL, NULL, '' FROM generate_series(1, 20000) AS n; \
    INSERT INTO receptions SELECT n, 1790000000000 + n * 8000, '!00000001', \
        1790000000000 + n * 8000 FROM generate_series(1, 20000) AS n; \
    INSERT INTO positions SELECT id, sender, received_at, received_at, true, 0, 0 FROM packets; \
    INSERT INTO telemetry SELECT id, sender, received_at, received_at, true, 'device', '{}' \
        FROM packets; \
    INSERT INTO messages SELECT id, network, packet_id, sender, NULL, '', received_at \
        FROM packets; \
    INSERT INTO links (packet, from_node, to_node, time, source) \
        SELECT id, sender, '!00000001', received_at, 'traceroute' FROM packets; \
    ANALYZE";

fn query(node: Option<u32>, from: Option<i64>, to: Option<i64>) -> HistoryQuery {
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let (from, to) = (time(from), time(to));
    HistoryQuery { node: node.map(NodeId::Radio), from, to, limit: 100, cursor: None }
}

/// The plan of a question, as it is asked.
async fn plan<T>(
    connection: &mut PgConnection,
    question: Result<Question<PgRow, T>, StoreError>,
) -> String {
    let question = question.unwrap();
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {}", question.sql)))
        .bind(&question.node)
        .bind(question.span.first)
        .bind(question.span.last)
        .bind(question.span.after.time)
        .bind(question.span.after.row)
        .bind(question.span.rows())
        .fetch_all(connection)
        .await
        .unwrap();
    lines.join("\n")
}

fn assert_by_index(plan: &str) {
    assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{plan}");
}

async fn filled(database: &Database) -> PostgresStore {
    let store =
        PostgresStore::open(&database.url, Duration::MAX, PostgresLimits::default()).await.unwrap();
    let mut journal = store.journal.lock().await;
    let connection = journal.connection.as_mut().unwrap();
    for day in [20_717, 20_720] {
        partitions::make_around(connection, day).await.unwrap();
    }
    sqlx::raw_sql(HISTORY).execute(connection).await.unwrap();
    drop(journal);
    store
}

#[tokio::test]
async fn no_question_about_a_history_reads_all_of_it() {
    let database = Database::create();
    let store = filled(&database).await;
    let mut connection = store.connection().await.unwrap();
    let noon = 1_790_000_000_000;
    for (node, from, to) in [
        (None, None, None),
        (Some(7), None, None),
        (Some(7), Some(noon), Some(noon + 86_400_000)),
        (None, Some(noon + 40_000_000), Some(noon + 43_600_000)),
    ] {
        let query = query(node, from, to);
        assert_by_index(&plan(&mut connection, history::positions(&query)).await);
        assert_by_index(&plan(&mut connection, history::telemetry(&query)).await);
        assert_by_index(&plan(&mut connection, history::messages(&query)).await);
        assert_by_index(&plan(&mut connection, history::links(&query)).await);
    }
}

#[tokio::test]
async fn who_heard_a_node_is_read_from_an_index() {
    let database = Database::create();
    let store = filled(&database).await;
    let mut connection = store.connection().await.unwrap();
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {HEARD_OF}")))
        .bind("!00000007")
        .bind(20_i64)
        .bind("!00000000")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    assert_by_index(&lines.join("\n"));
}

#[tokio::test]
async fn who_was_where_is_read_from_an_index() {
    let database = Database::create();
    let store = filled(&database).await;
    let mut connection = store.connection().await.unwrap();
    let from: i64 = 1_790_000_000_000 + 40_000_000;
    let to = from + 3_600_000;
    for sql in [VISITS, VISITS_ACROSS] {
        let mut question = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {sql}")))
            .bind(from)
            .bind(to)
            .bind(i64::MAX)
            .bind(i64::MAX)
            .bind(400_000_000)
            .bind(500_000_000)
            .bind(0)
            .bind(100_000_000)
            .bind(100_i64);
        if sql == VISITS_ACROSS {
            question = question.bind(-1_800_000_000).bind(-1_700_000_000);
        }
        let lines: Vec<String> = question.fetch_all(&mut *connection).await.unwrap();
        let plan = lines.join("\n");
        assert_by_index(&plan);
        let by_place = plan.lines().filter(|line| line.contains("Index Cond"));
        assert!(by_place.clone().count() > 0, "{plan}");
        assert!(by_place.clone().all(|line| line.contains("latitude_e7")), "{plan}");
    }
    let end = format!("EXPLAIN {END}");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(end))
        .bind(from)
        .bind(to)
        .bind(1000_i64)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    assert_by_index(&lines.join("\n"));
}

/// The plan by which a commit asks what is known of its reports.
async fn plan_of_known(connection: &mut PgConnection) -> String {
    let arrived: i64 = 1_790_000_000_000 + 10_000 * 8000;
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {KNOWN}")))
        .bind(vec!["!00000007"; 500])
        .bind((0..500).collect::<Vec<i64>>())
        .bind(vec!["meshtastic"; 500])
        .bind(arrived - 900_000)
        .bind(arrived + 900_000)
        .fetch_all(connection)
        .await
        .unwrap();
    let plan = lines.join("\n");
    assert_by_index(&plan);
    for keys in [
        "(sender = keys.sender) AND (packet_id = keys.packet_id)",
        "(packet = packets.id) AND (received_at",
    ] {
        let is_condition = |line: &str| line.contains("Index Cond") && line.contains(keys);
        assert!(plan.lines().any(is_condition), "{keys} in\n{plan}");
    }
    plan
}

#[tokio::test]
async fn a_commit_looks_up_keys_in_the_days_of_their_window() {
    let database = Database::create();
    let store = filled(&database).await;
    let mut journal = store.journal.lock().await;
    let plan = plan_of_known(journal.connection.as_mut().unwrap()).await;
    for table in ["packets", "receptions"] {
        assert_eq!(plan.matches(&format!(" on {table}_")).count(), 1, "{plan}");
    }
    assert_eq!(plan.matches(" on packets_20260922").count(), 1, "{plan}");
}

/// The plan is kept for as long as the connection.
#[tokio::test]
async fn a_commit_looks_up_keys_where_there_was_nothing_when_it_was_planned() {
    let database = Database::create();
    let limits = PostgresLimits::default();
    let store = PostgresStore::open(&database.url, Duration::MAX, limits).await.unwrap();
    let mut journal = store.journal.lock().await;
    plan_of_known(journal.connection.as_mut().unwrap()).await;
}
