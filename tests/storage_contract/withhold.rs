//! What is not to be stored any more, in any database.

use std::sync::Arc;

use geocast::{
    domain::{
        Link, LinkObservation, LinkSource, Links, NodeId, OkToMqtt, Place, Remark, Report, Stamp,
        Timestamp,
        policy::{HomeZone, Left, Policy, Precision, Rules, Why},
    },
    storage::{Erasure, KeptOutRow, Reapplied, Store},
};

use crate::{
    House,
    reports::{after, all, at, commit, full, latitudes, message, nodes, of, report},
};

const FORGOTTEN: Left = Left { why: Why::Forgotten, since: Timestamp::from_millis(7) };

async fn erase(store: &Arc<dyn Store>, node: u32) {
    let mut from = Erasure::default();
    while let Some(next) = store.erase(&NodeId::Radio(node), from, 2).await.unwrap() {
        from = next;
    }
}

async fn apply(store: &Arc<dyn Store>, policy: &Policy) {
    let mut from = Some(Reapplied::default());
    while let Some(step) = from {
        from = store.reapply(policy, step, 2).await.unwrap();
    }
}

/// Everything that is stored, as text, newest first.
async fn everything(store: &Arc<dyn Store>) -> String {
    let positions = store.positions(&all()).await.unwrap().records;
    let telemetry = store.telemetry(&all()).await.unwrap().records;
    let messages = store.messages(&all()).await.unwrap().records;
    let links = store.links(&all()).await.unwrap().records;
    let mut nodes = nodes(store).await;
    nodes.sort_by(|one, other| one.id.cmp(&other.id));
    format!("{positions:?}\n{telemetry:?}\n{messages:?}\n{links:?}\n{nodes:?}")
}

pub(crate) async fn who_heard_a_node_is_told_the_newest_first(house: &House) {
    let store = house.open().await;
    let copy = |id, gateway, seconds| report(1, id, gateway, after(seconds));
    let mut reports = vec![copy(1, 7, 1), copy(1, 8, 2), copy(2, 7, 3), copy(3, 0, 4)];
    reports.push(report(2, 1, 9, after(5)));
    commit(&store, &reports).await;
    let heard = store.heard(&NodeId::Radio(1), 3).await.unwrap();
    let told: Vec<_> = heard.iter().map(|heard| (heard.gateway.clone(), heard.time)).collect();
    let by = |gateway, seconds| (NodeId::Radio(gateway), after(seconds));
    // Who is not told of is no gateway.
    assert_eq!(told, [by(7, 3), by(8, 2), by(7, 1)]);
    assert_eq!((heard[0].port, heard[0].channel.as_deref()), (3, Some("LongFast")));
    assert_eq!(store.heard(&NodeId::Radio(1), 1).await.unwrap(), []);
    assert_eq!(store.heard(&NodeId::Radio(3), 3).await.unwrap(), []);
    store.close().await;
}

/// Node 3 hears node 2, by gateway 2.
pub(crate) fn hearing(id: u64) -> Report {
    let mut heard = report(3, id, 2, after(id));
    let stamp = Stamp::heard(after(id));
    let link = |id| Link { id: NodeId::Radio(id), snr_db: None };
    heard.patch.links = Some(Arc::new(Links { stamp, neighbours: vec![link(2), link(4)] }));
    let seen = |from| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(3),
        snr_db: None,
        source: LinkSource::NeighbourInfo,
    };
    heard.links = vec![seen(2), seen(4)];
    heard.packet.to = Some(NodeId::Radio(2));
    heard
}

pub(crate) async fn a_node_that_is_erased_is_nowhere_and_the_others_are_as_before(house: &House) {
    let store = house.open().await;
    let others = [full(5, 1, after(1)), message(6, 1, after(2), "hello")];
    commit(&store, &others).await;
    let before = everything(&store).await;
    let mut reports: Vec<_> = (1..6).map(|id| full(2, id, after(10 + id))).collect();
    reports.extend((6..9).map(|id| at(2, id, after(10 + id), 5, after(id))));
    commit(&store, &reports).await;
    commit(&store, &[hearing(30)]).await;
    store.quarantine(&report(2, 99, 1, after(40)), "odd").await.unwrap();
    let remark = |time| Remark {
        time: after(time),
        reason: "no_key".into(),
        channel_hash: Some(u32::MAX),
        topic: Some("msh/EU_868".into()),
        gateway: Some(NodeId::Radio(1)),
        port: Some(70),
    };
    let notes = [(NodeId::Radio(2), remark(1)), (NodeId::Radio(5), remark(2))];
    store.note_refusals(&notes).await.unwrap();
    assert_eq!(store.refusals().await.unwrap(), notes);
    store.keep_out(&NodeId::Radio(2), FORGOTTEN).await.unwrap();
    assert_eq!(store.left(&NodeId::Radio(2)).await.unwrap(), Some(FORGOTTEN));
    assert_eq!(store.left(&NodeId::Radio(5)).await.unwrap(), None);
    erase(&store, 2).await;
    assert_eq!(store.refusals().await.unwrap(), notes[1..]);
    let left = everything(&store).await;
    assert!(!left.contains("Radio(2)"), "{left}");
    let of_three = nodes(&store).await.into_iter().find(|node| node.id == NodeId::Radio(3));
    let neighbours = &of_three.unwrap().links.unwrap().neighbours;
    assert_eq!(neighbours.len(), 1);
    let history = store.links(&of(3)).await.unwrap().records;
    assert_eq!(history.len(), 1);
    erase(&store, 3).await;
    assert_eq!(everything(&store).await, before);
    // A further copy of what was removed leaves nothing without its packet.
    commit(&store, &[report(3, 30, 7, after(41))]).await;
    store.close().await;
    let checkup = geocast::storage::check_up(&house.url).await.unwrap();
    assert_eq!(checkup.problems, Vec::<String>::new());
    let text = checkup.to_json().to_string();
    assert!(!text.contains("!00000002"), "{text}");
}

