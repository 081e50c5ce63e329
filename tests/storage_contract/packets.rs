//! What counts as a packet, as a further copy, and as the same copy again.

use std::time::Duration;

use geocast::domain::{Filed, NodeId, PACKET_WINDOW};

use crate::{
    House,
    reports::{NOON, SECOND, after, all, at, commit, full, latitudes, message, nodes, of, report},
};

pub(crate) async fn the_first_copy_is_a_packet_and_the_others_are_receptions(house: &House) {
    let store = house.open().await;
    let filed = commit(
        &store,
        &[report(1, 9, 1, NOON), report(1, 9, 2, after(1)), report(1, 9, 1, after(2))],
    )
    .await;
    assert_eq!(filed, [Filed::Packet, Filed::Reception, Filed::Duplicate]);
    let filed = commit(&store, &[report(1, 9, 2, after(3)), report(1, 9, 3, after(4))]).await;
    assert_eq!(filed, [Filed::Duplicate, Filed::Reception]);
}

pub(crate) async fn a_further_copy_changes_no_state(house: &House) {
    let store = house.open().await;
    commit(&store, &[at(1, 9, NOON, 1, NOON)]).await;
    let before = nodes(&store).await;
    let mut copy = at(1, 9, after(5), 2, after(5));
    copy.reception.gateway = NodeId::Radio(2);
    assert_eq!(commit(&store, &[copy.clone(), copy]).await, [Filed::Reception, Filed::Duplicate]);
    assert_eq!(nodes(&store).await, before);
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [1]);
}

pub(crate) async fn two_senders_may_use_the_same_packet_id(house: &House) {
    let store = house.open().await;
    let filed = commit(&store, &[report(1, 9, 1, NOON), report(2, 9, 1, NOON)]).await;
    assert_eq!(filed, [Filed::Packet, Filed::Packet]);
    assert_eq!(commit(&store, &[report(2, 9, 1, NOON)]).await, [Filed::Duplicate]);
}

pub(crate) async fn every_packet_id_of_64_bits_is_kept_apart(house: &House) {
    let store = house.open().await;
    let ids = [0, 1, u64::from(u32::MAX), 1 << 63, u64::MAX >> 1, u64::MAX];
    let reports = ids.map(|id| message(1, id, NOON, "hi"));
    assert_eq!(commit(&store, &reports).await, [Filed::Packet; 6]);
    assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 6]);
    let said = store.messages(&all()).await.unwrap().records;
    assert_eq!(said.iter().rev().map(|said| said.packet_id).collect::<Vec<_>>(), ids);
}

pub(crate) async fn a_packet_id_stands_for_another_packet_after_the_window(house: &House) {
    let store = house.open().await;
    let end = NOON.plus(PACKET_WINDOW);
    commit(&store, &[report(1, 9, 1, NOON)]).await;
    assert_eq!(commit(&store, &[report(1, 9, 2, end)]).await, [Filed::Reception]);
    let later = end.plus(Duration::from_millis(1));
    assert_eq!(commit(&store, &[report(1, 9, 1, later)]).await, [Filed::Packet]);
    // The new packet now stands for the number.
    assert_eq!(commit(&store, &[report(1, 9, 2, later)]).await, [Filed::Reception]);
    assert_eq!(commit(&store, &[report(1, 9, 1, later)]).await, [Filed::Duplicate]);
}

pub(crate) async fn the_window_holds_when_the_clock_goes_back(house: &House) {
    let store = house.open().await;
    commit(&store, &[report(1, 9, 1, NOON)]).await;
    let back = NOON.minus(PACKET_WINDOW);
    assert_eq!(commit(&store, &[report(1, 9, 1, back)]).await, [Filed::Duplicate]);
    let further_back = back.minus(Duration::from_millis(1));
    assert_eq!(commit(&store, &[report(1, 9, 1, further_back)]).await, [Filed::Packet]);
}

pub(crate) async fn a_clock_that_jumps_loses_and_doubles_nothing(house: &House) {
    let store = house.open().await;
    // A day ahead, an hour behind, and right again; the node's own clock goes on all the time.
    let (day, hour) = (Duration::from_hours(24), Duration::from_hours(1));
    let clock = [NOON, NOON.plus(day), NOON.minus(hour), after(3)];
    let told =
        [0, 1, 2, 3].map(|n: u8| at(1, n.into(), clock[usize::from(n)], n.into(), after(n.into())));
    for report in &told {
        assert_eq!(commit(&store, std::slice::from_ref(report)).await, [Filed::Packet]);
    }
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [3, 2, 1, 0]);
    let node = nodes(&store).await.remove(0);
    assert_eq!(node.position.unwrap().place.latitude_e7(), 3);
    store.close().await;
    // The newest sign of life lies ahead of the clock, and so was no absence.
    let store = house.open().await;
    assert_eq!(commit(&store, &told).await, [Filed::Duplicate; 4]);
    let mut copy = told[3].clone();
    (copy.reception.gateway, copy.reception.arrived) = (NodeId::Radio(2), NOON.minus(SECOND));
    assert_eq!(commit(&store, &[copy]).await, [Filed::Reception]);
    assert_eq!(nodes(&store).await, [node]);
}

