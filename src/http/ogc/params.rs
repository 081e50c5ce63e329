//! What a query asks for. What is wrong or not known is told so, as the standard demands.

use std::{borrow::Cow, ops::RangeInclusive};

use super::super::{error::ApiError, rfc3339};
use crate::domain::{Bounds, Position, Timestamp};

pub(in crate::http) const DEFAULT_LIMIT: u32 = 100;
/// More is brought down to this, as the standard demands.
pub(super) const MAX_LIMIT: u32 = 10_000;

/// Which features are wanted, and how many.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) place: Option<Region>,
    /// Only in this span, its ends included.
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) limit: Option<u32>,
    /// Where the page before ended.
    pub(super) cursor: Option<String>,
}

/// A rectangle, and heights if they were given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Region {
    pub(super) bounds: Bounds,
    /// Metres.
    heights: Option<RangeInclusive<f64>>,
}

impl Region {
    /// Whether a position is in it. One without a height is at every height.
    pub(super) fn contains(&self, position: &Position) -> bool {
        let is_high = |heights: &RangeInclusive<f64>| {
            position.altitude_m.is_none_or(|altitude| heights.contains(&altitude.into()))
        };
        self.bounds.contains(position.place) && self.heights.as_ref().is_none_or(is_high)
    }
}

impl Wanted {
    /// From the query of a URL.
    pub(super) fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let mut wanted = Self::default();
        let mut seen = Vec::new();
        for (name, value) in pairs(query) {
            match &*name {
                "bbox" => wanted.place = Some(place(&value)?),
                "datetime" => (wanted.from, wanted.to) = span(&value)?,
                "limit" => wanted.limit = Some(limit(&value)?),
                "cursor" => wanted.cursor = Some(value.into_owned()),
                _ => return Err(unknown(&name)),
            }
            if seen.contains(&name) {
                return Err(wrong(format!("{name} is given twice")));
            }
            seen.push(name);
        }
        Ok(wanted)
    }

    /// How many at most.
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// Whether this time is in the span.
    pub(super) fn spans(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time <= to)
    }
}

/// The same query with another cursor.
pub(super) fn with_cursor(query: Option<&str>, cursor: &str) -> String {
    let kept = pairs(query).filter(|(name, _)| name != "cursor");
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(kept).append_pair("cursor", cursor).finish()
}

/// For a resource that takes no parameters.
pub(super) fn no_params(query: Option<&str>) -> Result<(), ApiError> {
    pairs(query).next().map_or(Ok(()), |(name, _)| Err(unknown(&name)))
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
}

/// Four numbers, or six with heights.
fn place(text: &str) -> Result<Region, ApiError> {
    let invalid = || {
        wrong(format!(
            "bbox is west,south,east,north in degrees, or west,south,lowest,east,north,highest, \
             not {text:?}"
        ))
    };
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let numbers = numbers.map_err(|_not_a_number| invalid())?;
    let (edges, heights) = match *numbers {
        [west, south, east, north] => ([north, south, east, west], None),
        [west, south, lowest, east, north, highest] if lowest <= highest => {
            ([north, south, east, west], Some(lowest..=highest))
        }
        _ => return Err(invalid()),
    };
    let [north, south, east, west] = edges;
    let bounds = Bounds::new(north, south, east, west).map_err(|error| wrong(error.to_string()))?;
    Ok(Region { bounds, heights })
}

/// A time, or two with a slash between, one of which may be left open.
fn span(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let invalid = || {
        wrong(format!(
            "datetime is a time as in 2026-11-21T23:20:50Z, or an interval of two with a slash \
             between, one of which may be .., not {text:?}"
        ))
    };
    let end = |text: &str| match text {
        "" | ".." => Ok(None),
        text => rfc3339::read(text).map(Some).ok_or_else(invalid),
    };
    let (from, to) = match text.split_once('/') {
        None => {
            let instant = rfc3339::read(text).ok_or_else(invalid)?;
            (Some(instant), Some(instant))
        }
        Some((from, to)) => (end(from)?, end(to)?),
    };
    match (from, to) {
        (None, None) => Err(invalid()),
        (Some(from), Some(to)) if from > to => {
            Err(wrong("datetime ends before it begins".to_owned()))
        }
        span => Ok(span),
    }
}

