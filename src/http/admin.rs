//! Who may see more than the map.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;
use url::{Host, Url};

use super::gate::Client;

/// What proxies add to what they pass on.
const FORWARDED: [HeaderName; 6] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// What an administrator says to be known as one. Does not show in logs.
#[derive(Clone)]
pub struct AdminToken(String);

impl AdminToken {
    /// This token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// How long it takes says nothing about the token but its length.
    fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Whether a request is an administrator's: it says the token, or where there is none it comes
/// from this machine and was not passed on, neither by a proxy nor by a page of another site.
pub(super) fn is_admin(token: Option<&AdminToken>, client: &Client, headers: &HeaderMap) -> bool {
    if let Some(token) = token {
        let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let said = said.and_then(|value| value.split_once(' '));
        return said.is_some_and(|(scheme, said)| {
            scheme.eq_ignore_ascii_case("bearer") && token.is(said.trim())
        });
    }
    let names = |name: &HeaderName, of: fn(&str) -> Option<Url>| {
        headers
            .get_all(name)
            .iter()
            .all(|value| value.to_str().ok().and_then(of).is_some_and(|url| is_this_machine(&url)))
    };
    client.ip.is_loopback()
        && !client.is_proxied
        && !FORWARDED.iter().any(|name| headers.contains_key(name))
        && names(&header::HOST, |host| Url::parse(&format!("http://{host}")).ok())
        && names(&header::ORIGIN, |origin| Url::parse(origin).ok())
}

/// A page can give its own name any address, but cannot give itself another name.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn client(ip: &str) -> Client {
        let ip = ip.parse().unwrap();
        Client { ip, is_proxied: false, share: None, traffic: Arc::default() }
    }

    fn said(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = headers.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn with_a_token_only_who_says_it_is_an_administrator() {
        let token = AdminToken::new("s3cret-word");
        assert_eq!(format!("{token:?}"), "(secret)");
        for (value, expected) in [
            ("Bearer s3cret-word", true),
            ("bearer s3cret-word", true),
            ("Bearer s3cret-wor", false),
            ("Bearer s3cret-word2", false),
            ("Bearer", false),
            ("Basic s3cret-word", false),
            ("s3cret-word", false),
        ] {
            let headers = said(&[("authorization", value)]);
            let is_admin = is_admin(Some(&token), &client("192.0.2.1"), &headers);
            assert_eq!(is_admin, expected, "{value}");
        }
        assert!(!is_admin(Some(&token), &client("127.0.0.1"), &said(&[])), "not for being here");
    }

    #[test]
    fn without_a_token_only_who_is_here_is_an_administrator() {
        let here =
            |headers: &[(&'static str, &str)]| is_admin(None, &client("127.0.0.1"), &said(headers));
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"] {
            assert!(here(&[("host", host)]), "{host}");
        }
        assert!(is_admin(None, &client("::1"), &said(&[("host", "[::1]")])));
        for headers in [
            &[("host", "map.example")][..],
            &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
            &[("host", "localhost"), ("forwarded", "for=127.0.0.1")],
            &[("host", "localhost"), ("x-real-ip", "127.0.0.1")],
            &[("host", "localhost"), ("via", "1.1 proxy")],
            &[("host", "localhost"), ("origin", "https://other.example")],
            &[("host", "localhost"), ("origin", "null")],
        ] {
            assert!(!here(headers), "{headers:?}");
        }
        assert!(!is_admin(None, &client("192.0.2.1"), &said(&[("host", "localhost")])));
        let proxied = Client { is_proxied: true, ..client("127.0.0.1") };
        assert!(!is_admin(None, &proxied, &said(&[("host", "localhost")])));
    }
}
