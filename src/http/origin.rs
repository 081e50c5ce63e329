//! Whose pages may speak to this server: those that it serves itself, and those it is told of.

use std::collections::BTreeSet;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

/// The sites, beside our own, whose pages may speak to this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// These, each as a browser writes it: `https://map.example`.
    Only(BTreeSet<String>),
    /// All, and pages that belong to no site.
    Any,
}

impl Default for AllowedOrigins {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl FromIterator<String> for AllowedOrigins {
    /// A `*` among the origins stands for all.
    fn from_iter<I: IntoIterator<Item = String>>(origins: I) -> Self {
        let origins: BTreeSet<_> = origins.into_iter().collect();
        if origins.contains("*") { Self::Any } else { Self::Only(origins) }
    }
}

impl AllowedOrigins {
    /// Whether there are any.
    pub(super) fn are_others(&self) -> bool {
        *self != Self::default()
    }

    /// Whether a request may open a conversation: browsers say which page it comes from, and
    /// nothing else does. `hosts` are the names by which the request calls this server.
    pub(super) fn allow<'a>(
        &self,
        origin: Option<&HeaderValue>,
        mut hosts: impl Iterator<Item = &'a str>,
    ) -> bool {
        let Self::Only(listed) = self else { return true };
        let Some(origin) = origin else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let Ok(url) = Url::parse(origin) else { return false };
        // A request does not say whether it came by TLS, so its host is read with either scheme.
        let is_own = |host| {
            let own = Url::parse(&format!("{}://{host}", url.scheme()));
            url.has_host() && own.is_ok_and(|own| own.origin() == url.origin())
        };
        listed.contains(&url.origin().ascii_serialization()) || hosts.any(is_own)
    }

    /// What tells browsers that pages of other sites may read answers; none if none may.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::Only(listed) if listed.is_empty() => return None,
            Self::Only(listed) => {
                AllowOrigin::list(listed.iter().filter_map(|origin| origin.parse().ok()))
            }
        };
        // No cookie goes with what they ask: they say a token, and fetch tickets with it.
        let headers =
            [HeaderName::from_static("last-event-id"), header::AUTHORIZATION, header::CONTENT_TYPE];
        let methods = [Method::GET, Method::POST];
        Some(CorsLayer::new().allow_origin(origins).allow_methods(methods).allow_headers(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &AllowedOrigins, origin: &str, host: &str) -> bool {
        allowed.allow(Some(&origin.parse().unwrap()), [host].into_iter())
    }

    #[test]
    fn a_page_of_our_own_may_speak_by_whatever_name_and_port_we_are_called() {
        let own = AllowedOrigins::default();
        assert!(allows(&own, "https://map.example", "map.example"));
        assert!(allows(&own, "https://map.example", "map.example:443"));
        assert!(allows(&own, "https://map.example", "Map.Example"));
        assert!(allows(&own, "http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(allows(&own, "http://[::1]:8080", "[::1]:8080"));
        assert!(own.allow(None, std::iter::empty()), "not a browser");
    }

    #[test]
    fn a_page_of_another_site_may_not_unless_it_is_listed() {
        let own = AllowedOrigins::default();
        for origin in [
            "https://evil.example",
            "https://map.example.evil.example",
            "https://map.example:8443",
            "http://map.example:443",
            "null",
            "",
            "file://",
            "map.example",
            "https://map.example@evil.example",
        ] {
            assert!(!allows(&own, origin, "map.example"), "{origin}");
        }
        for host in ["", "evil.example#map.example", "map.example/", "x@y"] {
            assert!(!allows(&own, "https://good.example", host), "{host}");
        }
        let some: AllowedOrigins = ["https://good.example".to_owned()].into_iter().collect();
        assert!(allows(&some, "https://good.example", "map.example"));
        assert!(!allows(&some, "http://good.example", "map.example"));
        assert!(!allows(&some, "null", "map.example"));
        let any: AllowedOrigins = ["*".to_owned()].into_iter().collect();
        assert!(allows(&any, "null", "map.example"));
    }
}
