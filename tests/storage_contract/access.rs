//! Who may see and do what.

use std::time::Duration;

use geocast::{
    domain::{Role, Timestamp},
    storage::{self, Deed, Session, Share, Token, hash_of},
};

use crate::House;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) async fn a_token_is_found_by_its_hash_until_it_is_void(house: &House) {
    let store = house.open().await;
    let access = store.access();
    assert!(!access.has_tokens(NOW).await.unwrap());
    let token = Token {
        id: "1".to_owned(),
        name: "<b>wall</b>".to_owned(),
        role: Role::Operator,
        created_at: NOW,
        expires_at: Some(later(60)),
        revoked_at: None,
    };
    access.add_token(&hash_of("secret"), &token).await.unwrap();
    let twin = Token { id: "2".to_owned(), ..token.clone() };
    access.add_token(&hash_of("secret"), &twin).await.unwrap_err();
    assert_eq!(access.token(&hash_of("secret")).await.unwrap(), Some(token.clone()));
    assert_eq!(access.token_by_id("1").await.unwrap(), Some(token.clone()));
    assert_eq!(access.token(&hash_of("Secret")).await.unwrap(), None);
    assert!(access.has_tokens(later(59)).await.unwrap());
    assert!(!access.has_tokens(later(60)).await.unwrap());
    assert!(token.is_valid(later(59)) && !token.is_valid(later(60)));

    assert!(access.revoke_token("1", later(1)).await.unwrap());
    assert!(!access.revoke_token("1", later(2)).await.unwrap(), "it is void already");
    assert!(!access.revoke_token("2", later(2)).await.unwrap(), "there is none");
    let revoked = Token { revoked_at: Some(later(1)), ..token };
    assert!(!revoked.is_valid(later(1)));
    assert!(!access.has_tokens(later(1)).await.unwrap());
    assert_eq!(access.tokens().await.unwrap(), [revoked]);
}

pub(crate) async fn a_share_is_listed_until_it_is_void(house: &House) {
    let store = house.open().await;
    let access = store.access();
    let share = |id: &str, end| Share {
        id: id.to_owned(),
        made_by: "token 1".to_owned(),
        created_at: NOW,
        expires_at: later(end),
        content: "{}".to_owned(),
    };
    for share in [share("a", 60), share("b", 90), share("c", 10)] {
        assert!(access.add_share(&share, NOW).await.unwrap());
    }
    assert_eq!(access.shares(later(10)).await.unwrap(), [share("a", 60), share("b", 90)]);
    assert!(access.revoke_share("a", later(11)).await.unwrap());
    assert!(!access.revoke_share("a", later(11)).await.unwrap(), "it is void already");
    assert!(!access.revoke_share("c", later(11)).await.unwrap(), "it is over");
    assert!(!access.revoke_share("d", later(11)).await.unwrap(), "there is none");
    assert_eq!(access.revoked_shares().await.unwrap(), ["a"]);
    assert_eq!(access.shares(later(11)).await.unwrap(), [share("b", 90)]);
    // What is over is forgotten when there is a new one.
    assert!(access.add_share(&share("e", 99), later(60)).await.unwrap());
    assert_eq!(access.revoked_shares().await.unwrap(), Vec::<String>::new());
    access.replace_share_key(&[7; 32]).await.unwrap();
    assert_eq!(access.shares(later(11)).await.unwrap(), []);
}

