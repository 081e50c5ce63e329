//! What an operator does to a database by hand: backup, check, migrate.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    Database, Gateway, Geocast, Radio, answer, command, database_url, one_line, refusal,
};

/// A database with some packets, and nobody using it.
async fn filled(folder: &Path) {
    let mut geocast = Geocast::with_broker(folder).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(10.0, 10.0));
    gateway.publish(Radio(2).text("hello"));
    assert!(geocast.stop().await.0.success());
}

/// What `check --json` says, sound or not.
fn checked(database_url: &str) -> (bool, Value) {
    let output = command(&["check", "--json", "--database-url", database_url]).output().unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Overwrites the first page of the packets; what says how the file is made stays.
async fn damage(folder: &Path) {
    let mut database = Database::in_folder(folder).await;
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'packets'";
    let page = usize::try_from(database.number(root).await).unwrap();
    let page_bytes = usize::try_from(database.number("PRAGMA page_size").await).unwrap();
    database.close().await;
    let file = folder.join("geocast.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[(page - 1) * page_bytes..page * page_bytes].fill(0x5a);
    fs::write(&file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_the_server_stores_and_holds_all_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let broker = geocast.broker().await;
    let mut gateway = Gateway::connect(broker);
    for number in 1..=50 {
        gateway.publish(Radio(number).text("before"));
    }
    let busy = thread::spawn(move || {
        for number in 1..=300 {
            gateway.publish(Radio(number).text("meanwhile"));
        }
    });
    let (url, copy) = (database_url(folder.path()), folder.path().join("copy"));
    fs::create_dir(&copy).unwrap();
    let file = copy.join("geocast.db");
    let backup = ["backup", file.to_str().unwrap(), "--database-url", &url];
    let said = answer(&backup);
    let (sound, running) = checked(&url);
    assert!(sound, "{running}");
    busy.join().unwrap();
    let line = refusal(&backup);
    assert!(line.contains("geocast.db: it is there already"), "{line}");
    assert!(geocast.stop().await.0.success());

    let size = file.metadata().unwrap().len();
    assert!(said.starts_with(&format!("backed up to {}: {size} bytes", file.display())), "{said}");
    let (sound, held) = checked(&database_url(&copy));
    assert!(sound, "{held}");
    let messages = held["rows"]["messages"].as_u64().unwrap();
    assert!((50..=350).contains(&messages), "{held}");
    assert!(said.contains(&format!(" {messages} messages")), "{said}");
    let left: Vec<_> = fs::read_dir(&copy).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("geocast.db")), "{left:?}");

    // Who starts from it shows the map as of then, and begins a new count of revisions.
    let geocast = Geocast::with_broker(&copy).await;
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    assert_eq!(page["messages"].as_array().unwrap().len() as u64, messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_from_a_backup_begins_a_new_epoch() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let (file, url) = (copy.join("geocast.db"), database_url(folder.path()));
    answer(&["backup", file.to_str().unwrap(), "--database-url", &url]);
    let mut database = Database::in_folder(folder.path()).await;
    assert_eq!(database.number("SELECT count(*) FROM continuation").await, 1);
    let mut database = Database::in_folder(&copy).await;
    assert_eq!(database.number("SELECT count(*) FROM continuation").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_as_private_as_what_it_is_of_and_leaves_nothing_when_it_fails() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let url = database_url(folder.path());
    let source = folder.path().join("geocast.db");
    for mode in [0o600, 0o640] {
        fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
        let file = folder.path().join(format!("copy-{mode:o}.db"));
        answer(&["backup", file.to_str().unwrap(), "--database-url", &url]);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    let nowhere = folder.path().join("absent/copy.db");
    let line = refusal(&["backup", nowhere.to_str().unwrap(), "--database-url", &url]);
    assert!(line.contains("absent/copy.db"), "{line}");

    // The copy begins, and fails.
    damage(folder.path()).await;
    let copy = folder.path().join("broken.db");
    refusal(&["backup", copy.to_str().unwrap(), "--database-url", &url]);
    let names = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.contains("backup") && name != "broken.db"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_in_a_sound_database() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let url = database_url(folder.path());
    let text = answer(&["check", "--database-url", &url]);
    for line in ["up to date", "packets      3", "receptions   3", "nodes        2", "sound"] {
        assert!(text.lines().any(|said| said.ends_with(line)), "no {line:?} in {text}");
    }
    let (sound, checkup) = checked(&url);
    assert!(sound && checkup["sound"] == true, "{checkup}");
    assert_eq!(checkup["rows"]["messages"], 1);
    let mut database = Database::in_folder(folder.path()).await;
    let newest = database.number("SELECT max(arrived) FROM receptions").await;
    assert_eq!(checkup["lastCommit"], newest);

    database
        .execute(
            "INSERT INTO quarantine VALUES \
             (NULL, 86400000, 'too odd', 'meshtastic', '!00000009', 77, '!0000000a', 1, NULL, x'0102')",
        )
        .await;
    let text = answer(&["check", "--database-url", &url]);
    let line =
        "1970-01-02T00:00:00Z: packet 77 of !00000009 by !0000000a, port 1, 2 bytes: too odd";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_fails_for_what_must_not_be() {
    for (deed, problem) in [
        ("DELETE FROM packets WHERE id = 1", "1 receptions of packets that are not there"),
        ("DELETE FROM receptions WHERE packet = 2", "1 packets that no gateway handed over"),
        (
            "INSERT INTO packets (id, network, sender, packet_id, received_at, port, channel, \
             addressee, payload) SELECT 99, network, sender, packet_id, received_at + 900000, \
             port, channel, addressee, payload FROM packets WHERE id = 2; \
             INSERT INTO receptions SELECT 99, gateway, arrived, snr_db, rssi_dbm, hop_start, \
             hop_limit FROM receptions WHERE packet = 2",
            "1 packets stored twice",
        ),
        ("UPDATE nodes SET telemetry = 'x'", "unreadable telemetry"),
    ] {
        let folder = TempDir::new().unwrap();
        filled(folder.path()).await;
        Database::in_folder(folder.path()).await.execute(deed).await;
        let url = database_url(folder.path());
        let (sound, checkup) = checked(&url);
        assert!(!sound && checkup["sound"] == false, "{deed}: {checkup}");
        assert_eq!(checkup["problems"].as_array().unwrap().len(), 1, "{checkup}");
        assert!(checkup["problems"][0].as_str().unwrap().contains(problem), "{checkup}");
        let line = refusal(&["check", "--database-url", &url]);
        assert!(line.contains(problem), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_and_what_is_no_database_fail_a_check_clearly() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let (file, url) = (folder.path().join("geocast.db"), database_url(folder.path()));
    damage(folder.path()).await;
    let line = refusal(&["check", "--database-url", &url]);
    assert!(line.contains("the database is not sound"), "{line}");

    fs::write(&file, "Dear reader, this is a letter and not a database.\n".repeat(100)).unwrap();
    let line = refusal(&["check", "--database-url", &url]);
    assert!(line.contains("geocast.db") && line.contains("not a database"), "{line}");
    fs::remove_file(&file).unwrap();
    let line = refusal(&["check", "--database-url", &url]);
    assert!(line.contains("geocast.db: there is no such file"), "{line}");
    assert!(!file.exists(), "it only looks");
}

/// As somebody who may read the file and nothing else; root may do everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_needs_no_more_than_to_read() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let url = database_url(folder.path());
    // Where anybody may run it, wherever it was built.
    let everybody = TempDir::new().unwrap();
    let program = everybody.path().join("geocast");
    fs::copy(env!("CARGO_BIN_EXE_geocast"), &program).unwrap();
    fs::set_permissions(everybody.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let is_read = || {
        let mut as_nobody = if rustix::process::geteuid().is_root() {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            setpriv
        } else {
            Command::new(&program)
        };
        as_nobody.args(["check", "--json", "--database-url", &url]).stdin(Stdio::null());
        as_nobody.output().unwrap()
    };
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for file in fs::read_dir(folder.path()).unwrap() {
        set_mode(&file.unwrap().path(), 0o444);
    }
    set_mode(folder.path(), 0o555);
    let output = is_read();
    set_mode(folder.path(), 0o755);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checkup: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checkup["rows"]["packets"], 3);

    set_mode(&folder.path().join("geocast.db"), 0o000);
    let line = one_line(&is_read());
    assert!(line.contains("geocast.db"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_by_everything_that_would_write_and_told_by_a_check() {
    let folder = TempDir::new().unwrap();
    filled(folder.path()).await;
    let newer = "INSERT INTO _sqlx_migrations \
        (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, x'00', 0)";
    Database::in_folder(folder.path()).await.execute(newer).await;
    let url = database_url(folder.path());
    let recording = folder.path().join("empty.mpk");
    fs::write(&recording, "MSHPK001").unwrap();
    for command in [
        &["serve", "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"][..],
        &["migrate"],
        &["migrate", "--dry-run"],
        &["import", recording.to_str().unwrap()],
        &["check"],
    ] {
        let line = refusal(&[command, &["--database-url", &url]].concat());
        assert!(line.contains("a newer version of this program wrote it"), "{command:?}: {line}");
    }
    let (_, checkup) = checked(&url);
    assert_eq!(checkup["schema"]["version"], 9999);
    assert_eq!(checkup["rows"]["packets"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_told_beforehand_and_is_done_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let said = answer(&["migrate", "--dry-run", "--database-url", &url]);
    assert!(said.starts_with("there is no schema yet; would run 0001_packets, "), "{said}");
    assert!(!folder.path().join("geocast.db").exists(), "it only tells");
    filled(folder.path()).await;
    let said = answer(&["migrate", "--database-url", &url]);
    assert!(said.ends_with("; nothing to run\n"), "{said}");

    // As an older version left it; what stands in the way comes in the middle of the migration.
    let mut database = Database::in_folder(folder.path()).await;
    database
        .execute(
            "DROP TABLE quarantine; DELETE FROM _sqlx_migrations WHERE version = 6; \
             CREATE INDEX quarantine_by_key ON packets (sender)",
        )
        .await;
    for _ in 0..2 {
        let said = answer(&["migrate", "--dry-run", "--database-url", &url]);
        assert!(said.ends_with("; would run 0006_quarantine\n"), "{said}");
        let text = answer(&["check", "--database-url", &url]);
        assert!(text.contains("older than this program: 0006_quarantine to run"), "{text}");
        let line = refusal(&["migrate", "--database-url", &url]);
        assert!(line.contains("geocast.db") && line.contains("quarantine_by_key"), "{line}");
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'quarantine'";
        assert_eq!(database.number(tables).await, 0);
    }
    database.execute("DROP INDEX quarantine_by_key").await;
    let said = answer(&["migrate", "--database-url", &url]);
    assert!(said.ends_with("; ran 0006_quarantine\n"), "{said}");
    let (sound, checkup) = checked(&url);
    assert!(sound && checkup["rows"]["packets"] == 3, "{checkup}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_of_a_running_server_s_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let _geocast = Geocast::with_broker(folder.path()).await;
    let line = refusal(&["migrate", "--database-url", &database_url(folder.path())]);
    assert!(line.contains("geocast.db: another process uses it"), "{line}");
}
