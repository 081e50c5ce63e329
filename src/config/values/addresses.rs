//! Where something is on a network.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use ipnet::IpNet;
use url::Url;

pub(in crate::config) fn address(text: &str) -> Result<SocketAddr, String> {
    let allowed = "an address and a port are needed, as in 127.0.0.1:8080 or [::1]:8080";
    text.parse().map_err(|_invalid| allowed.to_owned())
}

pub(in crate::config) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    let allowed = "an address or a network is needed, as 10.1.2.3 or 10.0.0.0/8";
    network.map_err(|error| format!("{error}; {allowed}"))
}

/// A multicast group and a port.
pub(in crate::config) fn group(text: &str) -> Result<SocketAddrV4, String> {
    let group = text.parse().ok().filter(|group: &SocketAddrV4| group.ip().is_multicast());
    let group = group.filter(|group| group.port() != 0);
    group.ok_or_else(|| "a multicast group and a port are needed, as 239.2.3.1:6969".to_owned())
}

pub(in crate::config) fn web_url(text: &str) -> Result<Url, String> {
    let allowed = "http://... or https://... is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(allowed.to_owned()) }
}

/// One without a name and a password, which would not be sent.
pub(in crate::config) fn collector_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    is_bare
        .then_some(url)
        .ok_or_else(|| "an address without name, password and query is needed".to_owned())
}

/// As browsers write it.
pub(in crate::config) fn web_origin(text: &str) -> Result<String, String> {
    let allowed = "http://host, https://host:port or * is needed";
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = web_url(text)?;
    let origin = url.origin().ascii_serialization();
    if url.as_str().trim_end_matches('/') == origin { Ok(origin) } else { Err(allowed.to_owned()) }
}

pub(in crate::config) fn socket_url(text: &str) -> Result<Url, String> {
    let allowed = "ws://host:port is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    if url.scheme() == "ws" && url.host().is_some() { Ok(url) } else { Err(allowed.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_named_as_browsers_name_it() {
        assert_eq!(web_origin("https://Map.Example:443/").unwrap(), "https://map.example");
        assert_eq!(web_origin("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(web_origin("*").unwrap(), "*");
        for illegal in ["map.example", "https://a/b", "https://a?b", "ftp://a", "https://u@a", ""] {
            assert!(web_origin(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        for legal in ["10.1.2.3", "10.0.0.0/8", "::1", "fd00::/8"] {
            assert!(network(legal).is_ok(), "{legal}");
        }
        for illegal in ["", "proxy", "10.0.0.0/33", "10.0.0.0/"] {
            assert!(network(illegal).is_err(), "{illegal}");
        }
    }
}