pub(crate) async fn who_is_kept_out_is_remembered_and_not_loaded(house: &House) {
    let store = house.open().await;
    let outside = Left { why: Why::OutsideRegion, since: after(1) };
    commit(&store, &[at(1, 1, after(1), 5, after(1)), report(2, 2, 1, after(2))]).await;
    let changes = store.kept_out_changes().await.unwrap();
    store.keep_out(&NodeId::Radio(1), outside).await.unwrap();
    assert!(store.kept_out_changes().await.unwrap() > changes);
    store.close().await;
    let store = house.open().await;
    let row = KeptOutRow { node: NodeId::Radio(1), left: outside, erased: true };
    assert_eq!(store.kept_out().await.unwrap(), [row]);
    let loaded: Vec<_> = nodes(&store).await.into_iter().map(|node| node.id).collect();
    assert_eq!(loaded, [NodeId::Radio(2)]);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 1, "its history is kept");
    assert!(store.let_in(&NodeId::Radio(1)).await.unwrap());
    assert!(!store.let_in(&NodeId::Radio(1)).await.unwrap());
    assert_eq!(store.kept_out().await.unwrap(), []);
    assert_eq!(nodes(&store).await.len(), 2);
    store.close().await;
}

pub(crate) async fn another_policy_is_applied_to_what_is_stored(house: &House) {
    let store = house.open().await;
    let mut reports = vec![
        at(1, 1, after(1), 470_000_001, after(1)),
        at(1, 2, after(2), 480_000_001, after(2)),
        full(2, 3, after(3)),
        at(4, 5, after(5), 470_000_001, after(5)),
    ];
    let mut named = report(3, 4, 1, after(4));
    named.patch.info.long_name = Some("Hill \u{1f6ab}".into());
    reports.push(named);
    let mut disagreeing = at(5, 6, after(6), 480_000_001, after(6));
    disagreeing.terms.ok_to_mqtt = OkToMqtt::No;
    reports.push(disagreeing);
    commit(&store, &reports).await;
    let middle = Place::from_e7(470_000_001, -740_000_000).unwrap();
    let rules = Rules {
        precision: Precision { finest: 16, coarsest: 1 },
        block_nodes: [NodeId::Radio(2)].into(),
        home_zones: vec![HomeZone { middle, radius_m: 5000.0, node: Some(NodeId::Radio(4)) }],
        ..Rules::default()
    };
    let policy = Policy { general: rules, sources: Vec::new() };
    assert_eq!(store.policy_applied().await.unwrap(), None);
    apply(&store, &policy).await;
    store.set_policy_applied(policy.fingerprint()).await.unwrap();
    assert_eq!(store.policy_applied().await.unwrap(), Some(policy.fingerprint()));

    let told = store.positions(&of(1)).await.unwrap();
    let cell = |units: i32| (units & !0xffff) + 0x8000;
    assert_eq!(latitudes(&told), [cell(480_000_001), cell(470_000_001)]);
    assert!(
        told.records
            .iter()
            .all(|position| position.altitude_m.is_none() && position.precision_bits == Some(16))
    );
    for gone in [2, 4, 5] {
        assert_eq!(store.positions(&of(gone)).await.unwrap().records, [], "of {gone}");
    }
    assert_eq!(store.telemetry(&of(2)).await.unwrap().records, []);
    assert_eq!(store.messages(&of(2)).await.unwrap().records, []);
    assert_eq!(store.links(&of(2)).await.unwrap().records, []);
    let shown = nodes(&store).await;
    let ids: Vec<_> = shown.iter().map(|node| node.id.to_string()).collect();
    assert_eq!(ids, ["!00000001", "!00000004"]);
    assert_eq!(shown[0].position.unwrap().place.latitude_e7(), cell(480_000_001));
    assert_eq!(shown[1].position, None);
    let out = store.kept_out().await.unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!((&out[0].node, out[0].left.why), (&NodeId::Radio(3), Why::OptedOut));
    let once = everything(&store).await;
    apply(&store, &policy).await;
    assert_eq!(everything(&store).await, once);
    store.close().await;
}

pub(crate) async fn a_policy_that_allows_everything_changes_nothing_stored(house: &House) {
    let store = house.open().await;
    commit(&store, &[full(1, 1, after(1)), full(2, 2, after(2)), hearing(3)]).await;
    let before = everything(&store).await;
    apply(&store, &Policy { general: Rules::permissive(), sources: Vec::new() }).await;
    assert_eq!(everything(&store).await, before);
    store.close().await;
}
