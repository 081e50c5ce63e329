//! Pages of a history for who may see a part of it.

use std::future::Future;

use super::history::MAX_LIMIT;
use crate::storage::{Page, StoreError};

/// Pages of the database that are looked through for one page of an answer.
const MOST_LOOKS: usize = 8;

/// At most `limit` records that are shown, and a cursor only if more that are shown follow: a cursor
/// that leads past what is withheld would tell that it is there, and when. Only where so much is
/// withheld that looking on takes too long does the page end early, and lead on.
pub(super) async fn shown<T, F, P>(
    limit: u32,
    cursor: Option<String>,
    fetch: F,
    is_shown: impl Fn(&T) -> bool,
) -> Result<Page<T>, StoreError>
where
    F: Fn(u32, Option<String>) -> P,
    P: Future<Output = Result<Page<T>, StoreError>>,
{
    let limit = limit as usize;
    let mut records: Vec<T> = Vec::new();
    let mut start = cursor;
    // How to ask for a page of the database that ends with the last record there is room for.
    let mut full: Option<(u32, Option<String>)> = None;
    for _ in 0..MOST_LOOKS {
        let page = fetch(MAX_LIMIT, start.clone()).await?;
        for (rows, record) in (1..).zip(page.records) {
            if !is_shown(&record) {
                continue;
            }
            if let Some((rows, start)) = full {
                let next = fetch(rows, start).await?.next;
                return Ok(Page { records, next });
            }
            records.push(record);
            if records.len() >= limit {
                full = Some((rows, start.clone()));
            }
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    Ok(Page { records, next: start })
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use proptest::prelude::*;

    use super::*;

    /// Whether each record is shown, as a database would page them: a cursor is the number of records
    /// before, and no page holds more than seven.
    fn page(all: &[bool], limit: u32, cursor: Option<String>) -> Page<(usize, bool)> {
        let from = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let to = all.len().min(from + (limit as usize).min(7));
        let records = (from..to).map(|at| (at, all[at])).collect();
        Page { records, next: (to < all.len()).then(|| to.to_string()) }
    }

    async fn shown_of(all: &[bool], limit: u32, cursor: Option<String>) -> Page<(usize, bool)> {
        let fetch = |limit, cursor| ready(Ok(page(all, limit, cursor)));
        shown(limit, cursor, fetch, |(_, is_shown)| *is_shown).await.unwrap()
    }

    proptest! {
        #[test]
        fn pages_hold_what_is_shown_and_end_with_it(
            all in prop::collection::vec(any::<bool>(), 0..50),
            limit in 1..6_u32,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let expected: Vec<_> = (0..all.len()).filter(|at| all[*at]).collect();
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let page = runtime.block_on(shown_of(&all, limit, cursor));
                prop_assert!(page.records.len() <= limit as usize);
                seen.extend(page.records.into_iter().map(|(at, _)| at));
                prop_assert_eq!(page.next.is_some(), seen.len() < expected.len());
                cursor = page.next;
                let Some(cursor) = &cursor else { break };
                let before: usize = cursor.parse().unwrap();
                prop_assert_eq!(seen.last(), Some(&(before - 1)), "a cursor is of what was shown");
            }
            prop_assert_eq!(seen, expected);
        }
    }

    #[tokio::test]
    async fn who_looks_for_what_is_hardly_there_is_led_on() {
        let all = [false; 100];
        let page = shown_of(&all, 1, None).await;
        assert_eq!((page.records.len(), page.next.as_deref()), (0, Some("56")));
    }
}
