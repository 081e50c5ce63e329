//! What is kept, and what comes back.

use std::{collections::BTreeSet, str::FromStr};

use geocast::{
    domain::{
        Continuation, ContinuedMessage, ContinuedNode, Filed, Node, NodeId, Patch, Position, Stamp,
        Status, Tombstone,
    },
    storage::{LinkRow, Page, StoreError, TelemetryRow},
};

use crate::{
    FORGET_AFTER, House,
    model::everything,
    reports::{
        ANYTIME, NOON, after, all, at, commit, full, latitudes, message, nodes, of, position,
        report,
    },
};

pub(crate) async fn an_empty_store_answers(house: &House) {
    let store = house.open().await;
    store.check().await.unwrap();
    assert_eq!(commit(&store, &[]).await, []);
    let loaded = store.load(ANYTIME, 10).await.unwrap();
    assert!(loaded.nodes.is_empty() && loaded.messages.is_empty());
    assert_eq!(store.positions(&of(1)).await.unwrap(), Page { records: vec![], next: None });
}

pub(crate) async fn a_closed_store_refuses(house: &House) {
    let store = house.open().await;
    store.close().await;
    let refused = store.commit(&[&report(1, 1, 1, NOON)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.check().await.is_err());
}

pub(crate) async fn a_state_is_what_the_packets_merge_to(house: &House) {
    let store = house.open().await;
    let reports = [full(1, 1, NOON), at(1, 2, after(5), 7, after(4)), full(2, 1, after(6))];
    commit(&store, &reports).await;
    let mut first = Node::heard_first(&reports[0].patch);
    first.merge(&reports[0].patch);
    first.merge(&reports[1].patch);
    let mut second = Node::heard_first(&reports[2].patch);
    second.merge(&reports[2].patch);
    assert_eq!(nodes(&store).await, [first, second]);
}

pub(crate) async fn a_node_silent_for_too_long_starts_anew(house: &House) {
    let store = house.open().await;
    let (before, back) = (full(1, 1, NOON), report(1, 2, 1, NOON.plus(FORGET_AFTER)));
    commit(&store, &[before]).await;
    commit(&store, std::slice::from_ref(&back)).await;
    let mut anew = Node::heard_first(&back.patch);
    anew.merge(&back.patch);
    assert_eq!(nodes(&store).await, [anew]);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 1, "the history stays");
}

pub(crate) async fn an_older_position_goes_to_the_history_only(house: &House) {
    let store = house.open().await;
    commit(&store, &[at(1, 1, NOON, 1, after(50))]).await;
    commit(&store, &[at(1, 2, after(10), 2, after(40))]).await;
    let held = nodes(&store).await.remove(0);
    assert_eq!(held.position.unwrap().place.latitude_e7(), 1);
    assert_eq!(held.status.last_heard, after(10));
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [1, 2]);
}

pub(crate) async fn every_field_comes_back_as_it_was(house: &House) {
    let store = house.open().await;
    let report = full(1, 1, NOON);
    commit(&store, std::slice::from_ref(&report)).await;
    let Patch { position, telemetry, message, .. } = report.patch;
    assert_eq!(store.positions(&of(1)).await.unwrap().records, [position.unwrap()]);
    let readings = telemetry.unwrap();
    let row = TelemetryRow { time: readings.stamp.time, values: readings.values };
    assert_eq!(store.telemetry(&of(1)).await.unwrap().records, [row]);
    let said = message.unwrap();
    assert_eq!(store.messages(&all()).await.unwrap().records, std::slice::from_ref(&*said));
    assert_eq!(store.load(NOON, 10).await.unwrap().messages, std::slice::from_ref(&*said));
    let rows = report.links.into_iter().rev().map(|link| LinkRow { time: NOON, link });
    assert_eq!(store.links(&all()).await.unwrap().records, rows.collect::<Vec<_>>());
}

