//! The table of routes: each with what it takes to be let in.

use axum::{
    Router,
    handler::Handler,
    middleware::from_fn_with_state,
    routing::{MethodRouter, delete, get, post},
};

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

/// A method of a path, what it takes to use it, and what answers.
struct Route {
    method: &'static str,
    path: &'static str,
    rule: Rule,
    handler: MethodRouter<AppState>,
}

/// Routes, each with its rule: there is no way to add one without.
#[derive(Default)]
pub(in crate::http) struct Routes(Vec<Route>);

impl Routes {
    /// With `GET` of a path, for those who comply with `rule`.
    #[must_use]
    pub(in crate::http) fn get<H, T>(self, path: &'static str, rule: Rule, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.with("get", path, rule, get(handler))
    }

    /// With `POST`.
    #[must_use]
    pub(in crate::http) fn post<H, T>(self, path: &'static str, rule: Rule, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.with("post", path, rule, post(handler))
    }

    /// With `DELETE`.
    #[must_use]
    pub(in crate::http) fn delete<H, T>(self, path: &'static str, rule: Rule, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.with("delete", path, rule, delete(handler))
    }

    fn with(
        mut self,
        method: &'static str,
        path: &'static str,
        rule: Rule,
        handler: MethodRouter<AppState>,
    ) -> Self {
        self.0.push(Route { method, path, rule, handler });
        self
    }

    /// What it takes to use each: method, path, and rule.
    pub(in crate::http) fn rules(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, Rule)> + '_ {
        self.0.iter().map(|route| (route.method, route.path, route.rule))
    }

    /// What serves them.
    pub(in crate::http) fn finish(self, state: &AppState) -> Router<AppState> {
        self.0.into_iter().fold(Router::new(), |router, Route { path, rule, handler, .. }| {
            let guard = from_fn_with_state((state.clone(), rule), guard);
            router.route(path, handler.route_layer(guard))
        })
    }
}
