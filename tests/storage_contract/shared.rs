//! What is particular to a database that several servers share, over a line that may fail.

use std::{sync::Arc, time::Duration};

use geocast::{
    domain::{
        Filed, NodeId, PACKET_WINDOW, Position, Report, Timestamp,
        policy::{Left, Why},
    },
    storage::{self, Erasure, PostgresLimits, Store, StoreError},
};

use tokio::task::JoinSet;

use crate::{
    FORGET_AFTER, House,
    postgres_server::Database,
    proxy::{Fault, Proxy},
    reports::{NOON, after, all, at, commit, full, latitudes, message, nodes, of, report},
    withhold::hearing,
};

async fn open(database: &Database) -> Arc<dyn Store> {
    storage::open(&database.url, FORGET_AFTER).await.unwrap()
}

/// A store over a line that is given up after a moment of silence.
async fn behind(proxy: &Proxy, database: &Database) -> Arc<dyn Store> {
    let (_, rest) = database.url.rsplit_once(':').unwrap();
    let (_, name) = rest.split_once('/').unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", proxy.port);
    let limits = PostgresLimits { timeout: Duration::from_secs(2), ..PostgresLimits::default() };
    storage::open_within(&url, FORGET_AFTER, limits).await.unwrap()
}

fn port(database: &Database) -> u16 {
    let (_, rest) = database.url.rsplit_once(':').unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// The same packets, as another gateway heard them.
fn by_gateway(reports: &[Report], gateway: u32) -> Vec<Report> {
    let mut reports = reports.to_vec();
    for report in &mut reports {
        report.reception.gateway = NodeId::Radio(gateway);
    }
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_reach_two_servers_at_once_are_one_packet() {
    let database = Database::create();
    let (one, other) = (open(&database).await, open(&database).await);
    for round in 0..20_u32 {
        let senders = 0..30_u32;
        let reports: Vec<_> =
            senders.map(|sender| full(sender, round.into(), after(round.into()))).collect();
        let mut backwards = by_gateway(&reports, 2);
        backwards.reverse();
        let store = Arc::clone(&one);
        let mut here = JoinSet::new();
        here.spawn(async move { commit(&store, &reports).await });
        let mut there = commit(&other, &backwards).await;
        there.reverse();
        for (here, there) in here.join_next().await.unwrap().unwrap().into_iter().zip(there) {
            let both = [here, there];
            assert!(both.contains(&Filed::Packet) && both.contains(&Filed::Reception), "{both:?}");
        }
    }
    let counts = "SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM receptions), \
        (SELECT count(*) FROM positions), (SELECT count(*) FROM nodes)";
    assert_eq!(database.sql(counts), "600|1200|600|30");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_servers_hear_of_one_node_is_merged() {
    let database = Database::create();
    let (one, other) = (open(&database).await, open(&database).await);
    for n in 0..20_u32 {
        let time = after(u64::from(n) * 10);
        let place = at(1, u64::from(n) * 2, time, n.cast_signed(), time);
        let mut named = report(1, u64::from(n) * 2 + 1, 1, time);
        named.patch.info.long_name = Some(n.to_string().into());
        let (place, named) = ([place], [named]);
        let both = tokio::join!(commit(&one, &place), commit(&other, &named));
        assert_eq!(both, (vec![Filed::Packet], vec![Filed::Packet]));
        let node = nodes(&one).await.remove(0);
        assert_eq!(node.position.unwrap().place.latitude_e7(), n.cast_signed());
        assert_eq!(node.info.long_name.as_deref(), Some(n.to_string().as_str()));
    }
}

#[tokio::test]
async fn what_another_server_stored_meanwhile_is_known() {
    let database = Database::create();
    let (one, other) = (open(&database).await, open(&database).await);
    assert_eq!(commit(&one, &[report(1, 1, 1, NOON)]).await, [Filed::Packet]);
    let mut named = report(1, 2, 1, after(1));
    named.patch.info.long_name = Some("Hill".into());
    assert_eq!(commit(&other, &[named.clone()]).await, [Filed::Packet]);
    let [again] = by_gateway(&[named], 2).try_into().unwrap();
    let copies = [again, report(1, 1, 1, after(2)), report(1, 3, 1, after(2))];
    let expected = [Filed::Reception, Filed::Duplicate, Filed::Packet];
    assert_eq!(commit(&one, &copies).await, expected);
    assert_eq!(nodes(&one).await[0].info.long_name.as_deref(), Some("Hill"));
}

#[tokio::test]
async fn what_another_server_removed_meanwhile_is_not_remembered() {
    let database = Database::create();
    let (one, other) = (open(&database).await, open(&database).await);
    let mut named = report(1, 1, 1, NOON);
    named.patch.info.long_name = Some("Hill".into());
    commit(&one, &[named]).await;
    let node = NodeId::Radio(1);
    let left = Left { why: Why::Forgotten, since: NOON };
    other.keep_out(&node, left).await.unwrap();
    // Seen before the last of it is removed.
    commit(&one, &[report(2, 1, 1, after(1))]).await;
    let mut from = Some(Erasure::default());
    while let Some(step) = from {
        from = other.erase(&node, step, 1).await.unwrap();
    }
    other.let_in(&node).await.unwrap();
    assert_eq!(commit(&one, &[report(1, 1, 2, after(2))]).await, [Filed::Packet]);
    let node = nodes(&one).await.into_iter().find(|known| known.id == node).unwrap();
    assert_eq!(node.info.long_name, None);
    one.close().await;
    other.close().await;
    let checkup = storage::check_up(&database.url).await.unwrap();
    assert_eq!(checkup.problems, Vec::<String>::new());
}

#[tokio::test]
async fn an_absence_is_a_time_in_which_no_server_ran() {
    let database = Database::create();
    let one = open(&database).await;
    commit(&one, &[report(1, 9, 1, NOON)]).await;
    let other = open(&database).await;
    let later = NOON.plus(PACKET_WINDOW * 4);
    assert_eq!(commit(&other, &[report(1, 9, 1, later)]).await, [Filed::Packet]);
    one.close().await;
    other.close().await;
    let (one, other) = (open(&database).await, open(&database).await);
    let day = later.plus(Duration::from_hours(24));
    // Whoever commits first ends the absence, for both.
    assert_eq!(commit(&other, &[report(2, 1, 1, day)]).await, [Filed::Packet]);
    assert_eq!(commit(&one, &[report(1, 9, 2, day)]).await, [Filed::Reception]);
    assert_eq!(commit(&other, &[report(1, 9, 1, day)]).await, [Filed::Duplicate]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_new_once_and_stored_once() {
    let database = Database::create();
    let proxy = Proxy::to(port(&database)).await;
    let store = behind(&proxy, &database).await;
    for (n, fault) in [(0, Fault::CutBefore("COMMIT")), (1, Fault::CutAfter("COMMIT"))] {
        let batch = [full(1, n, after(n)), full(1, n, after(n)), full(2, n, after(n))];
        let expected = [Filed::Packet, Filed::Duplicate, Filed::Packet];
        proxy.set(fault);
        let lost = store.commit(&batch.iter().collect::<Vec<_>>()).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        proxy.was_cut().await;
        assert_eq!(commit(&store, &batch).await, expected, "{fault:?}");
        assert_eq!(commit(&store, &batch).await, [Filed::Duplicate; 3], "{fault:?}");
    }
    let counts = "SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM receptions), \
        (SELECT count(*) FROM messages)";
    assert_eq!(database.sql(counts), "4|4|4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_breaks_in_the_middle_leaves_nothing() {
    let database = Database::create();
    let proxy = Proxy::to(port(&database)).await;
    let store = behind(&proxy, &database).await;
    commit(&store, &[full(1, 1, NOON)]).await;
    for (n, statement) in [
        (2, "INSERT INTO writers"),
        (3, "INSERT INTO links"),
        (4, "INSERT INTO nodes"),
        (5, "pg_advisory_xact_lock"),
    ] {
        // A statement is said in full only when it is new to its connection.
        proxy.cut().await;
        proxy.set(Fault::CutBefore(statement));
        // First it notices that its connection is gone.
        for _ in 0..2 {
            let broken = store.commit(&[&full(1, n, after(n))]).await;
            assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
        }
        proxy.was_cut().await;
        assert_eq!(commit(&store, &[full(1, n, after(n))]).await, [Filed::Packet], "{statement}");
    }
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT packet_id) FROM packets"), "5|5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_is_given_up_and_asked_again() {
    let database = Database::create();
    let proxy = Proxy::to(port(&database)).await;
    let store = behind(&proxy, &database).await;
    commit(&store, &[full(1, 1, NOON)]).await;
    proxy.set(Fault::Silent);
    let silent = store.commit(&[&full(1, 2, after(1))]).await;
    let Err(StoreError::Unavailable(reason)) = silent else { panic!("{silent:?}") };
    assert!(reason.contains("no answer within"), "{reason}");
    let (checked, read) = tokio::join!(store.check(), async { store.positions(&of(1)).await });
    assert!(checked.is_err() && read.is_err(), "{checked:?} {read:?}");
    proxy.set(Fault::None);
    assert_eq!(commit(&store, &[full(1, 2, after(1))]).await, [Filed::Packet]);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 2);
    store.check().await.unwrap();
    proxy.set(Fault::Silent);
    // Does not wait for the line.
    store.close().await;
}

#[tokio::test]
async fn whatever_the_time_there_is_a_place_for_it() {
    let database = Database::create();
    let store = open(&database).await;
    let times = [0, -1, 1_000, i64::MAX, i64::MIN, NOON.as_millis()].map(Timestamp::from_millis);
    for (n, time) in (0..).zip(times) {
        let mut odd = full(1, n, NOON);
        odd.patch.heard = time;
        odd.patch.position.as_mut().unwrap().stamp.heard = time;
        odd.patch.telemetry.as_mut().unwrap().stamp.heard = time;
        Arc::make_mut(odd.patch.message.as_mut().unwrap()).time = time;
        assert_eq!(commit(&store, &[odd]).await, [Filed::Packet]);
    }
    // The server's own clock may be anywhere, too.
    for (n, time) in (10..).zip(times) {
        let sender = u32::try_from(n).unwrap();
        assert_eq!(commit(&store, &[message(sender, n, time, "x")]).await, [Filed::Packet]);
    }
    assert_eq!(store.positions(&all()).await.unwrap().records.len(), times.len());
    assert_eq!(store.messages(&all()).await.unwrap().records.len(), 2 * times.len());
}

#[tokio::test]
async fn each_day_has_a_partition_before_it_begins() {
    let database = Database::create();
    let store = open(&database).await;
    // Noon is at 2026-09-21. What is far ahead waits for its day.
    let mut ahead = at(1, 1, NOON, 7, NOON);
    let day = Duration::from_hours(24);
    ahead.patch.position.as_mut().unwrap().stamp.heard = NOON.plus(day * 5);
    commit(&store, &[ahead]).await;
    let partitions = "SELECT string_agg(right(inhrelid::regclass::text, 8), ' ' ORDER BY 1) \
        FROM pg_inherits WHERE inhparent = 'positions'::regclass \
        AND inhrelid <> 'positions_default'::regclass";
    let days = database.sql(partitions);
    assert_eq!(days, "20260920 20260921 20260922 20260923");
    assert_eq!(database.sql("SELECT count(*) FROM positions_default"), "1");
    commit(&store, &[at(1, 2, NOON.plus(day * 5), 8, NOON.plus(day * 5))]).await;
    assert_eq!(database.sql("SELECT count(*) FROM positions_default"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM positions_20260926"), "2");
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [8, 7]);
    // A day is forgotten at once.
    database.sql("DROP TABLE positions_20260926");
    assert!(store.positions(&of(1)).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn somebody_who_reads_everything_holds_up_no_commit() {
    let database = Database::create();
    let store = open(&database).await;
    let backup = "BEGIN; LOCK TABLE positions_default IN ACCESS SHARE MODE; SELECT pg_sleep(3600)";
    let mut reading = database.sql_meanwhile(backup);
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessShareLock' \
        AND relation = 'positions_default'::regclass";
    until(|| database.sql(held) != "0").await;
    assert_eq!(commit(&store, &[full(1, 1, NOON)]).await, [Filed::Packet]);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 1);
    reading.kill().unwrap();
    reading.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_a_state_beside_a_commit_does_not_come_back() {
    let database = Database::create();
    let (store, other) = (open(&database).await, open(&database).await);
    commit(&store, &[hearing(1), at(3, 2, after(2), 5, after(2))]).await;
    let forgotten = Left { why: Why::Forgotten, since: NOON };
    other.keep_out(&NodeId::Radio(2), forgotten).await.unwrap();
    let mut next = Erasure::default();
    while next == Erasure::Own {
        next = other.erase(&NodeId::Radio(2), next, 100).await.unwrap().unwrap();
    }
    // A commit that has read what is known of node 3, and cannot go on.
    let lock = "BEGIN; LOCK TABLE positions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)";
    let mut holding = database.sql_meanwhile(lock);
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' \
        AND granted AND relation = 'positions'::regclass";
    until(|| database.sql(held) == "1").await;
    let waiting = || {
        database.sql(
            "SELECT count(*) FROM pg_stat_activity \
            WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
    };
    let late = at(3, 3, after(3), 6, after(3));
    let mut work = JoinSet::new();
    let committing = Arc::clone(&store);
    work.spawn(async move { assert_eq!(commit(&committing, &[late]).await, [Filed::Packet]) });
    until(|| waiting() == "1").await;
    let erased = work.spawn(async move {
        let mut from = Some(next);
        while let Some(step) = from {
            from = other.erase(&NodeId::Radio(2), step, 100).await.unwrap();
        }
    });
    until(|| erased.is_finished() || waiting() == "2").await;
    database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()");
    holding.kill().unwrap();
    holding.wait().unwrap();
    work.join_all().await;
    let three = nodes(&store).await.into_iter().find(|node| node.id == NodeId::Radio(3)).unwrap();
    let neighbours: Vec<_> = three.links.iter().flat_map(|links| &links.neighbours).collect();
    assert_eq!(neighbours.len(), 1, "{neighbours:?}");
    assert_eq!(neighbours[0].id, NodeId::Radio(4));
    assert_eq!(three.position.unwrap().place.latitude_e7(), 6);
}

/// Waits for what a database says.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused_and_one_that_is_away_is_not() {
    let house = House::postgres();
    let missing = format!("{}_missing", house.url);
    let refused = storage::open(&missing, FORGET_AFTER).await.err();
    let Some(error @ StoreError::Open { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("does not exist"), "{error}");
    let away = storage::open("postgres://map:hunter2@127.0.0.1:1/map", FORGET_AFTER).await.err();
    let Some(StoreError::Unavailable(reason)) = away else { panic!("{away:?}") };
    assert!(reason.contains("refused") && !reason.contains("hunter2"), "{reason}");
}

/// A large batch: reports that say everything, half of which lack what may be missing.
fn many() -> Vec<Report> {
    let said = |n: u32| {
        let time = after(u64::from(n) / 7);
        let said = full(n % 100, u64::MAX - u64::from(n), time);
        let mut bare = full(n % 100, u64::from(n), time);
        bare.packet.channel = None;
        bare.packet.to = None;
        bare.packet.payload = vec![0xff; n as usize % 300];
        bare.reception.snr_db = None;
        bare.reception.rssi_dbm = None;
        bare.reception.hop_start = None;
        bare.patch.position = bare.patch.position.map(|position| Position {
            altitude_m: None,
            ground_speed_kmh: None,
            precision_bits: None,
            ..position
        });
        [said, bare]
    };
    let mut reports: Vec<_> = (0..1_200).flat_map(said).collect();
    reports.extend(by_gateway(&reports[..500], 2));
    reports
}

#[tokio::test]
async fn rows_are_the_same_whether_they_come_in_large_batches_or_in_small_ones() {
    let reports = many();
    let (large, small) = (Database::create(), Database::create());
    let filed = commit(&open(&large).await, &reports).await;
    let store = open(&small).await;
    let mut filed_by_parts = Vec::new();
    for part in reports.chunks(400) {
        filed_by_parts.extend(commit(&store, part).await);
    }
    assert_eq!(filed, filed_by_parts);
    let tables = [
        ("packets", 2_400),
        ("receptions", 2_900),
        ("positions", 2_400),
        ("telemetry", 2_400),
        ("messages", 2_400),
        ("links", 4_800),
        ("nodes", 100),
    ];
    for (table, rows) in tables {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(large.sql(&count), rows.to_string(), "{table}");
        // Numbers of links are given in the order in which they come.
        let all = format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} AS t");
        assert!(large.sql(&all) == small.sql(&all), "{table} differs");
    }
}

#[tokio::test]
async fn a_large_batch_that_is_refused_leaves_nothing_and_the_connection_goes_on() {
    let database = Database::create();
    let store = open(&database).await;
    database.sql("ALTER TABLE telemetry ADD CHECK (node <> '!00000007')");
    let refused = store.commit(&many().iter().collect::<Vec<_>>()).await;
    let Err(StoreError::Rejected(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("telemetry"), "{reason}");
    assert_eq!(database.sql("SELECT count(*) FROM packets"), "0");
    let writers = "SELECT string_agg(pid::text, ' ') FROM pg_locks \
        WHERE locktype = 'advisory' AND mode = 'ShareLock' \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let writer = database.sql(writers);
    let sound: Vec<_> =
        many().into_iter().filter(|report| report.patch.node != NodeId::Radio(7)).collect();
    let packets =
        commit(&store, &sound).await.iter().filter(|filed| **filed == Filed::Packet).count();
    assert_eq!(database.sql("SELECT count(*) FROM packets"), packets.to_string());
    assert_eq!(database.sql(writers), writer, "the same connection");
}
