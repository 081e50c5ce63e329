//! The table of routes: each with what it takes to be let in.

use axum::{Router, middleware::from_fn_with_state, routing::MethodRouter};

use super::guard::guard;
use crate::{domain::Role, http::AppState};

/// What it takes to use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Rule {
    /// Nothing.
    Open,
    /// To be a viewer, or anybody where the map is public.
    Map,
    /// The same, or a share link: for those who look at [`Caller::narrow`] before they answer.
    ///
    /// [`Caller::narrow`]: super::Caller::narrow
    Shared,
    /// The same for the live map: a ticket will do as well.
    Live,
    /// To be a viewer, or anybody where messages are public.
    Messages,
    /// To have this role at least.
    Role(Role),
}

/// Routes, each with its rule: there is no way to add one without.
pub(in crate::http) struct Routes {
    state: AppState,
    router: Router<AppState>,
}

impl Routes {
    /// None yet.
    pub(in crate::http) fn new(state: &AppState) -> Self {
        Self { state: state.clone(), router: Router::new() }
    }

    /// With these handlers for `path`, for those who comply with `rule`.
    #[must_use]
    pub(in crate::http) fn route(
        mut self,
        path: &str,
        rule: Rule,
        handlers: MethodRouter<AppState>,
    ) -> Self {
        let guard = from_fn_with_state((self.state.clone(), rule), guard);
        self.router = self.router.route(path, handlers.route_layer(guard));
        self
    }

    /// What serves them.
    pub(in crate::http) fn finish(self) -> Router<AppState> {
        self.router
    }
}
