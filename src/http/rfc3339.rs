//! Times as standards write them: `2026-11-21T23:20:50Z` (RFC 3339).

use std::time::{Duration, UNIX_EPOCH};

use crate::domain::Timestamp;

const DAY_SECONDS: i64 = 86_400;

/// A time in UTC, to the millisecond. What lies outside the years 1970 to 9999 is brought to the
/// nearer end.
pub(super) fn write(time: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799_999;
    let millis = u64::try_from(time.as_millis()).unwrap_or(0).min(LAST);
    let time = UNIX_EPOCH + Duration::from_millis(millis);
    match millis % 1000 {
        0 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => humantime::format_rfc3339_millis(time).to_string(),
    }
}

/// A date and a time with its offset, as in `2026-11-21T23:20:50.25+01:00`. A fraction finer than
/// a millisecond is cut off. In a URL, the `+` may have become a blank.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, digits: usize| -> Option<i64> {
        let part = text.get(from..from + digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let says = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    let is_punctuated = says(4, b"-")
        && says(7, b"-")
        && says(10, b"Tt")
        && says(13, b":")
        && says(16, b":")
        && text.is_ascii();
    if !is_punctuated {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    // A leap second counts as the second after it.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    if !is_time || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let mut rest = &text[19..];
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        let shown = &fraction[..digits.min(3)];
        millis = format!("{shown:0<3}").parse().ok()?;
        rest = &fraction[digits..];
    }
    let seconds =
        days_since_1970(year, month, day) * DAY_SECONDS + (hour * 60 + minute) * 60 + second
            - offset_minutes(rest)? * 60;
    Some(Timestamp::from_millis(seconds * 1000 + millis))
}

/// `Z`, `+01:00` or `-01:00`.
fn offset_minutes(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let two = |part: &str| -> Option<i64> {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let sign = match sign {
        "+" | " " => 1,
        "-" => -1,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// In the Gregorian calendar. Years begin with March here, so that a leap day is the last of one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_with_their_offset() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2018-02-12T23:20:50Z", 1_518_477_650_000),
            ("2018-02-13T00:20:50+01:00", 1_518_477_650_000),
            ("2018-02-13T00:20:50 01:00", 1_518_477_650_000),
            ("2018-02-12t18:50:50.5-04:30", 1_518_477_650_500),
            ("2018-02-12T23:20:50.123456789z", 1_518_477_650_123),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("1900-03-01T00:00:00Z", -2_203_891_200_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] {
            assert_eq!(read(text), Some(Timestamp::from_millis(millis)), "{text}");
        }
        for wrong in [
            "",
            "2018-02-12",
            "2018-02-12T23:20:50",
            "2018-02-12T23:20Z",
            "2018-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2018-13-01T00:00:00Z",
            "2018-00-01T00:00:00Z",
            "2018-01-01T24:00:00Z",
            "2018-01-01T00:60:00Z",
            "2018-01-01T00:00:00.Z",
            "2018-01-01T00:00:00+0100",
            "2018-01-01T00:00:00+1:00",
            "2018-01-01T00:00:00ZZ",
            "18-01-01T00:00:00Z",
            "+018-01-01T00:00:00Z",
            "2018-01-01T00:00:0\u{e9}Z",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in 0_i64..253_402_300_800_000) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(read(&write(time)), Some(time));
        }

        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = read(&text);
        }
    }
}