fn limit(text: &str) -> Result<u32, ApiError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit is more than the most.
    let number = is_number.then(|| text.parse().unwrap_or(u32::MAX));
    number
        .filter(|number| *number >= 1)
        .map(|number| number.min(MAX_LIMIT))
        .ok_or_else(|| wrong(format!("limit is a whole number from 1 on, not {text:?}")))
}

fn unknown(name: &str) -> ApiError {
    wrong(format!("there is no parameter {name:?} here"))
}

fn wrong(message: String) -> ApiError {
    ApiError::BadRequest(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Option<Wanted> {
        Wanted::read(Some(query)).ok()
    }

    #[test]
    fn a_span_may_be_a_moment_and_open_at_one_end() {
        let at = |text| rfc3339::read(text).unwrap();
        let (first, last) = ("2018-02-12T00:00:00Z", "2018-03-18T12:31:12Z");
        for (text, from, to) in [
            (first.to_owned(), Some(at(first)), Some(at(first))),
            (format!("{first}/{last}"), Some(at(first)), Some(at(last))),
            (format!("{first}/.."), Some(at(first)), None),
            (format!("{first}/"), Some(at(first)), None),
            (format!("../{last}"), None, Some(at(last))),
            (format!("/{last}"), None, Some(at(last))),
        ] {
            let wanted = read(&format!("datetime={text}")).unwrap();
            assert_eq!((wanted.from, wanted.to), (from, to), "{text}");
        }
        let backwards = format!("{last}/{first}");
        for text in ["", "/", "../..", "..", "2018-02-12", "now", "a/b", &backwards] {
            assert_eq!(read(&format!("datetime={text}")), None, "{text}");
        }
    }

    #[test]
    fn a_box_has_four_numbers_or_six() {
        assert!(read("bbox=170,-20,-170,-10").is_some(), "across the antimeridian");
        assert!(read("bbox=8,49,0,9,50,100").is_some());
        for text in [
            "",
            "1,2,3",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "a,b,c,d",
            "0,10,1,5",
            "0,0,181,1",
            "0,0,NaN,1",
            "0,0,inf,1",
            "8,49,100,9,50,0",
            "8,49,NaN,9,50,0",
            "1,2,3,",
            "-181,0,0,1",
        ] {
            assert_eq!(read(&format!("bbox={text}")), None, "{text}");
        }
    }

    #[test]
    fn a_limit_beyond_the_most_is_the_most_and_below_the_least_is_wrong() {
        let limit = |text: &str| read(&format!("limit={text}")).map(|wanted| wanted.limit());
        assert_eq!(limit("1"), Some(1));
        assert_eq!(limit("10001"), Some(MAX_LIMIT));
        assert_eq!(limit("99999999999999999999"), Some(MAX_LIMIT));
        for text in ["0", "-1", "1.5", "ten", "", "%2B1"] {
            assert_eq!(limit(text), None, "{text}");
        }
        assert_eq!(read("").map(|wanted| wanted.limit()), Some(DEFAULT_LIMIT));
    }

    #[test]
    fn what_is_not_known_or_given_twice_is_wrong() {
        for query in ["colour=red", "limit=1&limit=2", "bbox-crs=x", "=1", "f=json"] {
            assert_eq!(read(query), None, "{query}");
        }
        assert!(no_params(Some("x=1")).is_err());
        assert!(no_params(None).is_ok());
    }

    #[test]
    fn the_next_page_is_asked_for_in_the_same_way() {
        let next = with_cursor(Some("bbox=1,2,3,4&cursor=old&limit=5"), "!1 & more");
        assert_eq!(next, "bbox=1%2C2%2C3%2C4&limit=5&cursor=%211+%26+more");
    }
}
