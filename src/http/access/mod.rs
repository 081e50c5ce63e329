//! Who asks, and what they may: the one place that makes a role of a request.

mod audit;
mod caller;
mod cookie;
mod denied;
mod failures;
mod guard;
mod jwt;
mod known;
mod live;
mod local;
mod routes;
mod session;
mod share;
mod ticket;

use std::{fmt, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header, request::Parts};
use tokio::time::Instant;
use tracing::{debug, info};

use super::gate::Client;
use crate::{
    domain::{Clock, Role},
    storage::{AccessStore, StoreError, TOKEN_PREFIX},
};

use audit::Notes;
pub(super) use audit::{AuditQuery, Outcome, list as deeds};
pub(super) use caller::Caller;
use caller::{By, Standing};
pub(super) use cookie::{PLAIN as SESSION_COOKIE, is_secure};
pub(super) use denied::Denied;
use failures::Failures;
pub use jwt::{KeySource, OidcSettings};
use jwt::{Oidc, Subject};
use known::Known;
use live::Live;
pub(super) use live::Stay;
pub use local::AdminToken;
pub(super) use routes::{Routes, Rule};
pub(super) use session::{login, logout, session};
use share::Shares;
pub(super) use share::{list as shares, make as make_share, revoke as revoke_share};
use ticket::Tickets;
pub(super) use ticket::make as make_ticket;

use super::error::ApiError;

/// How old what is known of the database may be. So revoking a token, or its end, takes effect
/// within this, and on open sockets within as much again.
const FRESH: Duration = Duration::from_secs(2);

/// Who may see what.
#[derive(Clone, Default)]
pub struct AccessSettings {
    /// Tokens, sessions and the audit; without it there are none.
    pub store: Option<Arc<dyn AccessStore>>,
    /// What administrators may say beside the tokens of the database.
    pub admin_token: Option<AdminToken>,
    /// Whose signed tokens are believed.
    pub oidc: Option<OidcSettings>,
    /// Whether everybody may look at the map.
    pub public: bool,
    /// Whether everybody who may look at the map may read text messages.
    pub public_messages: bool,
}

impl fmt::Debug for AccessSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessSettings")
            .field("admin_token", &self.admin_token)
            .field("oidc", &self.oidc)
            .field("public", &self.public)
            .field("public_messages", &self.public_messages)
            .finish_non_exhaustive()
    }
}

/// Knows who may see what.
pub(super) struct Access {
    settings: AccessSettings,
    clock: Clock,
    oidc: Option<Oidc>,
    known: Known,
    live: Live,
    shares: Shares,
    tickets: Tickets,
    failures: Failures,
    notes: Notes,
}

impl Access {
    pub(super) fn new(settings: AccessSettings, clock: Clock) -> Self {
        let store = settings.store.clone();
        let oidc = settings.oidc.clone().map(Oidc::new);
        let bases = settings.admin_token.iter().map(AdminToken::hash);
        let bases = bases.chain(oidc.iter().map(Oidc::hash)).collect();
        Self {
            known: Known::new(store.clone(), clock.clone(), bases),
            oidc,
            shares: Shares::new(store),
            settings,
            clock,
            live: Live::default(),
            tickets: Tickets::default(),
            failures: Failures::default(),
            notes: Notes::default(),
        }
    }

    /// Whether everybody may look at the map.
    pub(super) fn is_public(&self) -> bool {
        self.settings.public
    }

    /// Whether everybody may read text messages.
    pub(super) fn are_messages_public(&self) -> bool {
        self.settings.public && self.settings.public_messages
    }

    /// Whether it may be that nobody is known but who asks from here.
    fn may_be_local(&self) -> bool {
        self.settings.admin_token.is_none() && self.oidc.is_none()
    }

    /// Says what is open to whom, where an operator reads it.
    pub(super) async fn announce(&self) {
        let messages = match (self.settings.public, self.settings.public_messages) {
            (false, _) => "nothing: viewers sign in (--public off)",
            (true, false) => "the map without text messages (--public on)",
            (true, true) => "the map with text messages (--public on, --public-messages on)",
        };
        info!("without signing in, everybody who reaches this server sees {messages}");
        if self.may_be_local() && self.known.is_nobody_known().await {
            info!(
                "whoever asks from this machine is an administrator, as there is no token yet: \
                 `geocast token create --role administrator` makes one"
            );
        }
    }

