//! Numbers, sizes and times.

use std::time::{Duration, UNIX_EPOCH};

use crate::config::{Connections, PerSpan, Sample};

pub(in crate::config) fn span(text: &str) -> Result<Duration, String> {
    let allowed = "a time span above zero is needed, as in 90s, 30m, 2h or 7d";
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err(allowed.to_owned()),
    }
}

/// A span, or 0 for ever.
pub(in crate::config) fn age(text: &str) -> Result<Duration, String> {
    let allowed = "a time span is needed, as in 12h or 30d, or 0 for ever";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    span(text).map_err(|_invalid| allowed.to_owned())
}

/// MQTT counts it in whole seconds.
pub(in crate::config) fn patience(text: &str) -> Result<Duration, String> {
    let allowed = "a time span from 1s to 1h is needed";
    let legal = Duration::from_secs(1)..=Duration::from_hours(1);
    span(text).ok().filter(|span| legal.contains(span)).ok_or_else(|| allowed.to_owned())
}

/// In milliseconds since 1970.
pub(in crate::config) fn moment(text: &str) -> Result<i64, String> {
    let allowed = "a moment after 1970 is needed, as in 2026-11-21T12:00:00Z";
    let time =
        humantime::parse_rfc3339_weak(text).map_err(|error| format!("{error}; {allowed}"))?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_before| allowed.to_owned())?;
    i64::try_from(since.as_millis()).map_err(|_too_late| allowed.to_owned())
}

/// How many in which time.
pub(in crate::config) fn per_span(text: &str) -> Result<PerSpan, String> {
    let allowed = "a count from 1 to 1000 and a time of up to a day are needed, as in 30/1m";
    let parsed = text.split_once('/').and_then(|(count, time)| {
        let count = count.trim().parse().ok().filter(|count| (1..=1000).contains(count))?;
        let span = span(time.trim()).ok().filter(|span| *span <= Duration::from_hours(24))?;
        Some(PerSpan { count, span })
    });
    parsed.ok_or_else(|| allowed.to_owned())
}

/// Bytes, plain or with a unit.
pub(in crate::config) fn size(text: &str) -> Result<u64, String> {
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

pub(in crate::config) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("a number above zero is needed".to_owned()),
    }
}

/// How many of all.
pub(in crate::config) fn sample(text: &str) -> Result<Sample, String> {
    if text == "all" {
        return Ok(Sample::All);
    }
    let number = text.parse().map(Sample::Some);
    number.map_err(|_invalid| "a number is needed, or all".to_owned())
}

/// How many copies of each packet, on average.
pub(in crate::config) fn copies(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|copies| (1.0..=3.0).contains(copies));
    number.ok_or_else(|| "a number from 1 to 3 is needed".to_owned())
}

/// So many, or as many as there can be.
pub(in crate::config) fn connections(text: &str) -> Result<Connections, String> {
    let allowed = "a number above zero is needed, or max";
    match text.parse() {
        _ if text == "max" => Ok(Connections::Max),
        Ok(number @ 1..) => Ok(Connections::Some(number)),
        _ => Err(allowed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
