//! What an operator does to a Postgres database by hand.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{Gateway, Geocast, Radio, answer, command, one_line, refusal},
    import::{record, text},
    postgres_server::Database,
};

fn serve(url: &str) -> [&str; 5] {
    ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", url]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_a_database_and_all_is_done_beside_them() {
    let (database, folder) = (Database::create(), TempDir::new().unwrap());
    let url = ["--database-url", &database.url];
    let with = |more: &[&str]| answer(&[more, &url].concat());
    let said = with(&["migrate", "--dry-run"]);
    assert!(said.starts_with("there is no schema yet; would run 0001_packets, "), "{said}");
    let said = with(&["migrate"]);
    assert!(said.starts_with("there is no schema yet; ran 0001_packets, "), "{said}");

    let mut servers = Vec::new();
    for number in 1..=2 {
        let mut geocast = Geocast::start(&serve(&database.url)).await;
        let mut gateway = Gateway::connect(geocast.broker().await);
        gateway.publish(Radio(number).text("hello"));
        servers.push(geocast);
    }
    let file = record(folder.path(), [(0, &text(3, 1, 7, 0, "one"))]);
    let said = with(&["import", file.to_str().unwrap()]);
    assert!(said.trim_end().ends_with("1 receptions of 1 packets stored, 0 refused"), "{said}");
    let said = with(&["migrate"]);
    assert!(said.ends_with("; nothing to run\n"), "{said}");
    let said = with(&["check"]);
    for line in ["up to date", "packets      3", "receptions   3", "nodes        3", "sound"] {
        assert!(said.lines().any(|said| said.ends_with(line)), "no {line:?} in {said}");
    }
    let checkup: Value = serde_json::from_str(&with(&["check", "--json"])).unwrap();
    let newest: i64 = database.sql("SELECT max(arrived) FROM receptions").parse().unwrap();
    assert_eq!(checkup["lastCommit"], newest);

    let copy = folder.path().join("geocast.dump");
    let said = with(&["backup", copy.to_str().unwrap()]);
    let metadata = copy.metadata().unwrap();
    assert!(said.starts_with(&format!("backed up to {}: ", copy.display())), "{said}");
    assert!(said.contains(&format!(" {} bytes", metadata.len())), "{said}");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    for geocast in servers {
        let (status, log) = geocast.stop().await;
        assert!(status.success(), "{log}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_in_one_line() {
    let (newer, theirs, folder) = (Database::create(), Database::create(), TempDir::new().unwrap());
    answer(&["migrate", "--database-url", &newer.url]);
    newer.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, '', 0)",
    );
    theirs.sql("CREATE TABLE packets (number INTEGER)");
    let nobody = "postgres://map:hunter2@127.0.0.1:1/map";
    let recording = folder.path().join("empty.mpk");
    std::fs::write(&recording, "MSHPK001").unwrap();
    let (import, copy) = (["import", recording.to_str().unwrap()], folder.path().join("copy"));
    let backup = ["backup", copy.to_str().unwrap()];
    let of_schema = [&["migrate"][..], &["migrate", "--dry-run"], &import, &["check"]];
    for command in of_schema {
        for (url, reason) in [
            (newer.url.as_str(), "a newer version of this program wrote it"),
            (&theirs.url, "it is a database of another program"),
            (nobody, "map on 127.0.0.1:1"),
        ] {
            let line = refusal(&[command, &["--database-url", url]].concat());
            assert!(line.contains(reason) && !line.contains("hunter2"), "{command:?}: {line}");
        }
    }
    for url in [&newer.url, &theirs.url] {
        let line = refusal(&[&serve(url)[..], &["--listen", "127.0.0.1:0"]].concat());
        assert!(line.contains("cannot open the database geocast_test_"), "{line}");
    }
    let line = refusal(&[&backup[..], &["--database-url", nobody]].concat());
    assert!(line.contains("127.0.0.1") && !line.contains("hunter2"), "{line}");
    let mut without = command(&[&backup[..], &["--database-url", nobody]].concat());
    let line = one_line(&without.env("PATH", folder.path()).output().unwrap());
    assert!(line.contains("pg_dump --format=custom") && !line.contains("hunter2"), "{line}");
    assert!(!copy.exists(), "nothing was copied");
}
