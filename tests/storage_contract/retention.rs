//! What is too old is removed, and nothing else.

use std::{sync::Arc, time::Duration};

use geocast::{
    domain::{Filed, NodeId, PACKET_WINDOW, Report, Timestamp},
    storage::{History, Keep, Reason, Store, check_up},
};

use crate::{
    House,
    model::everything,
    reports::{NOON, SECOND, after, all, at, commit, full, latitudes, message, nodes, of, report},
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Steps until there is nothing more to do, and says what was removed in all.
pub(crate) async fn sweep(
    store: &Arc<dyn Store>,
    keep: &Keep,
    now: Timestamp,
) -> Vec<(History, Reason, u64)> {
    let mut removed = Vec::new();
    loop {
        let swept = store.sweep(keep, now, 7).await.unwrap();
        removed.extend(swept.removed);
        if !swept.more {
            return removed;
        }
    }
}

fn rows(removed: &[(History, Reason, u64)], history: History) -> u64 {
    removed.iter().filter(|(of, ..)| *of == history).map(|(.., rows)| rows).sum()
}

/// Packets that say everything, one a day for a week, and each from another gateway's copy as well. Answers the
/// time after the midnight that ends the last day: a database may remove whole days only.
async fn a_week(store: &Arc<dyn Store>) -> Timestamp {
    for day in 0..7_u32 {
        let report = full(1, day.into(), NOON.plus(DAY * day));
        let mut copy = report.clone();
        copy.reception.gateway = NodeId::Radio(2);
        commit(store, &[report, copy]).await;
    }
    NOON.plus(DAY * 6 + HOUR * 10)
}

pub(crate) async fn histories_are_kept_for_ever_unless_told_otherwise(house: &House) {
    let store = house.open().await;
    a_week(&store).await;
    let before = everything(&store).await;
    assert_eq!(sweep(&store, &Keep::default(), after(4_000_000_000)).await, []);
    assert_eq!(everything(&store).await, before);
}

pub(crate) async fn each_history_has_an_age_of_its_own(house: &House) {
    let store = house.open().await;
    let now = a_week(&store).await;
    let nodes_before = nodes(&store).await;
    let keep = Keep {
        packets: Some(DAY * 2),
        positions: Some(DAY * 3),
        telemetry: Some(DAY * 4),
        messages: Some(DAY * 5),
        links: Some(DAY * 6),
        database_bytes: None,
    };
    let removed = sweep(&store, &keep, now).await;
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 3);
    assert_eq!(store.telemetry(&of(1)).await.unwrap().records.len(), 4);
    assert_eq!(store.messages(&all()).await.unwrap().records.len(), 5);
    assert_eq!(store.links(&all()).await.unwrap().records.len(), 2 * 6);
    let expected = [5, 10, 4, 3, 2, 2];
    for (history, expected) in History::ALL.into_iter().zip(expected) {
        assert_eq!(rows(&removed, history), expected, "{history:?}");
    }
    assert!(removed.iter().all(|(_, reason, _)| *reason == Reason::Age));
    assert_eq!(nodes(&store).await, nodes_before, "the map is not touched");
    assert_eq!(sweep(&store, &keep, now).await, [], "there is nothing left to do");
    store.close().await;
    let store = house.open().await;
    assert_eq!(nodes(&store).await, nodes_before);
    assert_eq!(store.messages(&all()).await.unwrap().records.len(), 5);
}

/// Whatever a node says of the time, its positions go when the others go that were heard with them.
pub(crate) async fn a_lying_clock_neither_keeps_a_row_nor_removes_it(house: &House) {
    let store = house.open().await;
    let said = [Timestamp::from_millis(0), NOON, NOON.plus(DAY * 4000)];
    let heard = |first: u64, heard| {
        let numbered = (first..).zip(said);
        let reports = numbered.map(|(n, time)| at(1, n, heard, i32::try_from(n).unwrap(), time));
        reports.collect::<Vec<_>>()
    };
    let (old, new) = (heard(1, NOON), heard(4, NOON.plus(DAY)));
    commit(&store, &old).await;
    commit(&store, &new).await;
    let keep = Keep { positions: Some(HOUR), ..Keep::default() };
    sweep(&store, &keep, NOON.plus(DAY)).await;
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [6, 5, 4]);
}

