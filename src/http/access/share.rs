//! Share links: a view of the map for whoever has the link, signed, until its end.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{Access, By, Caller, Denied, FRESH, Outcome, Standing};
use crate::{
    domain::{Area, Bounds, Filter, NodeId, Role, Timestamp, View},
    http::{AppState, error::ApiError, gate::Client, protocol},
    storage::{AccessStore, Hash, Share, StoreError, random_bytes},
};

/// Longest time that a link is good for.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Most nodes in a link, which has to fit into a URL.
const MOST_NODES: usize = 100;

/// Longest link that is looked at.
const MAX_BYTES: usize = 8 << 10;

/// What is asked for: a part of a filter, and an end.
#[derive(Deserialize)]
pub(in crate::http) struct Wanted {
    #[serde(flatten)]
    filter: protocol::Filter,
    expires: End,
}

/// When a link ends: in milliseconds since 1970, or after a span, as `7d`.
#[derive(Deserialize)]
#[serde(untagged)]
enum End {
    At(i64),
    After(String),
}

/// What a link says.
#[derive(Serialize, Deserialize)]
struct Content {
    /// North, south, east and west of each rectangle.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    bounds: Option<Vec<[f64; 4]>>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<String>>,
    #[serde(rename = "e")]
    expires: i64,
    /// What it is called; none for links of earlier versions.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// The key that links are signed with, and those that were made void, as it was a moment ago.
pub(super) struct Shares {
    store: Option<Arc<dyn AccessStore>>,
    key: Mutex<Option<(Instant, Key)>>,
    revoked: Mutex<Option<(Instant, Arc<HashSet<String>>)>>,
}

/// What a valid link says.
struct Opened {
    view: View,
    end: Timestamp,
    key: Hash,
    id: Option<Arc<str>>,
}

#[derive(Clone)]
struct Key(hmac::Key);

impl Key {
    /// What it is told by.
    fn hash(&self) -> Hash {
        let mut hash = Hash::default();
        hash.copy_from_slice(hmac::sign(&self.0, b"").as_ref());
        hash
    }
}

impl Shares {
    pub(super) fn new(store: Option<Arc<dyn AccessStore>>) -> Self {
        Self { store, key: Mutex::new(None), revoked: Mutex::new(None) }
    }

    async fn key(&self) -> Result<Key, StoreError> {
        let lock = || self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, key)) = &*lock()
            && at.elapsed() < FRESH
        {
            return Ok(key.clone());
        }
        let key = self.store()?.share_key(&random_bytes()?).await?;
        let key = Key(hmac::Key::new(hmac::HMAC_SHA256, &key));
        *lock() = Some((Instant::now(), key.clone()));
        Ok(key)
    }

    fn store(&self) -> Result<&Arc<dyn AccessStore>, StoreError> {
        let missing = || StoreError::Unavailable("share links have no key".to_owned());
        self.store.as_ref().ok_or_else(missing)
    }

    /// Whether links are signed with the key of this hash, and the one of this id is not void.
    pub(super) async fn holds(&self, key: &Hash, id: Option<&str>) -> Result<bool, StoreError> {
        Ok(self.key().await?.hash() == *key && !self.is_revoked(id).await?)
    }

    async fn is_revoked(&self, id: Option<&str>) -> Result<bool, StoreError> {
        let Some(id) = id else { return Ok(false) };
        let lock = || self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone().filter(|(at, _)| at.elapsed() < FRESH);
        if let Some((_, revoked)) = known {
            return Ok(revoked.contains(id));
        }
        let revoked = Arc::new(self.store()?.revoked_shares().await?.into_iter().collect());
        *lock() = Some((Instant::now(), Arc::clone(&revoked)));
        Ok(revoked.contains(id))
    }

    /// Forgets which are void, so that it is asked for again.
    fn forget_revoked(&self) {
        *self.revoked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A link with this content.
    async fn sign(&self, content: &[u8]) -> Result<String, StoreError> {
        let content = URL_SAFE_NO_PAD.encode(content);
        let tag = hmac::sign(&self.key().await?.0, content.as_bytes());
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What a link says, if it is signed and was not made void.
    async fn open(&self, link: &str) -> Result<Option<Opened>, StoreError> {
        let Some((content, tag)) = link.split_once('.').filter(|_| link.len() <= MAX_BYTES) else {
            return Ok(None);
        };
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return Ok(None) };
        let key = self.key().await?;
        if hmac::verify(&key.0, content.as_bytes(), &tag).is_err() {
            return Ok(None);
        }
        let content = URL_SAFE_NO_PAD.decode(content).ok();
        let content = content.and_then(|content| serde_json::from_slice::<Content>(&content).ok());
        let Some(content) = content else { return Ok(None) };
        if self.is_revoked(content.id.as_deref()).await? {
            return Ok(None);
        }
        let Some(view) = view(&content) else { return Ok(None) };
        let end = Timestamp::from_millis(content.expires);
        Ok(Some(Opened { view, end, key: key.hash(), id: content.id.map(Into::into) }))
    }
}

