//! What the database says of tokens and sessions, remembered for a moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::FRESH;
use crate::{
    domain::{Clock, Timestamp},
    storage::{AccessStore, Hash, Session, StoreError, Token, hash_of},
};

/// Most answers that are remembered of each kind. When there are more, all are forgotten and asked
/// for again.
const MOST: usize = 10_000;

/// How long the database may take to say whether there is any token, once it has been asked before.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers, and when they were given.
type Answers<T> = Mutex<HashMap<Hash, (Instant, T)>>;

/// Asks the database, and remembers.
pub(super) struct Known {
    store: Option<Arc<dyn AccessStore>>,
    clock: Clock,
    /// What sessions may be opened with beside tokens of the database.
    bases: Vec<Hash>,
    tokens: Answers<Token>,
    sessions: Answers<Session>,
    /// Whether there is any token, and when it was asked.
    any: Mutex<Option<(Instant, bool)>>,
}

impl Known {
    pub(super) fn new(store: Option<Arc<dyn AccessStore>>, clock: Clock, bases: Vec<Hash>) -> Self {
        let (tokens, sessions, any) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { store, clock, bases, tokens, sessions, any }
    }

    /// The valid token that somebody says, and its hash.
    pub(super) async fn token(&self, said: &str) -> Result<Option<(Hash, Token)>, StoreError> {
        let hash = hash_of(said);
        Ok(self.token_of(&hash).await?.map(|token| (hash, token)))
    }

    /// The valid token of this hash.
    pub(super) async fn token_of(&self, hash: &Hash) -> Result<Option<Token>, StoreError> {
        let Some(store) = &self.store else { return Ok(None) };
        let now = self.clock.now();
        if let Some(token) = remembered(&self.tokens, hash) {
            return Ok(Some(token).filter(|token| token.is_valid(now)));
        }
        let token = store.token(hash).await?.filter(|token| token.is_valid(now));
        if let Some(token) = &token {
            remember(&self.tokens, *hash, token.clone());
        }
        Ok(token)
    }

    /// The valid session of this hash, whose basis is valid as well.
    pub(super) async fn session_of(&self, hash: &Hash) -> Result<Option<Session>, StoreError> {
        let Some(store) = &self.store else { return Ok(None) };
        let now = self.clock.now();
        let holds = |session: &Session| now < session.expires_at && self.is_based(session);
        if let Some(session) = remembered(&self.sessions, hash) {
            return Ok(Some(session).filter(holds));
        }
        let Some(session) = store.session(hash).await?.filter(holds) else { return Ok(None) };
        if let Some(id) = &session.token_id
            && !is_valid(store.token_by_id(id).await?, now)
        {
            return Ok(None);
        }
        remember(&self.sessions, *hash, session.clone());
        Ok(Some(session))
    }

    /// Whether the settings still say what a session was opened with.
    fn is_based(&self, session: &Session) -> bool {
        session.basis.is_empty() || self.bases.iter().any(|basis| *basis == *session.basis)
    }

    /// Keeps a session.
    pub(super) async fn add_session(
        &self,
        hash: &Hash,
        session: &Session,
    ) -> Result<(), StoreError> {
        match &self.store {
            Some(store) => store.add_session(hash, session, self.clock.now()).await,
            None => Err(StoreError::Unavailable("sessions cannot be kept".to_owned())),
        }
    }

    /// Ends a session at once.
    pub(super) async fn end_session(&self, hash: &Hash) -> Result<(), StoreError> {
        lock(&self.sessions).remove(hash);
        match &self.store {
            Some(store) => store.end_session(hash).await,
            None => Ok(()),
        }
    }

    /// Whether there is no token at all. Where the database does not say, what it said last holds,
    /// and where it never did, there may be one.
    pub(super) async fn is_nobody_known(&self) -> bool {
        let Some(store) = &self.store else { return true };
        let last = *lock(&self.any);
        if let Some((at, any)) = last
            && at.elapsed() < FRESH
        {
            return !any;
        }
        let asking = store.has_tokens(self.clock.now());
        let answer = match last {
            None => asking.await.ok(),
            Some(_) => timeout(PATIENCE, asking).await.ok().and_then(Result::ok),
        };
        let any = answer.unwrap_or(last.is_none_or(|(_, any)| any));
        *lock(&self.any) = (answer.is_some() || last.is_some()).then(|| (Instant::now(), any));
        !any
    }
}

fn is_valid(token: Option<Token>, now: Timestamp) -> bool {
    token.is_some_and(|token| token.is_valid(now))
}

fn remembered<T: Clone>(answers: &Answers<T>, hash: &Hash) -> Option<T> {
    let answers = lock(answers);
    let (at, answer) = answers.get(hash)?;
    (at.elapsed() < FRESH).then(|| answer.clone())
}

fn remember<T>(answers: &Answers<T>, hash: Hash, answer: T) {
    let mut answers = lock(answers);
    if answers.len() >= MOST {
        answers.clear();
    }
    answers.insert(hash, (Instant::now(), answer));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
