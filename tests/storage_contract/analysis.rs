//! Stretches of time as a whole.

use std::collections::{BTreeMap, BTreeSet};

use geocast::{
    domain::{NodeId, Report},
    storage::{HeardOf, Hearing, SignalCount, SignalKind, Spread, Total, Window},
};

use crate::{
    House,
    reports::{after, commit, report},
};

/// Two senders, two gateways, over three hours; some signals are not stated.
fn mixed() -> Vec<Report> {
    let copies = [
        (1, 10, 101, 0, Some(-7.0), Some(-100), 3),
        (1, 10, 102, 1, Some(5.0), Some(-60), 3),
        (2, 11, 101, 2, None, Some(-101), 1),
        (1, 12, 101, 3700, Some(-9.0), None, 2),
        (1, 13, 101, 7300, Some(1.0), Some(-80), 3),
    ];
    let reports = copies.map(|(sender, id, gateway, seconds, snr_db, rssi_dbm, hop_limit)| {
        let mut report = report(sender, id, gateway, after(seconds));
        report.reception.snr_db = snr_db;
        report.reception.rssi_dbm = rssi_dbm;
        (report.reception.hop_start, report.reception.hop_limit) = (Some(3), Some(hop_limit));
        report
    });
    reports.to_vec()
}

fn window(from: u64, to: u64) -> Window {
    Window { from: after(from), to: after(to) }
}

fn spread(values: &[f64]) -> Option<Spread> {
    values.iter().copied().map(Spread::of).reduce(Spread::and)
}

fn sorted(mut hearing: Hearing) -> Hearing {
    hearing.heard.sort_by_key(|heard| (heard.gateway.clone(), heard.sender.clone()));
    hearing.signals.sort_by_key(|signal| (signal.gateway.clone(), signal.kind, signal.middle));
    hearing
}

pub(crate) async fn gateways_are_told_apart_by_whom_they_heard_and_how_well(house: &House) {
    let store = house.open().await;
    commit(&store, &mixed()).await;
    let [one, two] = [1, 2].map(NodeId::Radio);
    let [near, far] = [101, 102].map(NodeId::Radio);
    let signal = |gateway: &NodeId, kind, middle, receptions| SignalCount {
        gateway: gateway.clone(),
        kind,
        middle,
        receptions,
    };
    let of_two = HeardOf {
        gateway: near.clone(),
        sender: two,
        receptions: 1,
        direct: 0,
        first: after(2),
        last: after(2),
        snr_db: None,
        rssi_dbm: spread(&[-101.0]),
    };
    let expected = Hearing {
        heard: vec![
            HeardOf {
                gateway: near.clone(),
                sender: one.clone(),
                receptions: 2,
                direct: 1,
                first: after(0),
                last: after(3700),
                snr_db: spread(&[-7.0, -9.0]),
                rssi_dbm: spread(&[-100.0]),
            },
            of_two,
            HeardOf {
                gateway: far.clone(),
                sender: one,
                receptions: 1,
                direct: 1,
                first: after(1),
                last: after(1),
                snr_db: spread(&[5.0]),
                rssi_dbm: spread(&[-60.0]),
            },
        ],
        signals: Vec::new(),
    };
    let hearing = sorted(store.hearing(window(0, 7300)).await.unwrap());
    assert_eq!(hearing.heard, expected.heard, "the packet at the end is not in");
    // Classes of 2 dB and 10 dBm; which of two a value between them is in, the database decides.
    let rssi: Vec<_> =
        hearing.signals.iter().filter(|signal| signal.kind == SignalKind::Rssi).cloned().collect();
    let classes =
        [signal(&near, SignalKind::Rssi, -100, 2), signal(&far, SignalKind::Rssi, -60, 1)];
    assert_eq!(rssi, classes);
    let snr = hearing.signals.iter().filter(|signal| signal.kind == SignalKind::Snr);
    assert_eq!(snr.map(|signal| signal.receptions).sum::<u64>(), 3);
    let nothing = store.hearing(window(8000, 9000)).await.unwrap();
    assert_eq!(nothing, Hearing::default());
}

pub(crate) async fn totals_are_counted_by_buckets_of_time(house: &House) {
    const HOUR_MS: i64 = 3_600_000;
    let store = house.open().await;
    let reports = mixed();
    commit(&store, &reports).await;
    let mut expected: BTreeMap<i64, [BTreeSet<String>; 4]> = BTreeMap::new();
    // A copy counts in the bucket of its packet.
    let mut packets: BTreeMap<u64, i64> = BTreeMap::new();
    for report in &reports {
        let arrived = report.reception.arrived.as_millis().div_euclid(HOUR_MS);
        let bucket = *packets.entry(report.packet.key.id).or_insert(arrived);
        let gateway = report.reception.gateway.to_string();
        let id = report.packet.key.id.to_string();
        let [ids, senders, copies, gateways] = expected.entry(bucket).or_default();
        copies.insert(format!("{id} by {gateway}"));
        gateways.insert(gateway);
        senders.insert(report.packet.key.sender.to_string());
        ids.insert(id);
    }
    let totals = store.totals(window(0, 100_000), HOUR_MS).await.unwrap();
    let found = totals.iter().map(|total| {
        let Total { time, packets, senders, receptions, gateways } = total;
        assert_eq!(time.as_millis() % HOUR_MS, 0);
        (time.as_millis() / HOUR_MS, [*packets, *senders, *receptions, *gateways])
    });
    let expected = expected.into_iter().rev();
    let expected: Vec<_> =
        expected.map(|(bucket, sets)| (bucket, sets.map(|set| set.len() as u64))).collect();
    assert_eq!(expected.len(), 3);
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(store.totals(window(0, 7300), HOUR_MS).await.unwrap().len(), 2);
}
