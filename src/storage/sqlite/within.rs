//! Positions by place and time.

use sqlx::SqlitePool;

use super::failed;
use crate::storage::{
    Page, PlaceQuery, StoreError, Visit,
    sql::visits::{self, END, MOST_ENTRIES, VISITS, VISITS_ACROSS},
};

pub(super) async fn visits(
    pool: &SqlitePool,
    query: &PlaceQuery,
) -> Result<Page<Visit>, StoreError> {
    visits_among(pool, query, MOST_ENTRIES).await
}

async fn visits_among(
    pool: &SqlitePool,
    query: &PlaceQuery,
    most_entries: i64,
) -> Result<Page<Visit>, StoreError> {
    let span = visits::span(query)?;
    let end: Option<i64> = sqlx::query_scalar(END)
        .bind(span.first)
        .bind(span.last)
        .bind(most_entries)
        .fetch_optional(pool)
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
    let rows = question.fetch_all(pool).await.map_err(failed)?;
    visits::answer(&span, end, &rows)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{domain::Bounds, storage::sqlite::SqliteStore};

    #[tokio::test]
    async fn pages_that_end_early_lead_to_the_rest() {
        let store = SqliteStore::in_memory(Duration::MAX).await.unwrap();
        // Three at each time; every fifth lies in the rectangle.
        let fill = "INSERT INTO positions \
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59) \
            SELECT i, '!00000001', i / 3, i / 3, 1, iif(i % 5 = 0, 5, 50), 5, \
                NULL, NULL, NULL, NULL, NULL, NULL FROM n";
        sqlx::query(fill).execute(&store.writer).await.unwrap();
        let bounds = Bounds::new(1e-6, 0.0, 1e-6, 0.0).unwrap();
        let expected: Vec<_> =
            (0..60).filter(|i| i % 5 == 0).map(|i| i / 3).rev().collect::<Vec<i64>>();
        for (most_entries, limit) in (1..25).flat_map(|most| [(most, 1), (most, 2), (most, 100)]) {
            let mut query = PlaceQuery { bounds, from: None, to: None, limit, cursor: None };
            let (mut seen, mut pages) = (Vec::new(), 0);
            loop {
                let page = visits_among(&store.readers, &query, most_entries).await.unwrap();
                seen.extend(page.records.iter().map(|visit| visit.position.stamp.time.as_millis()));
                pages += 1;
                assert!(pages < 100, "pages of {most_entries} do not end");
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected, "pages of {limit} among {most_entries}");
        }
    }
}