    /// Who sent a request.
    pub(super) async fn identify(
        &self,
        client: &Client,
        parts: &Parts,
        rule: Rule,
    ) -> Result<Caller, ApiError> {
        let headers = &parts.headers;
        if let Some(share) = parameter(parts.uri.query(), "share") {
            return self.by_share(&share, client).await;
        }
        if let Some(token) = bearer(headers) {
            return self.by_token(token, client).await;
        }
        if rule == Rule::Live
            && let Some(ticket) = parameter(parts.uri.query(), "ticket")
        {
            return self.by_ticket(&ticket).await;
        }
        if let Some(caller) = self.by_cookie(client, headers).await? {
            return Ok(caller);
        }
        if self.may_be_local()
            && local::is_local(client, headers)
            && self.known.is_nobody_known().await
        {
            return Ok(self.caller(
                client,
                Role::Administrator,
                "local",
                By::Local,
                Standing::Local,
            ));
        }
        Ok(self.nobody(client))
    }

    /// Who says a token, which may be one of the settings or one of the database.
    async fn by_token(&self, token: &str, client: &Client) -> Result<Caller, ApiError> {
        // Nobody guesses one of these, so whoever has one does not wait for those who guess others.
        if token.starts_with(TOKEN_PREFIX)
            && let Some((hash, token)) = self.known.token(token).await?
        {
            let name = audit::name_of(&token);
            let standing = Standing::Token(hash);
            return Ok(self.caller(client, token.role, &name, By::Bearer, standing));
        }
        let now = Instant::now();
        self.failures.check(client.ip, now)?;
        if self.settings.admin_token.as_ref().is_some_and(|known| known.is(token)) {
            let role = Role::Administrator;
            return Ok(self.caller(client, role, "--admin-token", By::Bearer, Standing::Free));
        }
        if let Some(oidc) = &self.oidc
            && token.contains('.')
        {
            match oidc.believe(token, self.clock.now()).await {
                Ok(Subject { name, role, until }) => {
                    let standing = Standing::Until(until);
                    return Ok(self.caller(client, role, &name, By::Bearer, standing));
                }
                Err(reason) => debug!("a signed token is not believed: {reason}"),
            }
        }
        self.failures.count(client.ip, now);
        self.note_failure(client).await;
        Err(Denied::BadToken.into())
    }

    /// Somebody of whom nothing is known.
    pub(super) fn nobody(&self, client: &Client) -> Caller {
        self.caller(client, Role::Anonymous, "anonymous", By::Nothing, Standing::Free)
    }

    /// Somebody who is asking.
    fn caller(
        &self,
        client: &Client,
        role: Role,
        name: &str,
        by: By,
        standing: Standing,
    ) -> Caller {
        Caller {
            role,
            name: name.into(),
            address: client.ip,
            messages: role >= Role::Viewer || self.are_messages_public(),
            view: None,
            by,
            standing,
        }
    }

    /// A place that a caller keeps for as long as it is theirs; none if it is for ever.
    pub(super) fn stay(&self, caller: &Caller) -> Option<Stay> {
        (caller.standing != Standing::Free).then(|| self.live.enter(caller.standing.clone()))
    }

    /// Ends the stay of those who lost what they had it by, for ever.
    pub(super) async fn watch(&self) {
        loop {
            tokio::time::sleep(FRESH).await;
            for standing in self.live.standings() {
                // Where the database does not say, nobody is sent away.
                if matches!(self.holds(&standing).await, Ok(false)) {
                    self.live.end(&standing);
                }
            }
        }
    }

    async fn holds(&self, standing: &Standing) -> Result<bool, StoreError> {
        let now = self.clock.now();
        Ok(match standing {
            Standing::Free => true,
            Standing::Local => self.known.is_nobody_known().await,
            Standing::Token(hash) => self.known.token_of(hash).await?.is_some(),
            Standing::Session(hash) => self.known.session_of(hash).await?.is_some(),
            Standing::Until(end) => now < *end,
            Standing::Share(end, key, id) => {
                now < *end && self.shares.holds(key, id.as_deref()).await?
            }
        })
    }
}

/// What is said in the `Authorization` header, if it is a token. Another scheme is somebody else's:
/// that of a proxy, say.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = said.split_once(' ').unwrap_or((said, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The first part of a query that has this name.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}
