//! What is particular to a database in a file.

use std::time::Duration;

use geocast::{
    domain::Filed,
    storage::{self, History, Keep, Reason},
};

use crate::{
    FORGET_AFTER, House,
    model::everything,
    reports::{NOON, SECOND, after, all, commit, full, message, nodes, of},
    retention::sweep,
};

const HOUR: Duration = Duration::from_hours(1);

async fn refusal(url: &str) -> String {
    match storage::open(url, FORGET_AFTER).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_place_without_a_directory_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent");
    let message = refusal(&format!("sqlite:{}", absent.join("geocast.db").display())).await;
    assert!(message.contains(&format!("{} is not a directory", absent.display())), "{message}");
    let message = refusal(&format!("sqlite:{}", directory.path().display())).await;
    assert!(message.contains("it is a directory"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(&path, "Dear reader, this is a letter and not a database.\n".repeat(100))
        .unwrap();
    let message = refusal(&format!("sqlite:{}", path.display())).await;
    assert!(message.contains("letter.txt") && !message.contains('\n'), "{message}");
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_has_closed() {
    let house = House::sqlite();
    let store = house.open().await;
    let message = refusal(&house.url).await;
    assert!(message.contains("another process uses it"), "{message}");
    store.close().await;
    house.open().await;
}

#[tokio::test]
async fn a_database_in_memory_keeps_the_basics_while_it_is_open() {
    let store = storage::open("sqlite::memory:", FORGET_AFTER).await.unwrap();
    let other = storage::open("sqlite://:memory:", FORGET_AFTER).await.unwrap();
    let report = full(1, 1, NOON);
    assert_eq!(commit(&store, std::slice::from_ref(&report)).await, [Filed::Packet]);
    assert_eq!(commit(&store, &[report]).await, [Filed::Duplicate]);
    assert_eq!(nodes(&store).await.len(), 1);
    assert_eq!(nodes(&other).await.len(), 0);
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused_without_its_secrets() {
    for url in [
        "mysql://map:hunter2@db/map",
        "geocast.db",
        "sqlite:",
        "sqlite:a.db?mode=ro",
        "postgres://map:hunter2@db:port/map",
    ] {
        let message = refusal(url).await;
        assert!(message.contains("sqlite:PATH") && !message.contains("hunter2"), "{message}");
    }
    assert!(refusal("mysql://map:hunter2@db/map").await.contains("mysql"));
}

#[tokio::test]
async fn a_step_removes_as_many_rows_as_it_is_told_and_no_more() {
    let house = House::sqlite();
    let store = house.open().await;
    let reports: Vec<_> = (0..40).map(|id| full(1, id, NOON)).collect();
    commit(&store, &reports).await;
    commit(&store, &[full(1, 99, after(7200))]).await;
    let hour = Some(HOUR);
    let keep = Keep {
        packets: hour,
        positions: hour,
        telemetry: hour,
        messages: hour,
        links: hour,
        database_bytes: None,
    };
    let mut steps = 0;
    for most in [1_u32, 3, 7].into_iter().cycle() {
        let swept = store.sweep(&keep, after(7200), most).await.unwrap();
        let of_a_table = swept.removed.iter().map(|(.., rows)| *rows).max();
        let removed = of_a_table.unwrap_or(0);
        assert!(removed <= most.into(), "{removed} and not {most}");
        if !swept.more {
            assert_eq!(removed, 0);
            break;
        }
        assert!(removed > 0);
        steps += 1;
    }
    assert!(steps >= 40 * 7 / 7, "{steps} steps");
    let sizes = store.sizes().await.unwrap();
    let left: Vec<_> = sizes.tables.iter().map(|size| size.rows).collect();
    assert_eq!(left, [1, 1, 1, 1, 1, 2]);
}

/// A gateway whose clock runs a day behind makes nothing a day old.
#[tokio::test]
async fn the_age_counts_from_the_arrival() {
    let house = House::sqlite();
    let store = house.open().await;
    let mut behind = full(1, 1, NOON.minus(HOUR * 24));
    behind.reception.arrived = NOON;
    commit(&store, &[behind]).await;
    let hour = Some(HOUR);
    let keep = Keep {
        packets: hour,
        positions: hour,
        telemetry: hour,
        messages: hour,
        links: hour,
        database_bytes: None,
    };
    let before = everything(&store).await;
    assert_eq!(sweep(&store, &keep, NOON.plus(HOUR)).await, []);
    assert_eq!(everything(&store).await, before);
    let removed = sweep(&store, &keep, NOON.plus(HOUR + SECOND)).await;
    let removed: Vec<_> = removed.into_iter().map(|(history, _, rows)| (history, rows)).collect();
    let expected = [
        (History::Positions, 1),
        (History::Telemetry, 1),
        (History::Messages, 1),
        (History::Links, 2),
    ];
    assert_eq!(removed, expected, "the newest packet stays for its copies");
}

#[tokio::test]
async fn the_tally_is_exact_whatever_happens() {
    let house = House::sqlite();
    let store = house.open().await;
    let rows = async |store: &std::sync::Arc<dyn storage::Store>| {
        let sizes = store.sizes().await.unwrap();
        sizes.tables.iter().map(|size| size.rows).collect::<Vec<_>>()
    };
    assert_eq!(rows(&store).await, [0; 6]);
    let mut copy = full(1, 1, NOON);
    copy.reception.gateway = geocast::domain::NodeId::Radio(9);
    commit(&store, &[full(1, 1, NOON), copy, full(1, 1, NOON), full(1, 2, NOON)]).await;
    commit(&store, &[full(1, 2, NOON)]).await;
    assert_eq!(rows(&store).await, [2, 3, 2, 2, 2, 4]);
    store.close().await;
    let store = house.open().await;
    assert_eq!(rows(&store).await, [2, 3, 2, 2, 2, 4]);
}

#[tokio::test]
async fn a_ceiling_removes_the_oldest_of_all_histories_and_shrinks_the_file() {
    let house = House::sqlite();
    let store = house.open().await;
    for round in 0..40_u32 {
        let now = NOON.plus(SECOND * 600 * round);
        let text = "x".repeat(200);
        let reports: Vec<_> = (0..100_u32)
            .map(|n| {
                let mut report = full(n, round.into(), now);
                report.patch.message = message(n, round.into(), now, &text).patch.message;
                report
            })
            .collect();
        commit(&store, &reports).await;
    }
    let nodes_before = nodes(&store).await;
    let before = store.sizes().await.unwrap();
    let ceiling = before.total_bytes / 2;
    let keep = Keep { database_bytes: Some(ceiling), ..Keep::default() };
    let now = after(40 * 600);
    loop {
        let swept = store.sweep(&keep, now, 100).await.unwrap();
        assert!(swept.removed.iter().all(|(_, reason, _)| *reason == Reason::Size));
        if !swept.more {
            assert_eq!(swept.excess_bytes, 0);
            break;
        }
    }
    let sizes = store.sizes().await.unwrap();
    assert!(sizes.used_bytes <= ceiling, "{sizes:?}");
    assert!(sizes.total_bytes <= ceiling, "the file shrinks: {sizes:?}");
    assert!(sizes.used_bytes >= ceiling / 2, "not more than needed: {sizes:?}");
    let oldest = store.messages(&all()).await.unwrap().records.last().unwrap().time;
    let positions = store.positions(&of(1)).await.unwrap().records;
    let heard = positions.last().unwrap().stamp.heard;
    // The ceiling may be met between the steps that take a round of each.
    let apart = heard.since(oldest).max(oldest.since(heard));
    assert!(apart <= SECOND * 600, "all reach back as far: {apart:?}");
    assert!(oldest > NOON);
    assert_eq!(nodes(&store).await, nodes_before, "the map is not touched");
}

#[tokio::test]
async fn a_ceiling_that_cannot_be_held_is_told_and_removes_no_packet_in_the_window() {
    let house = House::sqlite();
    let store = house.open().await;
    commit(&store, &[full(1, 1, NOON)]).await;
    let keep = Keep { database_bytes: Some(1), ..Keep::default() };
    let mut removed = Vec::new();
    let excess = loop {
        let swept = store.sweep(&keep, after(1), 10).await.unwrap();
        removed.extend(swept.removed.into_iter().map(|(history, ..)| history));
        if !swept.more {
            break swept.excess_bytes;
        }
    };
    assert!(excess > 0);
    let expected = [History::Positions, History::Telemetry, History::Messages, History::Links];
    assert_eq!(removed, expected);
    assert_eq!(commit(&store, &[full(1, 1, NOON)]).await, [Filed::Duplicate]);
}
