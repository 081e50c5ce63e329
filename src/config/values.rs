//! How single values are written. Each error says what is allowed.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV4},
    time::{Duration, UNIX_EPOCH},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ipnet::IpNet;
use url::Url;

use super::{Connections, Degrees, HomeZone, PerSpan, Region, Sample};

/// A value that does not show in logs or error texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for whoever needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Longest channel key: AES-256.
const MAX_KEY_BYTES: usize = 32;

/// The apps show keys with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let allowed = "an address and a port are needed, as in 127.0.0.1:8080 or [::1]:8080";
    text.parse().map_err(|_invalid| allowed.to_owned())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let allowed = "a filter is needed, as in info or warn,geocast=debug";
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; {allowed}")),
    }
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    let allowed = "a time span above zero is needed, as in 90s, 30m, 2h or 7d";
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err(allowed.to_owned()),
    }
}

/// A span, or 0 for ever.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let allowed = "a time span is needed, as in 12h or 30d, or 0 for ever";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    span(text).map_err(|_invalid| allowed.to_owned())
}

/// A text that is not empty.
pub(super) fn some_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text is needed".to_owned()) } else { Ok(text.to_owned()) }
}

fn degrees(text: &str) -> Option<Degrees> {
    let (latitude, longitude) = text.split_once(',')?;
    let (latitude, longitude): (f64, f64) =
        (latitude.trim().parse().ok()?, longitude.trim().parse().ok()?);
    let on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    on_earth.then_some(Degrees { latitude, longitude })
}

/// The middle, the radius in metres, and whose it is.
pub(super) fn home_zone(text: &str) -> Result<HomeZone, String> {
    let zone = || {
        let mut parts = text.splitn(4, ',');
        let (latitude, longitude) = (parts.next()?, parts.next()?);
        let middle = degrees(&format!("{latitude},{longitude}"))?;
        let radius_m = parts.next()?.trim().parse::<f64>().ok()?;
        let node = parts.next().map(|node| node.trim().to_owned());
        let is_fit = radius_m > 0.0 && radius_m.is_finite() && node.as_deref() != Some("");
        is_fit.then_some(HomeZone { middle, radius_m, node })
    };
    zone().ok_or_else(|| {
        "latitude, longitude, metres and perhaps a node are needed, as in 47.37,8.54,500".to_owned()
    })
}

/// Corners, with blanks between them.
pub(super) fn region(text: &str) -> Result<Region, String> {
    let corners: Option<Vec<_>> = text.split_whitespace().map(degrees).collect();
    corners.filter(|corners| corners.len() >= 3).map(Region).ok_or_else(|| {
        "three corners or more are needed, as in \"47.0,8.0 47.5,8.0 47.2,8.9\"".to_owned()
    })
}

/// How many in which time.
pub(super) fn per_span(text: &str) -> Result<PerSpan, String> {
    let allowed = "a count from 1 to 1000 and a time of up to a day are needed, as in 30/1m";
    let parsed = text.split_once('/').and_then(|(count, time)| {
        let count = count.trim().parse().ok().filter(|count| (1..=1000).contains(count))?;
        let span = span(time.trim()).ok().filter(|span| *span <= Duration::from_hours(24))?;
        Some(PerSpan { count, span })
    });
    parsed.ok_or_else(|| allowed.to_owned())
}

/// Bytes, plain or with a unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor = UNITS.into_iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    let number = number.parse::<u64>().ok();
    let size = number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    size.ok_or_else(|| "a whole number and a unit are needed, as in 500MB or 2GiB".to_owned())
}

/// In milliseconds since 1970.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    let allowed = "a moment after 1970 is needed, as in 2026-11-21T12:00:00Z";
    let time =
        humantime::parse_rfc3339_weak(text).map_err(|error| format!("{error}; {allowed}"))?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_before| allowed.to_owned())?;
    i64::try_from(since.as_millis()).map_err(|_too_late| allowed.to_owned())
}

pub(super) fn database_url(text: &str) -> Result<Secret<String>, String> {
    let is_known = match text.split_once(':') {
        Some(("sqlite", path)) => !path.trim_start_matches('/').is_empty(),
        Some(("postgres" | "postgresql", _)) => Url::parse(text).is_ok(),
        _ => false,
    };
    let allowed = "sqlite:PATH, sqlite::memory: or postgres://user:password@host:port/database \
        is needed";
    if is_known { Ok(Secret(text.to_owned())) } else { Err(allowed.to_owned()) }
}

