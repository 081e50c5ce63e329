//! The statements about access. Both databases understand the same.

use crate::{
    domain::{Role, Timestamp},
    storage::{Deed, Session, Share, StoreError, Token},
};

/// Most notes that are kept of each outcome: attempts do not push out what was done.
pub(in crate::storage) const MOST_DEEDS: i64 = 100_000;

pub(in crate::storage) const ADD_TOKEN: &str = "\
    INSERT INTO tokens (id, hash, name, role, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
pub(in crate::storage) const TOKEN: &str = "\
    SELECT id, name, role, created_at, expires_at, revoked_at FROM tokens WHERE hash = $1";
pub(in crate::storage) const TOKEN_BY_ID: &str = "\
    SELECT id, name, role, created_at, expires_at, revoked_at FROM tokens WHERE id = $1";
pub(in crate::storage) const TOKENS: &str = "\
    SELECT id, name, role, created_at, expires_at, revoked_at FROM tokens ORDER BY created_at, id";
pub(in crate::storage) const REVOKE_TOKEN: &str =
    "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
pub(in crate::storage) const VALID_TOKENS: &str = "\
    SELECT count(*) FROM tokens \
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)";
pub(in crate::storage) const FORGET_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at <= $1";
pub(in crate::storage) const ADD_SESSION: &str = "\
    INSERT INTO sessions (hash, token_id, basis, name, role, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
pub(in crate::storage) const SESSION: &str =
    "SELECT token_id, basis, name, role, expires_at FROM sessions WHERE hash = $1";
pub(in crate::storage) const END_SESSION: &str = "DELETE FROM sessions WHERE hash = $1";
pub(in crate::storage) const SHARE_KEY: &str = "SELECT key FROM share_key WHERE id = 1";
pub(in crate::storage) const FIRST_SHARE_KEY: &str =
    "INSERT INTO share_key (id, key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
pub(in crate::storage) const REPLACE_SHARE_KEY: &str = "\
    INSERT INTO share_key (id, key) VALUES (1, $1) \
    ON CONFLICT (id) DO UPDATE SET key = excluded.key";
/// Most share links at a time.
pub(in crate::storage) const MOST_SHARES: i64 = 10_000;

pub(in crate::storage) const FORGET_SHARES: &str = "DELETE FROM shares WHERE expires_at <= $1";
pub(in crate::storage) const ADD_SHARE: &str = "\
    INSERT INTO shares (id, made_by, created_at, expires_at, content) \
    SELECT $1, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5 \
    WHERE (SELECT count(*) FROM shares) < $6";
pub(in crate::storage) const SHARES: &str = "\
    SELECT id, made_by, created_at, expires_at, content FROM shares \
    WHERE revoked_at IS NULL AND expires_at > $1 ORDER BY created_at, id";
pub(in crate::storage) const REVOKE_SHARE: &str = "\
    UPDATE shares SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2";
pub(in crate::storage) const REVOKED_SHARES: &str =
    "SELECT id FROM shares WHERE revoked_at IS NOT NULL";