pub(crate) async fn packets_stay_that_a_copy_may_still_come_of(house: &House) {
    let store = house.open().await;
    let old = report(1, 1, 1, NOON.minus(PACKET_WINDOW * 2));
    let young = report(1, 2, 1, NOON.minus(PACKET_WINDOW / 2));
    commit(&store, &[old.clone(), young.clone(), report(1, 3, 1, NOON)]).await;
    let keep = Keep { packets: Some(SECOND), ..Keep::default() };
    let removed = sweep(&store, &keep, NOON.plus(SECOND * 2)).await;
    assert_eq!(rows(&removed, History::Packets), 1);
    let again = |report: &Report| {
        let mut again = report.clone();
        again.reception.arrived = NOON.plus(SECOND);
        again
    };
    assert_eq!(commit(&store, &[again(&young)]).await, [Filed::Duplicate]);
    // The old one is as old as the window, so it would be another packet anyway.
    assert_eq!(commit(&store, &[again(&old)]).await, [Filed::Packet]);
}

pub(crate) async fn an_absence_ages_no_packet(house: &House) {
    let store = house.open().await;
    let reports = [report(1, 1, 1, NOON), report(1, 2, 1, after(60))];
    commit(&store, &reports).await;
    store.close().await;
    let keep = Keep { packets: Some(SECOND), ..Keep::default() };
    // Back after days. What the broker delivers again may take a while to come.
    let store = house.open().await;
    let back = NOON.plus(DAY * 40);
    assert_eq!(sweep(&store, &keep, back).await, []);
    let arrived = |report: &Report, seconds: u32| {
        let mut again = report.clone();
        again.reception.arrived = back.plus(SECOND * seconds);
        again
    };
    assert_eq!(commit(&store, &[arrived(&reports[0], 1)]).await, [Filed::Duplicate]);
    assert_eq!(sweep(&store, &keep, back.plus(SECOND * 300)).await, []);
    store.close().await;
    let store = house.open().await;
    assert_eq!(commit(&store, &[arrived(&reports[1], 300)]).await, [Filed::Duplicate]);
    // Long after, with newer packets, they go.
    let late = report(1, 9, 1, back.plus(DAY));
    commit(&store, &[late]).await;
    let removed = sweep(&store, &keep, back.plus(DAY)).await;
    assert_eq!(rows(&removed, History::Packets), 2);
}

pub(crate) async fn a_packet_and_its_receptions_go_together(house: &House) {
    let store = house.open().await;
    let now = a_week(&store).await;
    let mut steps = 0;
    // By the day where a database can, and then one by one.
    for age in [DAY * 3, SECOND] {
        let keep = Keep { packets: Some(age), ..Keep::default() };
        while store.sweep(&keep, now, 2).await.unwrap().more {
            let checkup = check_up(&house.url).await.unwrap();
            assert!(checkup.problems.is_empty(), "{checkup}");
            steps += 1;
        }
    }
    assert!(steps > 1);
}

/// A packet's number stands for it in every history. Histories may be kept for longer than packets.
pub(crate) async fn what_is_stored_after_a_removal_disturbs_nothing_that_was_kept(house: &House) {
    let store = house.open().await;
    let keep = Keep { packets: Some(SECOND), messages: Some(SECOND), ..Keep::default() };
    for round in 0..5_u32 {
        let now = NOON.plus(DAY * round);
        let reports: Vec<_> = (0..10_u32)
            .map(|n| {
                let latitude = (round * 10 + n).cast_signed();
                let mut report = at(1, (round * 10 + n).into(), now, latitude, now);
                report.patch.message = message(1, n.into(), now, "x").patch.message;
                report
            })
            .collect();
        let filed = commit(&store, &reports).await;
        assert_eq!(filed, [Filed::Packet; 10]);
        sweep(&store, &keep, now.plus(HOUR)).await;
        assert!(store.messages(&all()).await.unwrap().records.is_empty());
    }
    let kept = latitudes(&store.positions(&of(1)).await.unwrap());
    assert_eq!(kept, (0..50).rev().collect::<Vec<_>>());
}

pub(crate) async fn a_removal_is_in_the_sizes(house: &House) {
    let store = house.open().await;
    let now = a_week(&store).await;
    let keep = Keep { positions: Some(DAY * 3), ..Keep::default() };
    sweep(&store, &keep, now).await;
    let sizes = store.sizes().await.unwrap();
    let tables: Vec<_> = sizes.tables.iter().map(|size| size.history).collect();
    assert_eq!(tables, History::ALL);
    assert!(sizes.tables.iter().all(|size| size.bytes > 0), "{sizes:?}");
    let sum: u64 = sizes.tables.iter().map(|size| size.bytes).sum();
    assert!(sum <= sizes.used_bytes && sizes.used_bytes <= sizes.total_bytes, "{sizes:?}");
}
