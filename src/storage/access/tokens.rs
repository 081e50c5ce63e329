//! What an operator does about tokens by hand, beside a running server or without one.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{AccessStore, Deed, TOKEN_PREFIX, Token, hash_of, random_bytes};
use crate::{
    domain::{Role, Timestamp},
    storage::{StoreError, tools},
};

/// Longest name of a token.
const MAX_NAME_CHARS: usize = 100;

/// A token that was just made: the only time that it is told.
pub struct MadeToken {
    token: Token,
    secret: String,
}

/// Every token there is.
#[derive(Debug)]
pub struct TokenList {
    tokens: Vec<Token>,
    now: Timestamp,
}

/// Makes a token in the database of this URL.
pub async fn make_token(
    url: &str,
    role: Role,
    name: &str,
    expires_in: Option<Duration>,
    now: Timestamp,
) -> Result<MadeToken, StoreError> {
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let reason = format!("a name has at most {MAX_NAME_CHARS} characters, all on one line");
        return Err(StoreError::Rejected(reason));
    }
    let secret = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
    let id = random_bytes::<4>()?.map(|byte| format!("{byte:02x}")).concat();
    let token = Token {
        id,
        name: name.to_owned(),
        role,
        created_at: now,
        expires_at: expires_in.map(|span| now.plus(span)),
        revoked_at: None,
    };
    within(url, async |access| {
        access.add_token(&hash_of(&secret), &token).await?;
        access.note(&deed(now, "token.create", &token.id)).await
    })
    .await?;
    Ok(MadeToken { token, secret })
}

/// Every token in the database of this URL.
pub async fn tokens(url: &str, now: Timestamp) -> Result<TokenList, StoreError> {
    let tokens = within(url, async |access| access.tokens().await).await?;
    Ok(TokenList { tokens, now })
}

/// Makes the token of this id void.
pub async fn revoke_token(url: &str, id: &str, now: Timestamp) -> Result<(), StoreError> {
    within(url, async |access| {
        if access.revoke_token(id, now).await? {
            return access.note(&deed(now, "token.revoke", id)).await;
        }
        let reason = match access.token_by_id(id).await? {
            Some(_) => format!("the token {id} is revoked already"),
            None => format!("there is no token {id}: `geocast token list` shows them"),
        };
        Err(StoreError::Rejected(reason))
    })
    .await
}

/// Makes every share link void.
pub async fn rotate_share_key(url: &str, now: Timestamp) -> Result<(), StoreError> {
    within(url, async |access| {
        access.replace_share_key(&random_bytes()?).await?;
        access.note(&deed(now, "share.revoke_all", "")).await
    })
    .await
}

/// Does this with the database of this URL, and leaves nothing beside it: a file that stayed would be
/// of whoever runs the command, and the server could be somebody else.
async fn within<T>(
    url: &str,
    work: impl AsyncFnOnce(&dyn AccessStore) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let access = tools::access(url).await?;
    let outcome = work(&*access).await;
    access.close().await;
    outcome
}

fn deed(time: Timestamp, action: &str, target: &str) -> Deed {
    Deed {
        time,
        actor: "command line".to_owned(),
        role: Role::Administrator.name().to_owned(),
        address: String::new(),
        action: action.to_owned(),
        target: target.to_owned(),
        outcome: "done".to_owned(),
    }
}

impl fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The secret alone in the first line, where a pipe finds it.
impl fmt::Display for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { id, role, expires_at, .. } = &self.token;
        writeln!(f, "{}", self.secret)?;
        let ends = expires_at.map_or_else(|| "never expires".to_owned(), until);
        write!(f, "token {id}, {}, {ends}; it is not shown again", role.name())
    }
}

impl fmt::Display for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {:<14} {:<32} name", "id", "role", "state")?;
        for token in &self.tokens {
            let state = match (token.revoked_at, token.expires_at) {
                (Some(_), _) => "revoked".to_owned(),
                (None, Some(_)) if !token.is_valid(self.now) => "expired".to_owned(),
                (None, Some(end)) => until(end),
                (None, None) => "never expires".to_owned(),
            };
            write!(f, "\n{:<9} {:<14} {state:<32} {}", token.id, token.role.name(), token.name)?;
        }
        Ok(())
    }
}

fn until(end: Timestamp) -> String {
    // Where the four digits of a year end.
    const END: i64 = 253_402_300_800_000;
    let millis = end.as_millis().clamp(0, END - 1).unsigned_abs();
    let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis));
    format!("until {date}")
}
