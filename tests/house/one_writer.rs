//! Two geocast on one database file: the second one is refused, whatever it calls the file.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::harness::{Gateway, Geocast, Radio};

fn is_refused(working_directory: &Path, database_url: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_geocast"))
        .args(["serve", "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"])
        .args(["--database-url", database_url])
        .current_dir(working_directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{database_url}: {text}");
    assert_eq!(text.lines().count(), 1, "{database_url}: {text}");
    assert!(text.contains("geocast.db: another process uses it"), "{database_url}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_geocast_on_one_file_is_refused_by_whatever_name() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let beside = folder.path().join("beside");
    std::fs::create_dir(&beside).unwrap();
    symlink("../geocast.db", beside.join("link.db")).unwrap();
    symlink("link.db", beside.join("link-to-link.db")).unwrap();
    symlink(folder.path(), beside.join("folder")).unwrap();
    let here = folder.path();
    is_refused(here, &format!("sqlite:{}", here.join("geocast.db").display()));
    for name in [
        "geocast.db",
        "./geocast.db",
        "beside/../geocast.db",
        "beside/link.db",
        "//beside/link-to-link.db",
        "beside/folder/geocast.db",
    ] {
        is_refused(here, &format!("sqlite:{name}"));
    }
    is_refused(&beside, "sqlite:../geocast.db");
    // The first one has noticed nothing.
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).text("still here"));
    let (_, page) = geocast.ask("/api/messages").await;
    assert_eq!(page["messages"][0]["text"], "still here");
    assert!(geocast.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_behind_a_link_is_one_database() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    geocast.stop().await;
    let elsewhere = TempDir::new().unwrap();
    symlink(folder.path().join("geocast.db"), elsewhere.path().join("geocast.db")).unwrap();
    let _by_the_link = Geocast::with_broker(elsewhere.path()).await;
    is_refused(folder.path(), "sqlite:geocast.db");
}
