//! Who may see and do what: tokens, sessions, the key of share links, and what was done with them.

mod tokens;

use async_trait::async_trait;
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

use super::StoreError;
use crate::domain::{Role, Timestamp};

pub use tokens::{MadeToken, TokenList, make_token, revoke_token, rotate_share_key, tokens};

/// What somebody says to be known is 32 random bytes, and its hash as many.
pub type Hash = [u8; 32];

/// What the tokens of this server begin with, so that they are recognised where they leak.
pub const TOKEN_PREFIX: &str = "geocast_";

/// What is kept of a secret that nobody can guess: so hashing it once is enough, and how long it
/// takes to look the hash up says nothing about the secret.
pub fn hash_of(secret: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

/// So many bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let failed = |_| StoreError::Unavailable("the system has no random numbers".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is called where it must not be said.
    pub id: String,
    /// What it is for, in words.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is void.
    pub expires_at: Option<Timestamp>,
    /// When it was made void.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it is good for anything.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A browser that signed in, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The token that it was opened with.
    pub token_id: Option<String>,
    /// What else must still hold.
    pub basis: Vec<u8>,
    /// Who it is.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// From when on it is void.
    pub expires_at: Timestamp,
}

/// A share link, as it is kept: without what makes it valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// What it is called.
    pub id: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// What it shows, as it is signed.
    pub content: String,
}

/// Something that was done, or attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are their documentation")]
pub struct Deed {
    pub time: Timestamp,
    pub actor: String,
    pub role: String,
    pub address: String,
    pub action: String,
    pub target: String,
    pub outcome: String,
}

/// The part of a database that says who may see and do what. Whatever is void stays void: nothing
/// here makes a token or a session good again.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Keeps a new token.
    async fn add_token(&self, hash: &Hash, token: &Token) -> Result<(), StoreError>;

    /// The token of this hash, valid or not.
    async fn token(&self, hash: &Hash) -> Result<Option<Token>, StoreError>;

    /// The token of this id, valid or not.
    async fn token_by_id(&self, id: &str) -> Result<Option<Token>, StoreError>;

    /// Every token, the oldest first.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;

    /// Makes a token void; false if there is no such token, or it is void already.
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Whether any token is valid.
    async fn has_tokens(&self, now: Timestamp) -> Result<bool, StoreError>;

    /// Keeps a session, and forgets those that are over.
    async fn add_session(
        &self,
        hash: &Hash,
        session: &Session,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The session of this hash.
    async fn session(&self, hash: &Hash) -> Result<Option<Session>, StoreError>;

    /// Forgets a session.
    async fn end_session(&self, hash: &Hash) -> Result<(), StoreError>;

    /// The key that share links are signed with: `fresh` where there is none yet.
    async fn share_key(&self, fresh: &Hash) -> Result<Vec<u8>, StoreError>;

    /// Keeps a share link, and forgets those that are over; false if there are too many.
    async fn add_share(&self, share: &Share, now: Timestamp) -> Result<bool, StoreError>;

    /// The share links that are not void, the oldest first.
    async fn shares(&self, now: Timestamp) -> Result<Vec<Share>, StoreError>;

    /// Makes a share link void; false if there is no such link, or it is void already.
    async fn revoke_share(&self, id: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// The ids of those that were made void before their end.
    async fn revoked_shares(&self) -> Result<Vec<String>, StoreError>;

    /// Puts another key in its place: no link that was made before is good any more.
    async fn replace_share_key(&self, fresh: &Hash) -> Result<(), StoreError>;

    /// Notes what was done.
    async fn note(&self, deed: &Deed) -> Result<(), StoreError>;

    /// What was noted before the note of this number, the newest first, each with its number.
    async fn deeds(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, Deed)>, StoreError>;

    /// Ends its connections, and those of the store that it is a part of.
    async fn close(&self);
}
