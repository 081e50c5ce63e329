//! What is particular to a database in a file.

use geocast::{domain::Filed, storage};

use crate::{
    FORGET_AFTER, House,
    reports::{NOON, commit, full, nodes},
};

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
