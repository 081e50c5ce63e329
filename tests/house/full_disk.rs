//! A full disk: ingest waits, the map goes on, and once there is room everything is stored, once.

use std::{path::PathBuf, process::Command, thread};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio, command, database_url};

/// Messages, of a size that fills the little room there is.
const MESSAGES: u32 = 1000;

/// Starts geocast with this command, takes its room with `fill`, and gives it back with `free`. At
/// the end `geocast check`, as a command of the same place, has the last word.
async fn story(
    start: Command,
    reason: &str,
    fill: impl FnOnce(&Geocast),
    free: impl FnOnce(&Geocast),
    check: impl FnOnce(&Geocast) -> Command,
) {
    let mut geocast = Geocast::run(start).await;
    let broker = geocast.broker().await;
    let mut gateway = Gateway::connect(broker);
    gateway.publish(Radio(1).named("Hill", "H"));
    gateway.publish(Radio(1).at(10.0, 10.0));
    let mut screen = geocast.look("?bbox=9,9,11,11").await;
    screen.shows(|screen| screen.nodes.len() == 1).await;

    fill(&geocast);
    let publishes: Vec<_> = (0..MESSAGES).map(|_| Radio(2).text(&"x".repeat(180))).collect();
    let publishing = thread::spawn(move || {
        gateway.publish_all(publishes.iter().map(|(topic, payload)| (topic.as_str(), &**payload)));
        gateway
    });
    let health = geocast
        .ask_until("/api/health", |status, body| {
            status == 503 && body["problems"].to_string().contains(reason)
        })
        .await;
    assert!(health["problems"][0].as_str().unwrap().starts_with("storage: "), "{health}");
    assert!(!publishing.is_finished(), "something was acknowledged that is not on disk");

    // Who looks sees what there is.
    let (status, page) = geocast.ask("/api/nodes/!00000001").await;
    assert_eq!((status, &page["longName"]), (200, &"Hill".into()));
    let (status, page) = geocast.ask("/api/messages?limit=1000").await;
    assert_eq!(status, 200, "{page}");
    let stored = page["messages"].as_array().unwrap().len();
    assert!(stored < MESSAGES as usize, "all of them found room");
    let mut newcomer = geocast.look("?bbox=9,9,11,11").await;
    newcomer.shows(|newcomer| newcomer.nodes == screen.nodes).await;

    free(&geocast);
    geocast.ask_until("/api/health", |status, _| status == 200).await;
    let mut gateway = publishing.join().unwrap();
    gateway.publish(Radio(1).at(10.5, 10.5));
    screen.shows(|screen| screen.nodes["!00000001"]["position"]["latitude"] == 10.5).await;
    let (_, page) = geocast.ask("/api/messages?limit=1000").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), MESSAGES as usize);
    let duplicates = geocast.metric("geocast_packets_refused_total{reason=\"duplicate\"}").await;
    assert_eq!(duplicates, 0, "nothing was told twice, so nothing was stored before");
    let output = check(&geocast).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checkup: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(checkup["rows"]["receptions"], MESSAGES + 3, "{checkup}");
    assert_eq!(checkup["rows"]["packets"], MESSAGES + 3, "{checkup}");
    let (status, log) = geocast.stop().await;
    assert!(status.success(), "{log}");
}

/// Files may not grow beyond what they are: the limit that works for everybody everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn ingest_waits_while_files_may_not_grow_and_goes_on_by_itself() {
    let folder = TempDir::new().unwrap();
    let url = database_url(folder.path());
    let mut start = Command::new("sh");
    // The signal that comes with the limit ends a program that does not know it.
    start.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_geocast")]);
    start.args(["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &url]);
    let limit = |geocast: &Geocast, bytes| {
        let most = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: bytes, maximum: most };
        prlimit(Some(geocast.pid()), Resource::Fsize, limit).unwrap();
    };
    story(
        start,
        "disk I/O error",
        |geocast| {
            let wal = folder.path().join("geocast.db-wal").metadata().unwrap().len();
            limit(geocast, Some(wal + 100_000));
        },
        |geocast| limit(geocast, None),
        |_| command(&["check", "--json", "--database-url", &url]),
    )
    .await;
}

/// A file system of its own that only geocast sees, so that it is gone with the process.
#[tokio::test(flavor = "multi_thread")]
async fn ingest_waits_while_the_disk_is_full_and_goes_on_by_itself() {
    let folder = TempDir::new().unwrap();
    let mut start = Command::new("unshare");
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        start.arg("--map-root-user");
    }
    start.args(["--mount", "sh", "-c"]);
    let may_mount = |mut probe: Command| {
        let script = "mount -t tmpfs -o size=1m none \"$0\"";
        probe.arg(script).arg(folder.path()).output().is_ok_and(|output| output.status.success())
    };
    let mut probe = Command::new("unshare");
    probe.args(start.get_args());
    if !may_mount(probe) {
        #[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
        {
            eprintln!(
                "skipped: no file system may be mounted here; files that may not grow are tried instead"
            );
        }
        return;
    }
    let script = "mount -t tmpfs -o size=40m none \"$0\" && head -c 41343040 /dev/zero > \"$0/filler\" \
        && exec \"$@\"";
    start.arg(script).arg(folder.path()).arg(env!("CARGO_BIN_EXE_geocast"));
    let url = database_url(folder.path());
    start.args(["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &url]);
    let filler = |geocast: &Geocast| {
        let root = PathBuf::from(format!("/proc/{}/root", geocast.pid().as_raw_nonzero()));
        root.join(folder.path().strip_prefix("/").unwrap()).join("filler")
    };
    story(
        start,
        "database or disk is full",
        |geocast| assert!(filler(geocast).exists(), "there is a file system of its own"),
        |geocast| std::fs::remove_file(filler(geocast)).unwrap(),
        |geocast| {
            let mut check = Command::new("nsenter");
            if !is_root {
                check.args(["--user", "--preserve-credentials"]);
            }
            check.args(["--mount", "--target", &geocast.pid().as_raw_nonzero().to_string()]);
            check.arg(env!("CARGO_BIN_EXE_geocast"));
            check.args(["check", "--json", "--database-url", &url]);
            check
        },
    )
    .await;
}