pub(crate) async fn tokens_are_made_and_revoked_beside_a_server(house: &House) {
    let before = storage::make_token(&house.url, Role::Viewer, "first", None, NOW).await.unwrap();
    let store = house.open().await;
    let access = store.access();
    let said = |made: &storage::MadeToken| made.to_string().lines().next().unwrap().to_owned();
    let first = access.token(&hash_of(&said(&before))).await.unwrap().unwrap();
    assert_eq!((first.role, first.name.as_str()), (Role::Viewer, "first"));
    let day = Duration::from_hours(24);
    let beside = storage::make_token(&house.url, Role::Administrator, "", Some(day), NOW);
    let beside = beside.await.unwrap();
    let second = access.token(&hash_of(&said(&beside))).await.unwrap().unwrap();
    assert_eq!(second.expires_at, Some(NOW.plus(day)));
    storage::revoke_token(&house.url, &second.id, NOW).await.unwrap();
    assert!(access.token_by_id(&second.id).await.unwrap().unwrap().revoked_at.is_some());
    storage::revoke_token(&house.url, &second.id, NOW).await.unwrap_err();
    let list = storage::tokens(&house.url, NOW).await.unwrap().to_string();
    assert!(list.contains("revoked") && list.contains("never expires"), "{list}");
    assert!(!list.contains(&said(&before)) && !format!("{before:?}").contains(&said(&before)));
    for name in ["two\nlines", &"long".repeat(99)] {
        storage::make_token(&house.url, Role::Viewer, name, None, NOW).await.unwrap_err();
    }
    let deeds = access.deeds(None, 10).await.unwrap();
    let actions: Vec<_> = deeds.iter().map(|(_, deed)| deed.action.as_str()).collect();
    assert_eq!(actions, ["token.revoke", "token.create", "token.create"]);
}

pub(crate) async fn a_session_ends_once_and_those_that_are_over_are_forgotten(house: &House) {
    let store = house.open().await;
    let access = store.access();
    let session = |token_id: Option<&str>, end| Session {
        token_id: token_id.map(str::to_owned),
        basis: vec![0, 255],
        name: "somebody".to_owned(),
        role: Role::Viewer,
        expires_at: later(end),
    };
    let [short, long, new] = ["short", "long", "new"].map(hash_of);
    access.add_session(&short, &session(None, 10), NOW).await.unwrap();
    access.add_session(&long, &session(Some("1"), 60), NOW).await.unwrap();
    assert_eq!(access.session(&short).await.unwrap(), Some(session(None, 10)));
    access.add_session(&new, &session(None, 90), later(10)).await.unwrap();
    assert_eq!(access.session(&short).await.unwrap(), None, "it is over");
    assert_eq!(access.session(&long).await.unwrap(), Some(session(Some("1"), 60)));
    for _ in 0..2 {
        access.end_session(&long).await.unwrap();
        assert_eq!(access.session(&long).await.unwrap(), None);
    }
}

pub(crate) async fn the_key_of_share_links_stays_until_it_is_replaced(house: &House) {
    let store = house.open().await;
    let access = store.access();
    let [one, two, three] = ["1", "2", "3"].map(hash_of);
    assert_eq!(access.share_key(&one).await.unwrap(), one);
    assert_eq!(access.share_key(&two).await.unwrap(), one);
    access.replace_share_key(&three).await.unwrap();
    assert_eq!(access.share_key(&two).await.unwrap(), three);
    storage::rotate_share_key(&house.url, NOW).await.unwrap();
    let rotated = access.share_key(&two).await.unwrap();
    assert!(rotated.len() == 32 && rotated != three);
}

pub(crate) async fn what_was_done_is_paged_newest_first(house: &House) {
    let store = house.open().await;
    let access = store.access();
    let deed = |at: u64| Deed {
        time: later(at),
        actor: "token 1 (<b>wall</b>)".to_owned(),
        role: "operator".to_owned(),
        address: "2001:db8::1".to_owned(),
        action: "share.create".to_owned(),
        target: String::new(),
        outcome: if at.is_multiple_of(2) { "done" } else { "refused" }.to_owned(),
    };
    for at in 0..5 {
        access.note(&deed(at)).await.unwrap();
    }
    let mut before = None;
    let mut read = Vec::new();
    loop {
        let page = access.deeds(before, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        before = Some(*last);
        read.extend(page.into_iter().map(|(_, deed)| deed));
    }
    assert_eq!(read, [4, 3, 2, 1, 0].map(deed));
}
