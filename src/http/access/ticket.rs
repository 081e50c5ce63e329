//! Tickets: what stands for somebody in the URL of one connection, once and not for long.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::time::Instant;

use super::{Access, By, Caller, Denied};
use crate::{
    domain::Role,
    http::{AppState, error::ApiError},
    storage::{Hash, hash_of, random_bytes},
};

/// How long a ticket is good for.
const LIFETIME: Duration = Duration::from_secs(30);

/// Most tickets at a time. When there are more, those of who has not signed in go first; if that is
/// not enough, there are no new ones until some are used or old.
const MOST: usize = 10_000;

/// The tickets that are out, by the hash of what they say.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<Hash, (Instant, Caller)>>);

impl Tickets {
    /// A new ticket for somebody.
    fn give(&self, caller: Caller, now: Instant) -> Result<String, ApiError> {
        let ticket = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
        let mut tickets = self.lock();
        if tickets.len() >= MOST {
            tickets.retain(|_, (end, _)| now < *end);
        }
        if tickets.len() >= MOST {
            tickets.retain(|_, (_, caller)| caller.role > Role::Anonymous);
        }
        if tickets.len() >= MOST {
            return Err(Denied::NoRoom.into());
        }
        tickets.insert(hash_of(&ticket), (now + LIFETIME, caller));
        Ok(ticket)
    }

    /// Whose ticket it is. Nobody can show it again.
    fn take(&self, ticket: &str, now: Instant) -> Option<Caller> {
        let (end, caller) = self.lock().remove(&hash_of(ticket))?;
        (now < end).then_some(caller)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, (Instant, Caller)>> {
        // Nothing that is done under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access {
    /// Who shows a ticket: whoever asked for it, with all that they had then.
    pub(super) async fn by_ticket(&self, ticket: &str) -> Result<Caller, ApiError> {
        let caller = self.tickets.take(ticket, Instant::now()).ok_or(Denied::BadTicket)?;
        if !self.holds(&caller.standing).await? {
            return Err(Denied::BadTicket.into());
        }
        Ok(Caller { by: By::Ticket, ..caller })
    }
}

/// `POST /api/ticket`: a ticket for one connection to `/api/ws` or `/api/events`.
pub(in crate::http) async fn make(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let expires = state.clock.now().plus(LIFETIME);
    let ticket = state.access.tickets.give(caller, Instant::now())?;
    let answer = json!({ "ticket": ticket, "expires": expires.as_millis() });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

#[cfg(test)]
mod tests {
    use super::{super::Standing, *};

    fn caller(role: Role) -> Caller {
        Caller {
            role,
            name: role.name().into(),
            address: [192, 0, 2, 1].into(),
            messages: true,
            view: None,
            by: By::Bearer,
            standing: Standing::Free,
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let give = || tickets.give(caller(Role::Viewer), now).unwrap();
        let (one, other) = (give(), give());
        assert_ne!(one, other);
        let later = now + LIFETIME.saturating_sub(Duration::from_millis(1));
        assert_eq!(tickets.take(&one, later).unwrap().role, Role::Viewer);
        assert!(tickets.take(&one, later).is_none(), "it is used");
        assert!(tickets.take(&other, now + LIFETIME).is_none(), "it is too old");
        assert!(tickets.take(&other, now).is_none(), "and does not come back");
    }

    #[test]
    fn nobody_takes_the_tickets_of_those_who_signed_in() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let kept = tickets.give(caller(Role::Viewer), now).unwrap();
        for _ in 0..MOST {
            tickets.give(caller(Role::Anonymous), now).unwrap();
        }
        assert!(tickets.lock().len() <= MOST);
        assert!(tickets.take(&kept, now).is_some());
        for _ in 0..MOST {
            tickets.give(caller(Role::Viewer), now).unwrap();
        }
        assert!(tickets.give(caller(Role::Viewer), now).is_err(), "there is an end");
        assert!(tickets.give(caller(Role::Viewer), now + LIFETIME).is_ok());
    }
}
