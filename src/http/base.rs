//! The URL by which a client calls this server, which absolute links begin with.

use axum::{
    Extension, RequestPartsExt,
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts, uri::Authority},
};

use super::{client::values, error::ApiError, gate::Client};

/// A scheme, a host and the path that a proxy put before ours, without a slash at its end. It is
/// empty, and links are relative then, for who names no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base(String);

impl Base {
    /// As the request says it. What a proxy adds counts only if that proxy is trusted; of several
    /// values the last is the one that it added.
    fn of(headers: &HeaderMap, is_proxied: bool, is_tls: bool) -> Self {
        let forwarded = |name| values(headers, name).last().filter(|_| is_proxied);
        let host = forwarded("x-forwarded-host").filter(|host| is_host(host));
        let host = host.or_else(|| values(headers, header::HOST.as_str()).last());
        let Some(host) = host.filter(|host| is_host(host)) else { return Self(String::new()) };
        let scheme = match forwarded("x-forwarded-proto") {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            None if is_tls => "https",
            _ => "http",
        };
        let prefix = forwarded("x-forwarded-prefix").map(|prefix| prefix.trim_end_matches('/'));
        let prefix = prefix.filter(|prefix| is_path(prefix)).unwrap_or_default();
        Self(format!("{scheme}://{host}{prefix}"))
    }

    /// The URL of this path, which begins with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let client = parts.extract::<Extension<Client>>().await;
        let (is_proxied, is_tls) =
            client.map_or((false, false), |Extension(client)| (client.is_proxied, client.is_tls));
        Ok(Self::of(&parts.headers, is_proxied, is_tls))
    }
}

/// A name or an address, with or without a port, and nothing that would lead elsewhere.
fn is_host(text: &str) -> bool {
    !text.contains('@') && text.parse::<Authority>().is_ok_and(|host| !host.host().is_empty())
}

fn is_path(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn base(is_proxied: bool, said: &[(&'static str, &str)]) -> String {
        let pairs = said.iter();
        let headers = pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Base::of(&headers, is_proxied, false).url("/x")
    }

    #[test]
    fn links_begin_with_the_host_that_was_asked() {
        assert_eq!(base(false, &[("host", "map.example:8080")]), "http://map.example:8080/x");
        assert_eq!(base(false, &[("host", "[::1]:8080")]), "http://[::1]:8080/x");
        for host in ["", "a b", "me@evil.example", "evil.example/path", "\"><script>"] {
            assert_eq!(base(false, &[("host", host)]), "/x", "{host}");
        }
        assert_eq!(base(false, &[]), "/x");
    }

    #[test]
    fn only_a_trusted_proxy_says_how_it_is_called_itself() {
        let said = [
            ("host", "10.0.0.5:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "map.example"),
            ("x-forwarded-prefix", "/mesh/"),
        ];
        assert_eq!(base(true, &said), "https://map.example/mesh/x");
        assert_eq!(base(false, &said), "http://10.0.0.5:8080/x");
        let two = [("host", "h"), ("x-forwarded-host", "evil.example, map.example")];
        assert_eq!(base(true, &two), "http://map.example/x");
        for prefix in ["//evil.example", "mesh", "/a b", "/\"", "/?x="] {
            let said = [("host", "h"), ("x-forwarded-prefix", prefix)];
            assert_eq!(base(true, &said), "http://h/x", "{prefix}");
        }
    }
}