/// A database's URL as a name: without the password, which may change.
pub fn without_password(url: &str) -> String {
    let Some(mut named) = Url::parse(url).ok().filter(|url| url.scheme() != "sqlite") else {
        return url.to_owned();
    };
    // One without a host has no password to take away.
    let _ = named.set_password(None);
    let kept: Vec<_> = named.query_pairs().filter(|(name, _)| name != "password").collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    named.set_query((!query.is_empty()).then_some(query.as_str()));
    named.into()
}

pub(super) fn mqtt_url(text: &str) -> Result<Secret<Url>, String> {
    let allowed = "mqtt://[user:password@]host[:port] or mqtts://... is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    let known = matches!(url.scheme(), "mqtt" | "mqtts")
        && url.host_str().is_some_and(|host| !host.is_empty());
    if known && matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none()
    {
        Ok(Secret(url))
    } else {
        Err(allowed.to_owned())
    }
}

pub(super) fn socket_url(text: &str) -> Result<Url, String> {
    let allowed = "ws://host:port is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    if url.scheme() == "ws" && url.host().is_some() { Ok(url) } else { Err(allowed.to_owned()) }
}

/// How many of all.
pub(super) fn sample(text: &str) -> Result<Sample, String> {
    if text == "all" {
        return Ok(Sample::All);
    }
    let number = text.parse().map(Sample::Some);
    number.map_err(|_invalid| "a number is needed, or all".to_owned())
}

/// How many copies of each packet, on average.
pub(super) fn copies(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|copies| (1.0..=3.0).contains(copies));
    number.ok_or_else(|| "a number from 1 to 3 is needed".to_owned())
}

/// So many, or as many as there can be.
pub(super) fn connections(text: &str) -> Result<Connections, String> {
    let allowed = "a number above zero is needed, or max";
    match text.parse() {
        _ if text == "max" => Ok(Connections::Max),
        Ok(number @ 1..) => Ok(Connections::Some(number)),
        _ => Err(allowed.to_owned()),
    }
}

pub(super) fn web_url(text: &str) -> Result<Url, String> {
    let allowed = "http://... or https://... is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(allowed.to_owned()) }
}

/// A multicast group and a port.
pub(super) fn group(text: &str) -> Result<SocketAddrV4, String> {
    let group = text.parse().ok().filter(|group: &SocketAddrV4| group.ip().is_multicast());
    let group = group.filter(|group| group.port() != 0);
    group.ok_or_else(|| "a multicast group and a port are needed, as 239.2.3.1:6969".to_owned())
}

/// One without a name and a password, which would not be sent.
pub(super) fn collector_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    is_bare
        .then_some(url)
        .ok_or_else(|| "an address without name, password and query is needed".to_owned())
}

/// MQTT counts it in whole seconds.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    let allowed = "a time span from 1s to 1h is needed";
    let legal = Duration::from_secs(1)..=Duration::from_hours(1);
    span(text).ok().filter(|span| legal.contains(span)).ok_or_else(|| allowed.to_owned())
}

/// MQTT 3.1.1 section 4.7: `+` and `#` stand alone in their level, and `#` only in the last.
/// MQTT 5 section 4.8.2: a shared one has the name of its group in front, as `$share/GROUP/`.
pub(super) fn topic_filter(text: &str) -> Result<String, String> {
    if let Some(shared) = text.strip_prefix("$share/") {
        return match shared.split_once('/') {
            Some((group, filter)) if !group.is_empty() && !group.contains(['+', '#']) => {
                topic_filter(filter).map(|_| text.to_owned())
            }
            _ => Err("a shared topic filter is needed, as in $share/GROUP/msh/#".to_owned()),
        };
    }
    let levels: Vec<_> = text.split('/').collect();
    let last = levels.len() - 1;
    let wild = |level: &str| level.contains(['+', '#']);
    let legal = levels.iter().enumerate().all(|(at, level)| match *level {
        "#" => at == last,
        "+" => true,
        level => !wild(level),
    });
    if !text.is_empty() && u16::try_from(text.len()).is_ok() && !text.contains('\0') && legal {
        Ok(text.to_owned())
    } else {
        Err("an MQTT topic filter is needed, as in msh/# or msh/EU_868/2/e/+/+".to_owned())
    }
}

pub(super) fn client_id(text: &str) -> Result<String, String> {
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let allowed = "1 to 64 ASCII characters without spaces are needed";
    if legal { Ok(text.to_owned()) } else { Err(allowed.to_owned()) }
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    let allowed = "an address or a network is needed, as 10.1.2.3 or 10.0.0.0/8";
    network.map_err(|error| format!("{error}; {allowed}"))
}

