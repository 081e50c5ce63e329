//! Positions by place and time.

use std::collections::BTreeSet;

use geocast::{
    domain::{Bounds, NodeId, Place, Position, Report, Timestamp},
    storage::{PlaceQuery, StoreError, Visit},
};
use proptest::prelude::*;

use crate::{
    House,
    reports::{NOON, after, at, commit, full},
};

fn everywhere() -> PlaceQuery {
    PlaceQuery { bounds: Bounds::EVERYWHERE, from: None, to: None, limit: 100, cursor: None }
}

/// All of it but its packet.
fn said(visit: Visit) -> (NodeId, Position) {
    (visit.node, visit.position)
}

pub(crate) async fn a_visit_says_who_was_where(house: &House) {
    let store = house.open().await;
    let report = full(7, 1, NOON);
    commit(&store, std::slice::from_ref(&report)).await;
    let page = store.visits(&everywhere()).await.unwrap();
    let expected = (NodeId::Radio(7), report.patch.position.unwrap());
    let said: Vec<_> = page.records.into_iter().map(said).collect();
    assert_eq!((said, page.next), (vec![expected], None));
}

pub(crate) async fn a_cursor_for_places_that_nobody_gave_is_refused(house: &House) {
    let store = house.open().await;
    for garbage in ["", "x", "1", "1.2.3", "1;DROP TABLE nodes", "99999999999999999999.1", "\0.\0"]
    {
        let query = PlaceQuery { cursor: Some(garbage.into()), ..everywhere() };
        assert!(matches!(store.visits(&query).await, Err(StoreError::InvalidCursor)));
    }
}

/// Numbers that meet each other often, the poles and the antimeridian among them.
fn latitudes() -> impl Strategy<Value = f64> {
    prop_oneof![-90.0..=90.0, proptest::sample::select(vec![-90.0, -45.0, 0.0, 45.0, 90.0])]
}

fn longitudes() -> impl Strategy<Value = f64> {
    let corners = vec![-180.0, -179.5, -90.0, 0.0, 90.0, 179.5, 180.0];
    prop_oneof![-180.0..=180.0, proptest::sample::select(corners)]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (latitudes(), latitudes(), longitudes(), longitudes()).prop_map(|(a, b, east, west)| {
        Bounds::new(f64::max(a, b), f64::min(a, b), east, west).unwrap()
    })
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let visit = (0..3_u32, latitudes(), longitudes(), 0..12_u64);
    proptest::collection::vec(visit, 0..40).prop_map(|visits| {
        let reports = (0..).zip(visits).map(|(id, (sender, latitude, longitude, seconds))| {
            let mut report = at(sender, id, after(100), 0, after(seconds));
            let position = report.patch.position.as_mut().unwrap();
            position.place = Place::from_degrees(latitude, longitude).unwrap();
            report
        });
        reports.collect()
    })
}

fn queries() -> impl Strategy<Value = PlaceQuery> {
    let time = || proptest::option::of((0..14_u64).prop_map(after));
    (bounds(), time(), time(), 1..12_u32).prop_map(|(bounds, from, to, limit)| PlaceQuery {
        bounds,
        from,
        to,
        limit,
        cursor: None,
    })
}

/// The newest first, and of equal times the last stored.
fn expect(reports: &[Report], query: &PlaceQuery) -> Vec<(NodeId, Position)> {
    let visits = reports.iter().rev().filter_map(|report| {
        let position = report.patch.position?;
        Some((report.patch.node.clone(), position))
    });
    let matches = |(_, position): &(NodeId, Position)| {
        let time: Timestamp = position.stamp.time;
        query.bounds.contains(position.place)
            && query.from.is_none_or(|from| from <= time)
            && query.to.is_none_or(|to| time < to)
    };
    let mut visits: Vec<_> = visits.filter(matches).collect();
    visits.sort_by_key(|(_, position)| std::cmp::Reverse(position.stamp.time));
    visits
}

pub(crate) fn any_place_and_time_is_paged_without_gaps_or_repeats(
    new_house: fn() -> House,
    cases: u32,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..<_>::default() };
    proptest!(config, |(reports in reports(), queries in proptest::collection::vec(queries(), 20))| {
        let house = new_house();
        runtime.block_on(async {
            let store = house.open().await;
            commit(&store, &reports).await;
            for query in queries {
                let (mut seen, mut asked) = (Vec::new(), query.clone());
                loop {
                    let page = store.visits(&asked).await.unwrap();
                    prop_assert!(page.records.len() <= query.limit as usize);
                    seen.extend(page.records);
                    prop_assert!(seen.len() <= reports.len(), "pages repeat");
                    asked.cursor = page.next;
                    if asked.cursor.is_none() {
                        break;
                    }
                }
                let packets: BTreeSet<_> = seen.iter().map(|visit| visit.packet).collect();
                prop_assert_eq!(packets.len(), seen.len(), "each has its own");
                let seen: Vec<_> = seen.into_iter().map(said).collect();
                prop_assert_eq!(seen, expect(&reports, &query));
            }
            store.close().await;
            Ok(())
        })?;
    });
}
