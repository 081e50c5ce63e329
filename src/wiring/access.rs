//! Who may see what, from the settings.

use std::{net::SocketAddr, sync::Arc};

use url::Url;

use crate::{
    config::{self, Map},
    http::{self, AccessSettings, KeySource, OidcSettings, Tls, TlsFiles},
    storage::Store,
};

/// Whether everybody may look at the map. What is served on loopback only can be public without being
/// asked for.
pub(super) fn is_public(map: &config::Access, listen: SocketAddr) -> bool {
    map.public.map_or(listen.ip().is_loopback(), config::OnOff::is_on)
}

/// Who may see what.
pub(crate) fn access(map: &Map, listen: SocketAddr, store: &Arc<dyn Store>) -> AccessSettings {
    let map = &map.access;
    AccessSettings {
        store: Some(store.access()),
        admin_token: map.admin_token.as_ref().map(|token| http::AdminToken::new(token.expose())),
        oidc: oidc(map),
        public: is_public(map, listen),
        public_messages: map.public_messages.is_on(),
    }
}

fn oidc(map: &config::Access) -> Option<OidcSettings> {
    let keys = map.oidc_jwks.as_deref()?;
    let url = Url::parse(keys).ok().filter(|_| keys.contains("://"));
    Some(OidcSettings {
        issuer: map.oidc_issuer.clone()?,
        audience: map.oidc_audience.clone()?,
        keys: url.map_or_else(|| KeySource::File(keys.into()), KeySource::Url),
        role_claim: map.oidc_role_claim.clone(),
    })
}

/// What connections are encrypted with, if they are.
pub(crate) async fn tls(map: &Map) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = map.access.tls_cert.clone().zip(map.access.tls_key.clone());
    let Some((cert, key)) = files else { return Ok(None) };
    Ok(Some(Arc::new(Tls::load(TlsFiles { cert, key }).await?)))
}
