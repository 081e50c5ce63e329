//! Who a client is: the other end of the connection, or whom a trusted proxy speaks for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, header};
use ipnet::IpNet;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The other end of the connection.
    Peer,
    /// A trusted proxy, which does not say for whom.
    Proxy,
    /// Whom a trusted proxy names.
    Named(IpAddr),
}

/// Who sent a request with these headers over a connection with `peer`.
pub(super) fn who(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Who {
    if !is_trusted(peer.ip().to_canonical(), trusted) {
        return Who::Peer;
    }
    // Each proxy appends whom it heard from, so the last who is no proxy of ours is the client.
    // What stands before was said by the client itself.
    let mut named = Who::Proxy;
    for hop in values(headers, "x-forwarded-for").collect::<Vec<_>>().into_iter().rev() {
        let Some(address) = address(hop) else { break };
        named = Who::Named(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    named
}

/// The names by which a request calls this server.
pub(super) fn hosts(headers: &HeaderMap, is_proxied: bool) -> impl Iterator<Item = &str> {
    let forwarded = values(headers, "x-forwarded-host").filter(move |_| is_proxied);
    values(headers, header::HOST.as_str()).chain(forwarded)
}

/// What counts as one address: hosts get a whole /64 of version 6 to choose from.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The comma-separated values of every header of this name.
pub(super) fn values<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// An address as proxies write it: with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|text| text.parse().unwrap()).into()
    }

    fn sent(peer: &str, lines: &[&str]) -> Who {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        who(SocketAddr::new(peer.parse().unwrap(), 1), &headers, &trusted())
    }

    fn named(text: &str) -> Who {
        Who::Named(text.parse().unwrap())
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(sent("192.0.2.1", &["203.0.113.5"]), Who::Peer);
        assert_eq!(sent("10.1.1.1", &["203.0.113.5"]), named("203.0.113.5"));
        assert_eq!(sent("::ffff:10.1.1.1", &["203.0.113.5"]), named("203.0.113.5"));
        assert_eq!(sent("10.1.1.1", &[]), Who::Proxy);
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client_whatever_it_claims() {
        assert_eq!(sent("10.1.1.1", &["198.51.100.7, 203.0.113.5"]), named("203.0.113.5"));
        assert_eq!(
            sent("10.1.1.1", &["198.51.100.7", "203.0.113.5, 10.2.2.2"]),
            named("203.0.113.5")
        );
        assert_eq!(sent("10.1.1.1", &["10.3.3.3, 10.2.2.2"]), named("10.3.3.3"));
        assert_eq!(sent("10.1.1.1", &["198.51.100.7, nonsense, 10.2.2.2"]), named("10.2.2.2"));
        assert_eq!(sent("10.1.1.1", &["198.51.100.7, unknown"]), Who::Proxy);
        assert_eq!(sent("127.0.0.1", &["127.0.0.1"]), named("127.0.0.1"));
    }

    #[test]
    fn an_address_may_carry_a_port() {
        for (text, address) in [
            ("203.0.113.5:443", "203.0.113.5"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
        ] {
            assert_eq!(sent("10.1.1.1", &[text]), named(address), "{text}");
        }
    }

    #[test]
    fn hosts_share_their_network_of_version_6() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.5"), "203.0.113.5");
        assert_eq!(network("::ffff:203.0.113.5"), "203.0.113.5");
    }

    proptest! {
        #[test]
        fn what_a_client_writes_before_does_not_change_who_it_is(claims in "[ -~]{0,60}") {
            let line = format!("{claims},203.0.113.5, 10.2.2.2");
            prop_assert_eq!(sent("10.1.1.1", &[&line]), named("203.0.113.5"));
        }
    }
}