pub(crate) async fn what_is_told_twice_is_filed_the_same_way_twice(house: &House) {
    let store = house.open().await;
    let minutes = |minutes: u64| after(minutes * 60);
    // The copy in the middle could as well be one of the packet that comes later.
    let told = [
        report(1, 9, 1, minutes(0)),
        report(1, 9, 2, minutes(11)),
        report(1, 9, 1, minutes(20)),
        report(1, 9, 2, minutes(21)),
    ];
    let filed = [Filed::Packet, Filed::Reception, Filed::Packet, Filed::Reception];
    assert_eq!(commit(&store, &told).await, filed);
    assert_eq!(commit(&store, &told).await, [Filed::Duplicate; 4]);
}

pub(crate) async fn a_redelivered_packet_is_stored_once_however_long_the_server_was_away(
    house: &House,
) {
    let store = house.open().await;
    commit(&store, &[report(1, 9, 1, NOON), report(2, 5, 1, after(2))]).await;
    // Killed: the store is dropped without being closed.
    drop(store);
    let store = house.open().await;
    let day = Duration::from_hours(24);
    assert_eq!(commit(&store, &[report(1, 9, 1, NOON.plus(day))]).await, [Filed::Duplicate]);
    // Other packets may come between, and more stops.
    let later = after(60).plus(day);
    assert_eq!(commit(&store, &[report(3, 1, 1, later)]).await, [Filed::Packet]);
    store.close().await;
    let store = house.open().await;
    let days = day * 2;
    let late = [
        report(2, 5, 1, after(61).plus(days)),
        report(1, 9, 2, after(62).plus(days)),
        report(3, 1, 1, after(63).plus(days)),
    ];
    let filed = [Filed::Duplicate, Filed::Reception, Filed::Duplicate];
    assert_eq!(commit(&store, &late).await, filed);
    // The window goes on while the server runs.
    let over = after(70).plus(days).plus(PACKET_WINDOW);
    assert_eq!(commit(&store, &[report(1, 9, 1, over)]).await, [Filed::Packet]);
}

pub(crate) async fn what_a_broker_delivers_again_is_stored_once_however_long_the_connection_was_lost(
    house: &House,
) {
    let store = house.open().await;
    let again = |sender, id, gateway, arrived| {
        let mut report = report(sender, id, gateway, arrived);
        report.reception.redelivered_since = Some(NOON);
        report
    };
    commit(&store, &[report(1, 9, 1, after(5)), report(2, 5, 1, after(6))]).await;
    // The server ran all the time, and heard another broker.
    let hours = |hours| NOON.plus(Duration::from_hours(hours));
    commit(&store, &[report(3, 1, 1, hours(1)), report(3, 2, 1, hours(3))]).await;
    let late = [
        again(1, 9, 1, hours(3)),
        // Was not committed before.
        again(1, 9, 2, hours(3)),
        again(4, 4, 1, hours(3)),
        again(4, 4, 1, hours(3)),
        // Not delivered before, so the sender uses the number again.
        report(2, 5, 1, hours(3)),
    ];
    let filed =
        [Filed::Duplicate, Filed::Reception, Filed::Packet, Filed::Duplicate, Filed::Packet];
    assert_eq!(commit(&store, &late).await, filed);
    // Of two packets with the number, the later one stands for it.
    assert_eq!(commit(&store, &[again(2, 5, 2, hours(4))]).await, [Filed::Reception]);
    // What came before the session began is another packet.
    let mut other = again(1, 9, 1, hours(5));
    other.reception.redelivered_since = Some(hours(5));
    assert_eq!(commit(&store, &[other]).await, [Filed::Packet]);
}

pub(crate) async fn a_batch_larger_than_any_statement_is_stored(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..2_345_u32).map(|n| full(n, 1, after(n.into()))).collect();
    assert_eq!(commit(&store, &reports).await, vec![Filed::Packet; 2_345]);
    assert_eq!(commit(&store, &reports).await, vec![Filed::Duplicate; 2_345]);
    assert_eq!(nodes(&store).await.len(), 2_345);
    let links = store.links(&all()).await.unwrap().records;
    assert_eq!(links.len(), reports.iter().map(|report| report.links.len()).sum::<usize>());
}
