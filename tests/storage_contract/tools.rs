//! What is done to a database by hand.

use std::time::Duration;

use geocast::storage::{self, Checkup, StoreError};

use crate::{
    House,
    poison::by_hand,
    reports::{NOON, after, commit, full, report},
};

const DAY: Duration = Duration::from_hours(24);

fn rows(checkup: &Checkup, table: &str) -> u64 {
    checkup.rows.iter().find(|(other, _)| other == table).unwrap().1
}

pub(crate) async fn a_check_counts_what_is_there(house: &House) {
    let store = house.open().await;
    commit(&store, &[full(1, 1, NOON), full(2, 1, after(1)), report(2, 1, 9, after(2))]).await;
    assert!(store.quarantine(&full(3, u64::MAX, after(3)), "too odd").await.unwrap());
    // Beside the server, and after it.
    for _ in 0..2 {
        let checkup = storage::check_up(&house.url).await.unwrap();
        assert_eq!(checkup.problems, [""; 0]);
        assert_eq!(checkup.pending, [""; 0]);
        assert!(checkup.version >= Some(6) && checkup.bytes > 0, "{checkup:?}");
        for (table, expected) in
            [("packets", 2), ("receptions", 3), ("nodes", 2), ("links", 4), ("quarantine", 1)]
        {
            assert_eq!(rows(&checkup, table), expected, "{table}");
        }
        assert_eq!(checkup.last_commit, Some(after(3)));
        let copy = &checkup.quarantined[0];
        assert_eq!((copy.reason.as_str(), copy.packet_id), ("too odd", u64::MAX));
        assert_eq!((copy.sender.as_str(), copy.payload_bytes), ("!00000003", 4));
        store.close().await;
    }
}

pub(crate) async fn a_check_finds_what_must_not_be(house: &House) {
    let store = house.open().await;
    commit(&store, &[report(1, 1, 1, NOON), report(2, 1, 1, NOON), report(3, 1, 1, NOON)]).await;
    store.close().await;
    for (deed, problems) in [
        (
            "DELETE FROM packets WHERE sender = '!00000001'",
            &["1 receptions of packets that are not there"][..],
        ),
        (
            "DELETE FROM receptions WHERE packet NOT IN (SELECT id FROM packets); \
             DELETE FROM receptions WHERE packet IN \
                 (SELECT id FROM packets WHERE sender = '!00000002')",
            &["1 packets that no gateway handed over"],
        ),
        (
            "INSERT INTO packets (id, network, sender, packet_id, received_at, port, channel, \
                 addressee, payload) SELECT id + 1000, network, sender, packet_id, \
                 received_at + 900000, port, channel, addressee, payload FROM packets \
             WHERE sender = '!00000003'",
            &["2 packets that no gateway handed over", "1 packets stored twice"],
        ),
        (
            "UPDATE nodes SET telemetry = 'x' WHERE id = '!00000001'",
            &[
                "2 packets that no gateway handed over",
                "1 packets stored twice",
                "the database holds an unreadable telemetry: x",
            ],
        ),
    ] {
        by_hand(house, deed).await;
        let found = storage::check_up(&house.url).await.unwrap().problems;
        assert_eq!(found.len(), problems.len(), "{deed}: {found:?}");
        for (found, expected) in found.iter().zip(problems) {
            assert!(found.contains(expected.trim_start_matches("the ")), "{deed}: {found}");
        }
    }
}

