//! Histories, page by page.

use geocast::{
    domain::{LinkObservation, LinkSource, NodeId},
    storage::{HistoryQuery, StoreError},
};

use crate::{
    House,
    reports::{NOON, after, all, at, commit, full, latitudes, message, of, report},
};

pub(crate) async fn a_history_is_paged_without_gaps_or_repeats(house: &House) {
    let store = house.open().await;
    // Three positions at each second, more than one page of each.
    let reports: Vec<_> = (0..31_u32)
        .map(|n| at(1, n.into(), after(100), n.cast_signed(), after((n / 3).into())))
        .collect();
    commit(&store, &reports).await;
    commit(&store, &[at(2, 1, after(100), -1, after(5))]).await;
    let expected: Vec<i32> = (0..31).rev().collect();
    for limit in [1, 2, 3, 4, 10, 30, 31, 32] {
        let mut seen = Vec::new();
        let mut query = HistoryQuery { limit, ..of(1) };
        loop {
            let page = store.positions(&query).await.unwrap();
            assert!(page.records.len() <= limit as usize);
            seen.extend(latitudes(&page));
            assert!(seen.len() <= expected.len(), "pages of {limit} repeat: {seen:?}");
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

pub(crate) async fn new_records_do_not_disturb_the_pages_that_follow(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..6).map(|n| message(1, n, after(n), &n.to_string())).collect();
    commit(&store, &reports).await;
    let mut query = HistoryQuery { limit: 3, ..all() };
    let page = store.messages(&query).await.unwrap();
    commit(&store, &[message(1, 7, after(10), "new")]).await;
    query.cursor = page.next;
    let page = store.messages(&query).await.unwrap();
    let texts: Vec<_> = page.records.iter().map(|said| &*said.text).collect();
    assert_eq!(texts, ["2", "1", "0"]);
    assert_eq!(page.next, None);
}

pub(crate) async fn a_history_begins_at_from_and_ends_before_to(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> =
        (0..10_u32).map(|n| at(1, n.into(), NOON, n.cast_signed(), after(n.into()))).collect();
    commit(&store, &reports).await;
    let query = HistoryQuery { from: Some(after(3)), to: Some(after(6)), ..of(1) };
    assert_eq!(latitudes(&store.positions(&query).await.unwrap()), [5, 4, 3]);
    let query = HistoryQuery { from: Some(after(6)), to: Some(after(3)), ..of(1) };
    assert!(store.positions(&query).await.unwrap().records.is_empty());
    // A page that ends within the span leads to the rest of the span.
    let query = HistoryQuery { from: Some(after(3)), to: Some(after(6)), limit: 2, ..of(1) };
    let cursor = store.positions(&query).await.unwrap().next;
    let rest = store.positions(&HistoryQuery { cursor, ..query }).await.unwrap();
    assert_eq!((latitudes(&rest), rest.next), (vec![3], None));
}

pub(crate) async fn links_are_found_from_either_end(house: &House) {
    let store = house.open().await;
    let link = |from, to| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(to),
        snr_db: None,
        source: LinkSource::Traceroute,
    };
    let mut told = report(9, 1, 1, NOON);
    told.links = vec![link(1, 2), link(2, 3), link(3, 1), link(1, 1), link(4, 5)];
    commit(&store, &[told]).await;
    let query = HistoryQuery { limit: 2, ..of(1) };
    let first = store.links(&query).await.unwrap();
    let second = store.links(&HistoryQuery { cursor: first.next, ..query }).await.unwrap();
    assert_eq!(second.next, None);
    let seen: Vec<_> =
        first.records.into_iter().chain(second.records).map(|row| row.link).collect();
    assert_eq!(seen, [link(1, 1), link(3, 1), link(1, 2)]);
    assert_eq!(store.links(&all()).await.unwrap().records.len(), 5);
}

pub(crate) async fn a_cursor_that_nobody_gave_is_refused(house: &House) {
    let store = house.open().await;
    commit(&store, &[full(1, 1, NOON)]).await;
    for garbage in ["", "x", "1", "1.2.3", "1;DROP TABLE nodes", "99999999999999999999.1", "\0.\0"]
    {
        let query = HistoryQuery { cursor: Some(garbage.into()), ..of(1) };
        assert!(matches!(store.positions(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.telemetry(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.messages(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.links(&query).await, Err(StoreError::InvalidCursor)));
    }
}