pub(in crate::storage) const ALL_SHARES_GO: &str = "DELETE FROM shares";
pub(in crate::storage) const NOTE: &str = "\
    INSERT INTO audit (time, actor, role, address, action, target, outcome) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(in crate::storage) const FORGET_DEEDS: &str = "\
    DELETE FROM audit WHERE outcome = $1 AND id <= \
    (SELECT id FROM audit WHERE outcome = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
pub(in crate::storage) const DEEDS: &str = "\
    SELECT id, time, actor, role, address, action, target, outcome FROM audit \
    WHERE id < $1 ORDER BY id DESC LIMIT $2";

pub(in crate::storage) type TokenRow = (String, String, String, i64, Option<i64>, Option<i64>);
pub(in crate::storage) type SessionRow = (Option<String>, Vec<u8>, String, String, i64);
pub(in crate::storage) type ShareRow = (String, String, i64, i64, String);
pub(in crate::storage) type DeedRow = (i64, i64, String, String, String, String, String, String);

pub(in crate::storage) fn token(row: TokenRow) -> Result<Token, StoreError> {
    let (id, name, role, created_at, expires_at, revoked_at) = row;
    Ok(Token {
        id,
        name,
        role: known(role)?,
        created_at: Timestamp::from_millis(created_at),
        expires_at: expires_at.map(Timestamp::from_millis),
        revoked_at: revoked_at.map(Timestamp::from_millis),
    })
}

pub(in crate::storage) fn session(row: SessionRow) -> Result<Session, StoreError> {
    let (token_id, basis, name, role, expires_at) = row;
    let expires_at = Timestamp::from_millis(expires_at);
    Ok(Session { token_id, basis, name, role: known(role)?, expires_at })
}

pub(in crate::storage) fn share(row: ShareRow) -> Share {
    let (id, made_by, created_at, expires_at, content) = row;
    let [created_at, expires_at] = [created_at, expires_at].map(Timestamp::from_millis);
    Share { id, made_by, created_at, expires_at, content }
}

pub(in crate::storage) fn deed(row: DeedRow) -> (i64, Deed) {
    let (id, time, actor, role, address, action, target, outcome) = row;
    let time = Timestamp::from_millis(time);
    (id, Deed { time, actor, role, address, action, target, outcome })
}

fn known(role: String) -> Result<Role, StoreError> {
    Role::named(&role).ok_or(StoreError::Corrupt { what: "role", value: role })
}

/// The trait for a store of one database: `$run` borrows a connection and gives it to `$work`.
macro_rules! access_store {
    ($Store:ty) => {
        #[async_trait::async_trait]
        impl $crate::storage::AccessStore for $Store {
            async fn add_token(&self, hash: &Hash, token: &Token) -> Result<(), StoreError> {
                let query = sqlx::query(statements::ADD_TOKEN)
                    .bind(&*token.id)
                    .bind(hash.as_slice())
                    .bind(&*token.name)
                    .bind(token.role.name())
                    .bind(token.created_at.as_millis())
                    .bind(token.expires_at.map(Timestamp::as_millis));
                self.run(async |on| query.execute(on).await.map(drop)).await
            }

            async fn token(&self, hash: &Hash) -> Result<Option<Token>, StoreError> {
                let query = sqlx::query_as(statements::TOKEN).bind(hash.as_slice());
                let row = self.run(async |on| query.fetch_optional(on).await).await?;
                row.map(statements::token).transpose()
            }

            async fn token_by_id(&self, id: &str) -> Result<Option<Token>, StoreError> {
                let query = sqlx::query_as(statements::TOKEN_BY_ID).bind(id);
                let row = self.run(async |on| query.fetch_optional(on).await).await?;
                row.map(statements::token).transpose()
            }

            async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
                let query = sqlx::query_as(statements::TOKENS);
                let rows = self.run(async |on| query.fetch_all(on).await).await?;
                rows.into_iter().map(statements::token).collect()
            }

            async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
                let query = sqlx::query(statements::REVOKE_TOKEN).bind(id).bind(now.as_millis());
                let done = self.run(async |on| query.execute(on).await).await?;
                Ok(done.rows_affected() > 0)
            }

            async fn has_tokens(&self, now: Timestamp) -> Result<bool, StoreError> {
                let query = sqlx::query_scalar(statements::VALID_TOKENS).bind(now.as_millis());
                let count: i64 = self.run(async |on| query.fetch_one(on).await).await?;
                Ok(count > 0)
            }

            async fn add_session(
                &self,
                hash: &Hash,
                session: &Session,
                now: Timestamp,
            ) -> Result<(), StoreError> {
                let forget = sqlx::query(statements::FORGET_SESSIONS).bind(now.as_millis());
                let query = sqlx::query(statements::ADD_SESSION)
                    .bind(hash.as_slice())
                    .bind(session.token_id.as_deref())
                    .bind(&*session.basis)
                    .bind(&*session.name)
                    .bind(session.role.name())
                    .bind(session.expires_at.as_millis());
                self.run(async |on| {
                    forget.execute(&mut *on).await?;
                    query.execute(on).await.map(drop)
                })
                .await
            }

            async fn session(&self, hash: &Hash) -> Result<Option<Session>, StoreError> {
                let query = sqlx::query_as(statements::SESSION).bind(hash.as_slice());
                let row = self.run(async |on| query.fetch_optional(on).await).await?;
                row.map(statements::session).transpose()
            }

            async fn end_session(&self, hash: &Hash) -> Result<(), StoreError> {
                let query = sqlx::query(statements::END_SESSION).bind(hash.as_slice());
                self.run(async |on| query.execute(on).await.map(drop)).await
            }

            async fn share_key(&self, fresh: &Hash) -> Result<Vec<u8>, StoreError> {
                let first = sqlx::query(statements::FIRST_SHARE_KEY).bind(fresh.as_slice());
                let query = || sqlx::query_scalar(statements::SHARE_KEY);
                self.run(async |on| {
                    if let Some(key) = query().fetch_optional(&mut *on).await? {
                        return Ok(key);
                    }
                    first.execute(&mut *on).await?;
                    query().fetch_one(on).await
                })
                .await
            }

            async fn replace_share_key(&self, fresh: &Hash) -> Result<(), StoreError> {
                let query = sqlx::query(statements::REPLACE_SHARE_KEY).bind(fresh.as_slice());
                let forget = sqlx::query(statements::ALL_SHARES_GO);
                self.run(async |on| {
                    query.execute(&mut *on).await?;
                    forget.execute(on).await.map(drop)
                })
                .await
            }

            async fn add_share(&self, share: &Share, now: Timestamp) -> Result<bool, StoreError> {
                let forget = sqlx::query(statements::FORGET_SHARES).bind(now.as_millis());
                let query = sqlx::query(statements::ADD_SHARE)
                    .bind(&*share.id)
                    .bind(&*share.made_by)
                    .bind(share.created_at.as_millis())
                    .bind(share.expires_at.as_millis())
                    .bind(&*share.content)
                    .bind(statements::MOST_SHARES);
                let done = self.run(async |on| {
                    forget.execute(&mut *on).await?;
                    query.execute(on).await
                });
                Ok(done.await?.rows_affected() > 0)
            }

            async fn shares(&self, now: Timestamp) -> Result<Vec<Share>, StoreError> {
                let query = sqlx::query_as(statements::SHARES).bind(now.as_millis());
                let rows = self.run(async |on| query.fetch_all(on).await).await?;
                Ok(rows.into_iter().map(statements::share).collect())
            }

            async fn revoke_share(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
                let query = sqlx::query(statements::REVOKE_SHARE).bind(id).bind(now.as_millis());
                let done = self.run(async |on| query.execute(on).await).await?;
                Ok(done.rows_affected() > 0)
            }

            async fn revoked_shares(&self) -> Result<Vec<String>, StoreError> {
                let query = sqlx::query_scalar(statements::REVOKED_SHARES);
                self.run(async |on| query.fetch_all(on).await).await
            }

            async fn note(&self, deed: &Deed) -> Result<(), StoreError> {
                let note = sqlx::query(statements::NOTE)
                    .bind(deed.time.as_millis())
                    .bind(&*deed.actor)
                    .bind(&*deed.role)
                    .bind(&*deed.address)
                    .bind(&*deed.action)
                    .bind(&*deed.target)
                    .bind(&*deed.outcome);
                let forget = sqlx::query(statements::FORGET_DEEDS)
                    .bind(&*deed.outcome)
                    .bind(statements::MOST_DEEDS);
                self.run(async |on| {
                    note.execute(&mut *on).await?;
                    forget.execute(on).await.map(drop)
                })
                .await
            }

            async fn deeds(
                &self,
                before: Option<i64>,
                limit: u32,
            ) -> Result<Vec<(i64, Deed)>, StoreError> {
                let query = sqlx::query_as(statements::DEEDS)
                    .bind(before.unwrap_or(i64::MAX))
                    .bind(i64::from(limit));
                let rows = self.run(async |on| query.fetch_all(on).await).await?;
                Ok(rows.into_iter().map(statements::deed).collect())
            }

            async fn close(&self) {
                self.pool().close().await;
            }
        }
    };
}
pub(in crate::storage) use access_store;
