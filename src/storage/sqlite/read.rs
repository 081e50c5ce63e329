//! Reading: rows as they come from the driver, pages of histories, and nodes.

use sqlx::{
    Decode, Row as _, Sqlite, SqliteConnection, SqliteExecutor, SqlitePool, Type, sqlite::SqliteRow,
};

use super::failed;
use crate::{
    domain::{Node, Timestamp},
    storage::{
        Page, StoreError,
        sql::{
            columns::Cells,
            history::Question,
            nodes::{self, NodeRow, Touched, node_columns},
        },
    },
};

impl Cells for SqliteRow {
    fn integer(&self, at: usize) -> Result<Option<i64>, StoreError> {
        get(self, at)
    }

    fn number(&self, at: usize) -> Result<Option<f64>, StoreError> {
        get(self, at)
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        get(self, at)
    }

    fn flag(&self, at: usize) -> Result<Option<bool>, StoreError> {
        self.integer(at).map(|flag| flag.map(|flag| flag != 0))
    }
}

fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    at: usize,
) -> Result<Option<T>, StoreError> {
    row.try_get(at).map_err(failed)
}

/// A page of a history.
pub(super) async fn page<T>(
    pool: &SqlitePool,
    question: Result<Question<SqliteRow, T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let question = question?;
    let rows = sqlx::query(question.sql)
        .bind(&question.node)
        .bind(question.span.first)
        .bind(question.span.last)
        .bind(question.span.after.time)
        .bind(question.span.after.row)
        .bind(question.span.rows())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    question.answer(&rows)
}

/// All nodes heard at or after `since`, the oldest first.
pub(super) async fn heard_since(
    source: impl SqliteExecutor<'_>,
    since: Timestamp,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!(
        "SELECT json_array(",
        node_columns!(),
        ") FROM nodes WHERE last_heard >= ?1 AND id NOT IN (SELECT node FROM kept_out) \
          ORDER BY last_heard, id"
    );
    let rows: Vec<String> =
        sqlx::query_scalar(SQL).bind(since.as_millis()).fetch_all(source).await.map_err(failed)?;
    rows.iter().map(|row| nodes::from_json(row)).collect()
}

/// What has become of the nodes touched. They are read as one row: the driver wakes a thread for
/// every row, which costs more than JSON.
pub(super) async fn merged(
    connection: &mut SqliteConnection,
    touched: Touched<'_>,
    forget_after: std::time::Duration,
) -> Result<Vec<NodeRow>, StoreError> {
    const SQL: &str = concat!(
        "SELECT json_group_array(json_array(",
        node_columns!(),
        ")) FROM nodes WHERE id IN (SELECT value FROM json_each(?1))"
    );
    let ids = touched.ids();
    if ids.is_empty() {
        return touched.merged([], forget_after);
    }
    let ids = serde_json::to_string(&ids).expect("texts always have a JSON form");
    let held: String =
        sqlx::query_scalar(SQL).bind(ids).fetch_one(connection).await.map_err(failed)?;
    touched.merged(nodes::all_from_json(&held)?, forget_after)
}
