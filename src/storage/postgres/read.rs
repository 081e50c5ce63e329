//! Reading: rows as they come from the driver, pages of histories, and nodes.

use sqlx::{Decode, PgConnection, Postgres, Row as _, Type, ValueRef as _, postgres::PgRow};

use super::connection::failed;
use crate::{
    domain::{Node, Timestamp},
    storage::{
        Page, StoreError,
        sql::{
            columns::Cells,
            history::Question,
            nodes::{self, node_columns},
        },
    },
};

impl Cells for PgRow {
    fn integer(&self, at: usize) -> Result<Option<i64>, StoreError> {
        Ok(match width(self, at)? {
            2 => get::<i16>(self, at)?.map(i64::from),
            4 => get::<i32>(self, at)?.map(i64::from),
            _ => get(self, at)?,
        })
    }

    fn number(&self, at: usize) -> Result<Option<f64>, StoreError> {
        Ok(match width(self, at)? {
            4 => get::<f32>(self, at)?.map(f64::from),
            _ => get(self, at)?,
        })
    }

    fn text(&self, at: usize) -> Result<Option<&str>, StoreError> {
        get(self, at)
    }

    fn flag(&self, at: usize) -> Result<Option<bool>, StoreError> {
        get(self, at)
    }
}

/// How many bytes a number has; 0 where it is NULL.
fn width(row: &PgRow, at: usize) -> Result<usize, StoreError> {
    let value = row.try_get_raw(at).map_err(failed)?;
    if value.is_null() {
        return Ok(0);
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode).map_err(failed)?;
    Ok(bytes.len())
}

fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    at: usize,
) -> Result<Option<T>, StoreError> {
    row.try_get(at).map_err(failed)
}

/// A page of a history.
pub(super) async fn page<T>(
    connection: &mut PgConnection,
    question: &Question<PgRow, T>,
) -> Result<Page<T>, StoreError> {
    let rows = sqlx::query(question.sql)
        .bind(&question.node)
        .bind(question.span.first)
        .bind(question.span.last)
        .bind(question.span.after.time)
        .bind(question.span.after.row)
        .bind(question.span.rows())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    question.answer(&rows)
}

/// All nodes heard at or after `since`, the oldest first.
pub(super) async fn heard_since(
    connection: &mut PgConnection,
    since: Timestamp,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        node_columns!(),
        " FROM nodes WHERE last_heard >= $1 AND id NOT IN (SELECT node FROM kept_out) \
          ORDER BY last_heard, id"
    );
    let query = sqlx::query(SQL).bind(since.as_millis());
    let rows = query.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(nodes::from_row).collect()
}

/// The nodes of these ids, as far as there are any.
pub(super) async fn held(
    connection: &mut PgConnection,
    ids: Vec<String>,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!("SELECT ", node_columns!(), " FROM nodes WHERE id = ANY($1)");
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(SQL).bind(ids).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(nodes::from_row).collect()
}