fn view(content: &Content) -> Option<View> {
    let bounds = content.bounds.as_ref().map(|rectangles| {
        let rectangles = rectangles.iter().map(|&[n, s, e, w]| Bounds::new(n, s, e, w).ok());
        rectangles.collect::<Option<Vec<_>>>()
    });
    let nodes = content
        .nodes
        .as_ref()
        .map(|ids| ids.iter().map(|id| id.parse::<NodeId>().ok()).collect::<Option<Vec<_>>>());
    // What is given and cannot be read shows nothing, and not everything.
    let bounds = match bounds {
        Some(bounds) => Some(Area::new(bounds?)),
        None => None,
    };
    let nodes = match nodes {
        Some(nodes) => Some(nodes?),
        None => None,
    };
    Some(View::new(bounds, nodes))
}

impl Access {
    /// Who shows a share link.
    pub(super) async fn by_share(&self, link: &str, client: &Client) -> Result<Caller, ApiError> {
        let opened = self.shares.open(link).await?;
        let Opened { view, end, key, id } = opened.ok_or(Denied::BadShare)?;
        if end <= self.clock.now() {
            return Err(Denied::BadShare.into());
        }
        let standing = Standing::Share(end, key, id);
        let caller = self.caller(client, Role::Anonymous, "share link", By::Share, standing);
        // A link shows nodes, and not what they say.
        Ok(Caller { view: Some(Arc::new(view)), messages: false, ..caller })
    }
}

/// `POST /api/shares`: a link to a view of the map.
pub(in crate::http) async fn make(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, ApiError> {
    let bad = |text: &str| ApiError::BadRequest(text.to_owned());
    let Json(Wanted { filter, expires }) = wanted?;
    if filter.message_types.is_some() || filter.also_ids.is_some() || filter.cells.is_some() {
        return Err(bad("a share has bounds and nodeIds, and nothing else of a filter"));
    }
    let Filter { bounds, node_ids, .. } = filter.try_into()?;
    if node_ids.as_ref().is_some_and(|ids| ids.len() > MOST_NODES) {
        return Err(ApiError::BadRequest(format!("a share names at most {MOST_NODES} nodes")));
    }
    let now = state.clock.now();
    let end = match expires {
        End::At(millis) => Timestamp::from_millis(millis),
        End::After(span) => {
            let span = humantime::parse_duration(&span);
            now.plus(span.map_err(|_invalid| bad("expires is a time in ms, or a span as 7d"))?)
        }
    };
    if end <= now || end > now.plus(LONGEST) {
        return Err(bad("expires must lie in the future, and within a year"));
    }
    let id = format!("{:016x}", u64::from_be_bytes(random_bytes()?));
    let content = Content {
        id: Some(id.clone()),
        bounds: bounds.map(|area| area.rectangles().iter().map(Bounds::edges).collect()),
        nodes: node_ids.map(|ids| ids.iter().map(NodeId::to_string).collect()),
        expires: end.as_millis(),
    };
    let unwritable = |_| bad("this share cannot be written");
    let content = serde_json::to_string(&content).map_err(unwritable)?;
    let shares = &state.access.shares;
    let share = shares.sign(content.as_bytes()).await?;
    let made_by = caller.name.to_string();
    let kept = Share { id: id.clone(), made_by, created_at: now, expires_at: end, content };
    if !shares.store()?.add_share(&kept, now).await? {
        return Err(bad("there are too many share links: revoke some"));
    }
    let made = format!("{id} until {}", end.as_millis());
    state.access.audit(&caller, "share.create", &made, Outcome::Done).await;
    let answer = json!({
        "id": id,
        "url": format!("/?share={share}"),
        "share": share,
        "expires": end.as_millis(),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// `GET /api/shares`: the links that are not void, the oldest first; without what makes them valid.
pub(in crate::http) async fn list(State(state): State<AppState>) -> Result<Response, ApiError> {
    let shares = state.access.shares.store()?.shares(state.clock.now()).await?;
    let shares = shares.iter().map(|share| {
        let content = serde_json::from_str::<Content>(&share.content).ok();
        let (bounds, nodes) = content.map(|content| (content.bounds, content.nodes)).unzip();
        let bounds = bounds.flatten().map(|rectangles| {
            let rectangle = |[north, south, east, west]: [f64; 4]| json!({ "north": north, "south": south, "east": east, "west": west });
            rectangles.into_iter().map(rectangle).collect::<Vec<_>>()
        });
        json!({
            "id": share.id,
            "madeBy": share.made_by,
            "created": share.created_at.as_millis(),
            "expires": share.expires_at.as_millis(),
            "bounds": bounds,
            "nodeIds": nodes.flatten(),
        })
    });
    let answer = json!({ "shares": shares.collect::<Vec<_>>() });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// `DELETE /api/shares/{id}`: makes a link void, and ends the connections by it.
pub(in crate::http) async fn revoke(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let Access { shares, live, .. } = &state.access;
    if !shares.store()?.revoke_share(&id, state.clock.now()).await? {
        return Err(ApiError::NotFound("there is no such share link"));
    }
    shares.forget_revoked();
    for standing in live.standings() {
        if matches!(&standing, Standing::Share(_, _, Some(of)) if **of == *id) {
            live.end(&standing);
        }
    }
    state.access.audit(&caller, "share.revoke", &id, Outcome::Done).await;
    Ok(StatusCode::NO_CONTENT)
}