pub(crate) async fn a_migration_is_told_and_then_run_once(house: &House) {
    let told = storage::migrate(&house.url, true).await.unwrap();
    assert_eq!((told.version, told.done), (None, false));
    assert!(told.migrations.iter().any(|name| name == "0006_quarantine"), "{told:?}");
    let done = storage::migrate(&house.url, false).await.unwrap();
    assert_eq!((done.version, &done.migrations), (None, &told.migrations));
    for dry_run in [true, false] {
        let nothing = storage::migrate(&house.url, dry_run).await.unwrap();
        assert!(nothing.version.is_some() && nothing.migrations.is_empty(), "{nothing:?}");
    }

    // As an older version left it.
    by_hand(
        house,
        "DROP TABLE quarantine; DELETE FROM _sqlx_migrations WHERE version = 6; \
         CREATE INDEX quarantine_by_key ON packets (sender)",
    )
    .await;
    let older = storage::check_up(&house.url).await.unwrap();
    assert_eq!((older.pending, older.problems), (vec!["0006_quarantine".to_owned()], vec![]));
    let refused = storage::migrate(&house.url, false).await.unwrap_err().to_string();
    assert!(refused.contains("quarantine_by_key"), "{refused}");
    let untouched = storage::check_up(&house.url).await.unwrap();
    assert!(untouched.rows.iter().all(|(table, _)| table != "quarantine"), "half of it was done");
    by_hand(house, "DROP INDEX quarantine_by_key").await;
    let done = storage::migrate(&house.url, false).await.unwrap();
    assert_eq!(done.migrations, ["0006_quarantine"]);
}

pub(crate) async fn a_newer_schema_is_told_and_left_alone(house: &House) {
    house.open().await.close().await;
    by_hand(
        house,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, '', 0)",
    )
    .await;
    let newer = "a newer version of this program wrote it";
    let checkup = storage::check_up(&house.url).await.unwrap();
    assert!(checkup.problems.iter().any(|problem| problem.contains(newer)), "{checkup:?}");
    for dry_run in [true, false] {
        let refused = storage::migrate(&house.url, dry_run).await.unwrap_err().to_string();
        assert!(refused.contains(newer), "{refused}");
    }
    let refused = storage::open(&house.url, DAY).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Open { reason, .. } if reason.contains(newer)));
}

pub(crate) async fn another_program_s_database_is_told_and_left_alone(house: &House) {
    house.open().await.close().await;
    by_hand(house, "DROP TABLE _sqlx_migrations").await;
    let theirs = "it is a database of another program";
    let checkup = storage::check_up(&house.url).await.unwrap();
    assert_eq!((&*checkup.problems, checkup.version), (&[theirs.to_owned()][..], None));
    let refused = storage::migrate(&house.url, false).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Open { reason, .. } if reason == theirs), "{refused}");
    let refused = storage::open(&house.url, DAY).await.err().unwrap();
    assert!(matches!(&refused, StoreError::Open { reason, .. } if reason == theirs), "{refused}");
    let mut after = storage::check_up(&house.url).await.unwrap();
    // Whoever closes SQLite's file last takes away the log beside it, also by looking at it only.
    after.bytes = checkup.bytes;
    assert_eq!(after, checkup);
}

#[tokio::test]
async fn a_postgres_backup_is_restored_and_is_sound() {
    let (house, other) = (House::postgres(), House::postgres());
    let store = house.open().await;
    let reports: Vec<_> = (0..100).map(|n| full(n, 1, after(n.into()))).collect();
    commit(&store, &reports).await;
    store.leave(&geocast::domain::Continuation::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("geocast.dump");
    let copied = storage::back_up(&house.url, &file).await.unwrap();
    assert_eq!(copied.bytes, file.metadata().unwrap().len());
    let again = storage::back_up(&house.url, &file).await.unwrap_err().to_string();
    assert!(again.contains("it is there already"), "{again}");

    let mut restore = std::process::Command::new("pg_restore");
    restore.args(["--exit-on-error", "--no-owner", "--dbname", &other.url]).arg(&file);
    let output = restore.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checkup = storage::check_up(&other.url).await.unwrap();
    assert_eq!(checkup.problems, [""; 0]);
    assert_eq!((rows(&checkup, "packets"), rows(&checkup, "continuation")), (100, 0));

    let other_file = folder.path().join("other.dump");
    let nowhere = storage::back_up("postgres://u:hunter2@127.0.0.1:1/d", &other_file).await;
    let message = nowhere.unwrap_err().to_string();
    assert!(message.contains("127.0.0.1") && !message.contains("hunter2"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}
