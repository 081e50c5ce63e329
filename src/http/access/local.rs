//! Who asks from this very machine, and the token of the settings.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;
use url::{Host, Url};

use crate::{
    http::gate::Client,
    storage::{Hash, hash_of},
};

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

    /// Whether it is what somebody says, who learns nothing from how long it takes.
    pub(super) fn is(&self, said: &str) -> bool {
        self.hash().ct_eq(&hash_of(said)).into()
    }

    /// What sessions that were opened with it are told by.
    pub(super) fn hash(&self) -> Hash {
        hash_of(&self.0)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Whether a request comes from this machine and was not passed on, neither by a proxy nor by a page
/// of another site.
pub(super) fn is_local(client: &Client, headers: &HeaderMap) -> bool {
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
        Client { ip, is_proxied: false, is_tls: false, share: None, traffic: Arc::default() }
    }

    fn said(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = headers.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_only_itself_and_does_not_show() {
        let token = AdminToken::new("s3cret-word");
        assert_eq!(format!("{token:?}"), "(secret)");
        assert!(token.is("s3cret-word"));
        for said in ["s3cret-wor", "s3cret-word2", "S3cret-word", ""] {
            assert!(!token.is(said), "{said}");
        }
    }

    #[test]
    fn only_who_asks_from_here_is_local() {
        let here =
            |headers: &[(&'static str, &str)]| is_local(&client("127.0.0.1"), &said(headers));
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LOCALHOST"] {
            assert!(here(&[("host", host)]), "{host}");
        }
        assert!(is_local(&client("::1"), &said(&[("host", "[::1]")])));
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
        assert!(!is_local(&client("192.0.2.1"), &said(&[("host", "localhost")])));
        let proxied = Client { is_proxied: true, ..client("127.0.0.1") };
        assert!(!is_local(&proxied, &said(&[("host", "localhost")])));
    }
}
