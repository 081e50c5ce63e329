//! What the database refuses for what it says, in any database.

use std::{sync::Arc, time::Duration};

use geocast::{
    domain::{Filed, NodeId, Report, policy::KeptOut},
    storage::{Job, Metrics, Outcome, Store, StoreError, Writer},
};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    House,
    reports::{NOON, after, all, commit, full, message, report},
};

/// Whatever goes wrong, a test ends.
const DEADLINE: Duration = Duration::from_secs(20);

/// Another program's hand in the database.
pub(crate) async fn by_hand(house: &House, statement: &'static str) {
    let done = if let Some(path) = house.url.strip_prefix("sqlite://") {
        let mut hand = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut hand).await.map(drop)
    } else {
        let mut hand = PgConnection::connect(&house.url).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut hand).await.map(drop)
    };
    done.unwrap();
}

/// From now on the database raises where a text is poison.
async fn poison(house: &House) {
    let trigger = if house.url.starts_with("sqlite") {
        "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN new.text = 'poison' \
         BEGIN SELECT RAISE(ABORT, 'the well is poisoned'); END"
    } else {
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''the well is poisoned''; END'; \
         CREATE TRIGGER poison BEFORE INSERT ON messages FOR EACH ROW \
         WHEN (new.text = 'poison') EXECUTE FUNCTION poison()"
    };
    by_hand(house, trigger).await;
}

type Row = (i64, String, String, String, i64, String, i64, Option<String>, Vec<u8>);

async fn quarantined(house: &House) -> Vec<Row> {
    const ALL: &str = "SELECT arrived, reason, network, sender, packet_id, gateway, \
        CAST(port AS BIGINT), channel, payload FROM quarantine ORDER BY id";
    let rows = if let Some(path) = house.url.strip_prefix("sqlite://") {
        let mut hand = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        sqlx::query_as(ALL).fetch_all(&mut hand).await
    } else {
        let mut hand = PgConnection::connect(&house.url).await.unwrap();
        sqlx::query_as(ALL).fetch_all(&mut hand).await
    };
    rows.unwrap()
}

/// What becomes of these reports when the writer gets them all at once.
async fn written(store: &Arc<dyn Store>, reports: &[Report]) -> Vec<Outcome> {
    let (jobs_in, jobs) = mpsc::channel(reports.len());
    let (outcome_in, mut outcomes) = mpsc::channel(reports.len());
    for report in reports {
        let outcome_in = outcome_in.clone();
        let job = Job {
            report: Some(Box::new(report.clone())),
            standing: None,
            settle: Box::new(move |outcome| outcome_in.try_send(outcome).unwrap()),
            arrived_at: Instant::now(),
            sender: None,
        };
        jobs_in.try_send(job).ok().unwrap();
    }
    drop((jobs_in, outcome_in));
    let writer = Writer {
        store: Arc::clone(store),
        jobs,
        most_jobs: 1000,
        committed: mpsc::channel(100).0,
        due: watch::Sender::new(Instant::now()).subscribe(),
        trouble: watch::Sender::new(None),
        waiting_since: watch::Sender::new(None),
        kept_out: KeptOut::default(),
        metrics: Metrics::default(),
        stop: CancellationToken::new(),
        grace: Duration::ZERO,
    };
    timeout(DEADLINE, writer.run()).await.unwrap().unwrap();
    let mut settled = Vec::new();
    outcomes.recv_many(&mut settled, reports.len()).await;
    settled
}

pub(crate) async fn what_a_trigger_raises_is_a_rejection_and_the_store_goes_on(house: &House) {
    let store = house.open().await;
    poison(house).await;
    let poisonous = message(1, 1, NOON, "poison");
    let sound = message(2, 2, NOON, "water");
    let refused = store.commit(&[&sound, &poisonous]).await;
    let Err(StoreError::Rejected(reason)) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "the well is poisoned");
    assert_eq!(store.messages(&all()).await.unwrap().records, [], "all or nothing");
    assert_eq!(commit(&store, &[sound]).await, [Filed::Packet]);
    assert!(store.quarantine(&poisonous, &reason).await.unwrap());
    assert!(!store.quarantine(&poisonous, &reason).await.unwrap(), "it is there");
    assert_eq!(quarantined(house).await.len(), 1);
}

pub(crate) async fn a_missing_table_is_no_fault_of_what_is_stored(house: &House) {
    let store = house.open().await;
    by_hand(house, "DROP TABLE links").await;
    let refused = store.commit(&[&full(1, 1, NOON)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

pub(crate) async fn the_poisonous_packet_is_set_aside_and_its_neighbours_are_stored_in_order(
    house: &House,
) {
    let store = house.open().await;
    poison(house).await;
    let reports: Vec<_> = (0..50_u32)
        .map(|n| {
            let text = if n % 20 == 7 { "poison" } else { "water" };
            message(n % 5, u64::from(n), after(n.into()), text)
        })
        .collect();
    let expected: Vec<_> = (0..50)
        .map(|n| if n % 20 == 7 { Outcome::Quarantined } else { Outcome::Filed(Filed::Packet) })
        .collect();
    assert_eq!(written(&store, &reports).await, expected);
    let said = store.messages(&all()).await.unwrap().records;
    let stored: Vec<_> = said.iter().rev().map(|said| said.packet_id).collect();
    assert_eq!(stored, (0..50).filter(|n| n % 20 != 7).collect::<Vec<_>>());
    let row = |n: i64| -> Row {
        let arrived = after(n.cast_unsigned()).as_millis();
        (
            arrived,
            "the well is poisoned".to_owned(),
            "meshtastic".to_owned(),
            format!("!{:08x}", n % 5),
            n,
            "!00000001".to_owned(),
            3,
            Some("LongFast".to_owned()),
            vec![0, 1, 2, 255],
        )
    };
    assert_eq!(quarantined(house).await, [row(7), row(27), row(47)]);

    // After a crash before the acknowledgement everything comes again.
    let again = written(&store, &reports).await;
    assert_eq!(again.iter().filter(|outcome| **outcome == Outcome::Quarantined).count(), 3);
    let known = Outcome::Filed(Filed::Duplicate);
    assert_eq!(again.iter().filter(|outcome| **outcome == known).count(), 47);
    assert_eq!(quarantined(house).await.len(), 3);
}

pub(crate) async fn a_second_gateway_s_copy_of_what_was_rejected_is_set_aside_beside_the_first(
    house: &House,
) {
    let store = house.open().await;
    poison(house).await;
    let copy = |gateway| {
        let mut report = message(1, 9, NOON, "poison");
        report.reception.gateway = NodeId::Radio(gateway);
        report
    };
    assert_eq!(written(&store, &[copy(1)]).await, [Outcome::Quarantined]);
    let batch = [copy(2), report(3, 1, 1, NOON), copy(1), copy(3)];
    let outcomes = written(&store, &batch).await;
    let expected = [
        Outcome::Quarantined,
        Outcome::Filed(Filed::Packet),
        Outcome::Quarantined,
        Outcome::Quarantined,
    ];
    assert_eq!(outcomes, expected);
    let rows = quarantined(house).await;
    let gateways: Vec<_> = rows.iter().map(|row| row.5.as_str()).collect();
    assert_eq!(gateways, ["!00000001", "!00000002", "!00000003"]);
}