/// As browsers write it.
pub(super) fn web_origin(text: &str) -> Result<String, String> {
    let allowed = "http://host, https://host:port or * is needed";
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = web_url(text)?;
    let origin = url.origin().ascii_serialization();
    if url.as_str().trim_end_matches('/') == origin { Ok(origin) } else { Err(allowed.to_owned()) }
}

/// It goes into a header.
pub(super) fn token(text: &str) -> Result<Secret<String>, String> {
    let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let allowed = "ASCII characters without spaces are needed";
    if legal { Ok(Secret(text.to_owned())) } else { Err(allowed.to_owned()) }
}

/// The value is checked here, where its flag is known, and taken apart by whoever opens packets.
pub(super) fn channel_key(text: &str) -> Result<Secret<String>, String> {
    let allowed = "NAME=BASE64 with a key of 0 to 32 bytes is needed, as in LongFast=AQ==";
    let (name, key) = text.split_once('=').ok_or(allowed)?;
    match BASE64.decode(key) {
        Ok(key) if key.len() <= MAX_KEY_BYTES && !name.is_empty() => Ok(Secret(text.to_owned())),
        _ => Err(allowed.to_owned()),
    }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("a number above zero is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_filters_follow_the_standard() {
        for legal in ["msh/#", "#", "+", "msh/+/2/e/+/+", "a//b", "/", "$share/maps/msh/#"] {
            assert!(topic_filter(legal).is_ok(), "{legal}");
        }
        for illegal in ["", "msh/#/e", "msh+", "a/b#", "a\0"] {
            assert!(topic_filter(illegal).is_err(), "{illegal}");
        }
        for illegal in ["$share/maps", "$share/maps/", "$share//msh/#", "$share/#/a", "$share/+/a"]
        {
            assert!(topic_filter(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_channel_key_names_its_channel_and_does_not_print() {
        let key = channel_key("Berg & Tal=1PG7OiApB1nwvP+rz05pAQ==").unwrap();
        assert_eq!(format!("{key:?}"), "(secret)");
        assert!(channel_key("LongFast=AQ").is_ok());
        for illegal in [
            "LongFast",
            "=AQ==",
            "LongFast=A",
            "x=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert!(channel_key(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn sizes_and_ages_bear_units() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("500MB", 500_000_000),
            ("2 gib", 2 << 30),
            ("1KB", 1000),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for illegal in ["", "MB", "-1", "1.5GB", "2 parsecs", "18446744073709551616", "99999999TB"]
        {
            assert!(size(illegal).is_err(), "{illegal}");
        }
        assert_eq!(age("0"), Ok(Duration::ZERO));
        assert_eq!(age("30d"), Ok(Duration::from_hours(30 * 24)));
        for illegal in ["", "0s", "30", "-1d", "soon"] {
            assert!(age(illegal).is_err(), "{illegal}");
        }
    }

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

    #[test]
    fn a_database_is_a_file_or_a_postgres() {
        for legal in [
            "sqlite:geocast.db",
            "sqlite::memory:",
            "postgres://map:p%40ss@db.example:5432/map?sslmode=require",
            "postgresql://db/map",
            "postgres:///map?host=/run/postgresql",
        ] {
            let url = database_url(legal).unwrap();
            assert_eq!((url.expose().as_str(), format!("{url:?}").as_str()), (legal, "(secret)"));
        }
        for illegal in ["", "geocast.db", "sqlite:", "mysql://db/map", "postgres://db:port/map"] {
            assert!(database_url(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_database_is_named_without_its_password() {
        let named = "postgres://map@db/map?sslmode=require";
        assert_eq!(without_password("postgres://map:x@db/map?sslmode=require"), named);
        assert_eq!(without_password("postgres://map@db/map?password=x&sslmode=require"), named);
        assert_eq!(without_password("sqlite:a b.db"), "sqlite:a b.db");
    }

    #[test]
    fn only_brokers_are_mqtt_urls() {
        assert!(mqtt_url("mqtt://user:p%40ss@broker.example:1883").is_ok());
        assert!(mqtt_url("mqtts://broker.example").is_ok());
        for illegal in ["http://broker", "mqtt://", "mqtt://host/topic", "broker:1883", ""] {
            assert!(mqtt_url(illegal).is_err(), "{illegal}");
        }
    }
}