pub(crate) async fn a_node_with_any_name_is_kept(house: &House) {
    let store = house.open().await;
    let names = ["a", "42", "Zoë's \"tracker\" \\ [1]", "👋", "%_';--", "!a1b2c3d"];
    let mut reports = Vec::new();
    for name in names {
        let mut report = message(1, 1, NOON, name);
        let id: NodeId = name.parse().unwrap();
        report.packet.key.sender = id.clone();
        report.reception.gateway = id.clone();
        report.patch.node = id;
        reports.push(report);
    }
    assert_eq!(commit(&store, &reports).await, [Filed::Packet; 6]);
    assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 6]);
    let held: BTreeSet<String> =
        nodes(&store).await.iter().map(|node| node.id.to_string()).collect();
    assert_eq!(held, names.map(str::to_owned).into());
}

pub(crate) async fn a_name_is_kept_but_for_nul_and_a_speed_without_end_too(house: &House) {
    let store = house.open().await;
    let mut report = full(1, 1, NOON);
    report.patch.info.long_name = Some("a\0b\u{1}\u{7f}\u{ffff}".into());
    let endless =
        Position { ground_speed_kmh: Some(f32::INFINITY), ..position(1, Stamp::heard(NOON)) };
    report.patch.position = Some(endless);
    commit(&store, std::slice::from_ref(&report)).await;
    let mut expected = Node::heard_first(&report.patch);
    report.patch.info.long_name = Some("ab\u{1}\u{7f}\u{ffff}".into());
    expected.merge(&report.patch);
    assert_eq!(nodes(&store).await, std::slice::from_ref(&expected));
    report.packet.key.id = 2;
    commit(&store, &[report]).await;
    assert_eq!(nodes(&store).await, [expected]);
    assert_eq!(store.positions(&of(1)).await.unwrap().records, [endless; 2]);
}

pub(crate) async fn the_world_is_loaded_oldest_first(house: &House) {
    let store = house.open().await;
    let reports = [
        message(3, 1, after(30), "c"),
        message(1, 1, after(10), "a"),
        message(4, 1, after(40), "d"),
        message(2, 1, after(20), "b"),
    ];
    commit(&store, &reports).await;
    let loaded = store.load(after(20), 3).await.unwrap();
    let ids: Vec<_> = loaded.nodes.iter().map(|node| node.id.clone()).collect();
    assert_eq!(ids, [2, 3, 4].map(NodeId::Radio));
    let texts: Vec<_> = loaded.messages.iter().map(|said| &*said.text).collect();
    assert_eq!(texts, ["b", "c", "d"]);
}

pub(crate) async fn opening_again_keeps_everything(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..20_u32).map(|n| full(n % 5, n.into(), after(n.into()))).collect();
    commit(&store, &reports).await;
    let before = everything(&store).await;
    for _ in 0..3 {
        store.close().await;
        let store = house.open().await;
        assert_eq!(everything(&store).await, before);
        assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 20]);
        store.close().await;
    }
}

pub(crate) async fn readers_and_the_writer_work_at_once(house: &House) {
    let store = house.open().await;
    let write = async {
        for n in 0..50_u32 {
            commit(&store, &[full(1, n.into(), after(n.into()))]).await;
        }
    };
    let read = async {
        for _ in 0..50 {
            store.load(ANYTIME, 10).await.unwrap();
            store.positions(&of(1)).await.unwrap();
        }
    };
    tokio::join!(write, read);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 50);
}

pub(crate) async fn what_a_run_leaves_is_taken_once(house: &House) {
    let store = house.open().await;
    assert_eq!(store.take_left().await.unwrap(), None);
    let status = Status { online: true, last_heard: NOON };
    let named = NodeId::from_str("tracker/7").unwrap();
    let left = Continuation {
        epoch: "19a-7".to_owned(),
        revision: u64::MAX >> 1,
        horizon: 3,
        last_number: 2,
        nodes: vec![ContinuedNode {
            id: named.clone(),
            number: 1,
            changed: [9, 8, 7, 6, 5],
            fingerprint: u64::MAX,
            status,
        }],
        tombstones: vec![Tombstone { id: NodeId::Radio(2), number: 2, revision: 4, since: NOON }],
        messages: vec![ContinuedMessage { from: named, packet_id: u64::MAX, revision: 11 }],
    };
    store.leave(&Continuation::default()).await.unwrap();
    store.leave(&left).await.unwrap();
    store.close().await;
    let store = house.open().await;
    assert_eq!(store.take_left().await.unwrap(), Some(left));
    assert_eq!(store.take_left().await.unwrap(), None);
}
