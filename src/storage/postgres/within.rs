//! Positions by place and time.

use sqlx::PgConnection;

use super::connection::failed;
use crate::storage::{
    Page, PlaceQuery, StoreError, Visit,
    sql::visits::{self, END, VISITS, VISITS_ACROSS},
};

/// Entries that one page looks at. Those that were stored lately cost a look at their row.
const MOST_ENTRIES: i64 = 200_000;

pub(super) async fn visits(
    connection: &mut PgConnection,
    query: &PlaceQuery,
) -> Result<Page<Visit>, StoreError> {
    let span = visits::span(query)?;
    let end: Option<i64> = sqlx::query_scalar(END)
        .bind(span.first)
        .bind(span.last)
        .bind(MOST_ENTRIES)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let (south, north) = query.bounds.latitudes_e7();
    let ((west, east), beyond) = query.bounds.longitudes_e7();
    let mut question = sqlx::query(if beyond.is_some() { VISITS_ACROSS } else { VISITS })
        .bind(end.unwrap_or(span.first))
        .bind(span.last)
        .bind(span.after.time)
        .bind(span.after.row)
        .bind(south)
        .bind(north)
        .bind(west)
        .bind(east)
        .bind(span.rows());
    if let Some((west, east)) = beyond {
        question = question.bind(west).bind(east);
    }
    let rows = question.fetch_all(connection).await.map_err(failed)?;
    visits::answer(&span, end, &rows)
}
