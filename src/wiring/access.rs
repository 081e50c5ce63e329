//! Who may see what, from the settings.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    config::{self, Map},
    http::{self, AccessSettings},
    storage::Store,
};

/// What is served on loopback only can be public without being asked for.
pub(crate) fn access(map: &Map, listen: SocketAddr, store: &Arc<dyn Store>) -> AccessSettings {
    let map = &map.access;
    let public = map.public.map_or(listen.ip().is_loopback(), config::OnOff::is_on);
    AccessSettings {
        store: Some(store.access()),
        admin_token: map.admin_token.as_ref().map(|token| http::AdminToken::new(token.expose())),
        public,
        public_messages: map.public_messages.is_on(),
    }
}
