//! Three lines: the headers `X-Forwarded-For`, `Origin` and `Host`.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use geocast::http::fuzzing::{allows, forwarded_for};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (claims, origin, host) = (line(), line(), line());
    if let Ok(header) = HeaderValue::from_str(claims) {
        forwarded_for(header);
    }
    // A proxy appends whom it heard from. What that one claimed before changes nothing; what is
    // not ASCII makes the whole line unreadable.
    if let Ok(header) = HeaderValue::from_str(&format!("{claims}, {CLIENT}"))
        && header.to_str().is_ok()
    {
        assert_eq!(forwarded_for(header), Some(IpAddr::V4(CLIENT)));
    }
    if let (Ok(origin), Ok(host)) = (HeaderValue::from_str(origin), HeaderValue::from_str(host)) {
        allows(&origin, host);
    }
});
