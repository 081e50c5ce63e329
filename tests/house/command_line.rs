//! The command line: what is wrong is said in one clear line.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::harness::{Geocast, refusal};

fn geocast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_geocast"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_wrong_value_names_the_flag_the_value_and_what_is_allowed() {
    for (arguments, needles) in [
        (&["serve", "--listen", "nowhere"][..], ["--listen", "nowhere", "127.0.0.1:8080"]),
        (&["serve", "--offline-after", "soon"], ["--offline-after", "soon", "2h"]),
        (&["serve", "--mqtt-url", "http://b"], ["--mqtt-url", "http://b", "mqtt://"]),
        (&["serve", "--mqtt-topic", "a/#/b"], ["--mqtt-topic", "a/#/b", "msh/#"]),
        (&["serve", "--channel-key", "LongFast"], ["--channel-key", "(not shown)", "NAME=BASE64"]),
        (&["serve", "--database-url", "oracle:x"], ["--database-url", "oracle:x", "sqlite:PATH"]),
        (&["serve", "--log", "=="], ["--log", "==", "geocast=debug"]),
        (&["serve", "--tick-ms", "0"], ["--tick-ms", "0", "1..=60000"]),
        (&["replay", "f", "--mqtt-url", "mqtt://h", "--qos", "2"], ["--qos", "2", "0..=1"]),
    ] {
        let output = geocast(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        for needle in needles {
            assert!(text.contains(needle), "{needle:?} is missing in: {text}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_without_the_secret_in_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("geocast.toml");
    std::fs::write(&file, "map-name = \"x\"\nmqtt-url = \"mqtt://u:s3cret-word@h:1883\n").unwrap();
    for arguments in [
        &["serve", "--mqtt-url", "http://u:s3cret-word@host"][..],
        &["serve", "--mqtt-url", "mqtt://u:s3cret-word@host:99999"],
        &["serve", "--channel-key", "s3cret-word"],
        &["serve", "--channel-key", "LongFast=s3cret-word"],
        &["serve", "--admin-token", "my s3cret-word"],
        &["serve", "--database-url", "mysql://u:s3cret-word@host/db"],
        &["serve", "--config", file.to_str().unwrap()],
    ] {
        let output = geocast(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(!text.contains("s3cret-word"), "{text}");
    }
}

#[test]
fn a_configuration_file_with_an_unknown_setting_says_which_are_known() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("geocast.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\n").unwrap();
    let output = geocast(&["serve", "--config", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("lisen") && text.contains("listen") && text.contains("geocast.toml"));
}

#[test]
fn rules_that_would_be_about_nobody_are_refused() {
    let serve = ["serve", "--database-url", "sqlite::memory:", "--block-node"];
    let forget = ["forget", "--database-url", "sqlite::memory:"];
    for slip in ["a1b2c3d4", "0xa1b2c3d4", "!a1b2c3d"] {
        for arguments in [&serve[..], &forget] {
            let said = refusal(&[arguments, &[slip]].concat());
            assert!(said.contains("! and eight hexadecimal digits"), "{said}");
        }
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("geocast.toml");
    for (sources, code, complaint) in [
        ("[[source]]\ntopic = \"msh/#/e\"\n", 2, "the levels that a topic begins with"),
        ("[[source]]\ntopic = \"#\"\n", 2, "the levels that a topic begins with"),
        (
            "[[source]]\ntopic = \"msh/US\"\n[[source]]\ntopic = \"msh/US/#\"\n",
            1,
            "two [[source]] tables are about the same: msh/US",
        ),
    ] {
        std::fs::write(&file, sources).unwrap();
        let output = geocast(&["serve", "--config", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_when_nobody_takes_its_log_any_more() {
    let mut command = Command::new("bash");
    command
        .args(["-c", "exec \"$0\" \"$@\" 2> >(sed -u '/listening on http:/q' >&2)"])
        .args([env!("CARGO_BIN_EXE_geocast"), "serve", "--broker-listen", "127.0.0.1:0"])
        .args(["--database-url", "sqlite::memory:", "--log", "trace"]);
    let geocast = Geocast::run(command).await;
    for _ in 0..3 {
        let (status, health) = geocast.ask("/api/health").await;
        assert_eq!(status, 200, "{health}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_win_over_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("geocast.toml");
    let database = folder.path().join("from-file.db");
    let text = format!(
        "database-url = \"sqlite:{}\"\nlisten = \"192.0.2.1:1\"\nmap-name = \"Valley\"\nbroker-listen = \"127.0.0.1:0\"\n",
        database.display()
    );
    std::fs::write(&file, text).unwrap();
    let arguments = ["serve", "--config", file.to_str().unwrap(), "--map-name", "Hills"];
    let geocast = Geocast::start(&arguments).await;
    let (_, page) = geocast.ask("/api/config").await;
    assert_eq!(page["name"], "Hills");
    assert!(database.exists(), "the file's database was used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_an_unusable_database_are_one_clear_line() {
    let folder = TempDir::new().unwrap();
    let running = Geocast::with_broker(folder.path()).await;
    let taken = running.address.to_string();
    let output = geocast(&[
        "serve",
        "--listen",
        &taken,
        "--database-url",
        "sqlite::memory:",
        "--broker-listen",
        "127.0.0.1:0",
    ]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.contains("ERROR") && last.contains(&taken), "{text}");

    let output = geocast(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "sqlite:/nowhere/at/all.db",
    ]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.lines().last().unwrap().contains("/nowhere/at"), "{text}");
}
