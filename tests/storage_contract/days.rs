//! What is particular to histories that are removed by the day.

use std::time::Duration;

use geocast::storage::{History, Keep, Reason, StoreError};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    House,
    reports::{NOON, commit, full, of},
    retention::sweep,
};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_day_that_somebody_reads_goes_later_and_no_commit_waits_for_it() {
    let house = House::postgres();
    let store = house.open().await;
    commit(&store, &[full(1, 1, NOON)]).await;
    let keep = Keep { positions: Some(DAY * 2), ..Keep::default() };
    let now = NOON.plus(DAY * 10);
    let mut reader = PgConnection::connect(&house.url).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    reading.execute("SELECT FROM positions").await.unwrap();
    let refused = store.sweep(&keep, now, 10).await;
    let Err(StoreError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("lock timeout"), "nobody waits behind it for long: {reason}");
    commit(&store, &[full(1, 2, NOON)]).await;
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 2);
    reading.rollback().await.unwrap();
    assert_eq!(sweep(&store, &keep, now).await, [(History::Positions, Reason::Age, 2)]);
    let days = "SELECT count(*) FROM pg_class WHERE relname ~ '^positions_[0-9]+'";
    let left: i64 = sqlx::query_scalar(days).fetch_one(&mut reader).await.unwrap();
    assert_eq!(left, 0);
    reader.close().await.unwrap();
}

#[tokio::test]
async fn a_short_age_is_kept_to_the_millisecond_and_a_long_one_to_the_day() {
    let house = House::postgres();
    let store = house.open().await;
    let hour = Duration::from_hours(1);
    // The first at 14:13, the eleventh on the next day, the last at 19:13.
    for nth in 0..30_u32 {
        commit(&store, &[full(1, nth.into(), NOON.plus(hour * nth))]).await;
    }
    let keep = |age| Keep { positions: Some(age), telemetry: Some(age), ..Keep::default() };
    let counts = async || {
        let positions = store.positions(&of(1)).await.unwrap().records.len();
        (positions, store.telemetry(&of(1)).await.unwrap().records.len())
    };
    sweep(&store, &keep(DAY * 2), NOON.plus(DAY * 2 + hour * 29)).await;
    assert_eq!(counts().await, (20, 20));
    sweep(&store, &keep(DAY), NOON.plus(DAY + hour * 19)).await;
    assert_eq!(counts().await, (11, 11));
}
