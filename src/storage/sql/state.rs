//! The parts of a node that a database keeps as JSON. What is read equals what was written.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    domain::{Link, Links, Metric, NodeId, Section, Stamp, Telemetry, Timestamp},
    storage::StoreError,
};

const SECTIONS: [Section; 8] = [
    Section::Device,
    Section::Environment,
    Section::Power,
    Section::AirQuality,
    Section::LocalStats,
    Section::Health,
    Section::Host,
    Section::Paxcounter,
];

/// The name of a section in the database.
pub(super) const fn section_name(section: Section) -> &'static str {
    match section {
        Section::Device => "device",
        Section::Environment => "environment",
        Section::Power => "power",
        Section::AirQuality => "airQuality",
        Section::LocalStats => "localStats",
        Section::Health => "health",
        Section::Host => "host",
        Section::Paxcounter => "paxcounter",
    }
}

fn section_named(name: &str) -> Option<Section> {
    SECTIONS.into_iter().find(|section| section_name(*section) == name)
}

/// Readings as an object: metric to value.
pub(super) fn readings_to_json(values: &[(Metric, f64)]) -> String {
    to_json(&Values(values))
}

/// What [`readings_to_json`] wrote, in the same order. A metric that has no meaning any more is
/// left out.
pub(super) fn readings_from_json(text: &str) -> Result<Vec<(Metric, f64)>, StoreError> {
    from_json::<SavedValues>("telemetry", text).map(|saved| saved.0)
}

/// The telemetry of a node; none where nothing is known.
pub(super) fn telemetry_to_json(telemetry: &Telemetry) -> Option<String> {
    let known = !telemetry.sections().is_empty() || !telemetry.values().is_empty();
    let sections = Sections(telemetry.sections());
    known.then(|| to_json(&TelemetryJson { sections, values: Values(telemetry.values()) }))
}

/// What [`telemetry_to_json`] wrote.
pub(super) fn telemetry_from_json(text: &str) -> Result<Telemetry, StoreError> {
    let saved: SavedTelemetry = from_json("telemetry", text)?;
    Ok(Telemetry::restore(saved.sections.0, saved.values.0))
}

/// The neighbours of a node.
pub(super) fn links_to_json(links: &Links) -> String {
    let neighbours =
        links.neighbours.iter().map(|link| (link.id.to_string(), link.snr_db)).collect();
    to_json(&LinksJson { stamp: links.stamp.into(), neighbours })
}

/// What [`links_to_json`] wrote.
pub(super) fn links_from_json(text: &str) -> Result<Links, StoreError> {
    let saved: SavedLinks<'_> = from_json("links", text)?;
    let neighbours = saved.neighbours.into_iter().map(|(id, snr)| {
        let snr_db = match snr {
            Some(number) => {
                Some(number.get().parse().ok().ok_or_else(|| unreadable("signal", number.get()))?)
            }
            None => None,
        };
        let id: NodeId = id.parse().ok().ok_or_else(|| unreadable("node id", &id))?;
        Ok(Link { id, snr_db })
    });
    Ok(Links { stamp: saved.stamp.into(), neighbours: neighbours.collect::<Result<_, _>>()? })
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names and numbers always have a JSON form")
}

fn from_json<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(what, &format!("{text} ({error})")))
}

fn unreadable(what: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { what, value: value.to_owned() }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StampJson {
    time: i64,
    heard: i64,
    own_clock: bool,
}

impl From<Stamp> for StampJson {
    fn from(stamp: Stamp) -> Self {
        let Stamp { time, heard, own_clock } = stamp;
        Self { time: time.as_millis(), heard: heard.as_millis(), own_clock }
    }
}

impl From<StampJson> for Stamp {
    fn from(saved: StampJson) -> Self {
        let StampJson { time, heard, own_clock } = saved;
        Self { time: Timestamp::from_millis(time), heard: Timestamp::from_millis(heard), own_clock }
    }
}

#[derive(Serialize)]
struct TelemetryJson<'a> {
    sections: Sections<'a>,
    values: Values<'a>,
}

#[derive(Deserialize)]
struct SavedTelemetry {
    sections: SavedSections,
    values: SavedValues,
}

#[derive(Serialize)]
struct LinksJson {
    stamp: StampJson,
    neighbours: Vec<(String, Option<f32>)>,
}

#[derive(Deserialize)]
struct SavedLinks<'a> {
    stamp: StampJson,
    #[serde(borrow)]
    neighbours: Vec<(String, Option<&'a RawValue>)>,
}

struct Sections<'a>(&'a [(Section, Stamp)]);

impl Serialize for Sections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter();
        serializer.collect_map(
            entries.map(|(section, stamp)| (section_name(*section), StampJson::from(*stamp))),
        )
    }
}

struct Values<'a>(&'a [(Metric, f64)]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(metric, value)| (metric.name(), value)))
    }
}

struct SavedSections(Vec<(Section, Stamp)>);

impl<'de> Deserialize<'de> for SavedSections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = SavedSections;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of sections")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SavedSections, A::Error> {
                let mut sections = Vec::new();
                while let Some((name, stamp)) = map.next_entry::<&str, StampJson>()? {
                    sections.extend(section_named(name).map(|section| (section, stamp.into())));
                }
                Ok(SavedSections(sections))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

struct SavedValues(Vec<(Metric, f64)>);

impl<'de> Deserialize<'de> for SavedValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = SavedValues;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of metrics")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SavedValues, A::Error> {
                let mut values = Vec::new();
                // serde_json reads numbers to the nearest but one; the standard library exactly.
                while let Some((name, number)) = map.next_entry::<&str, &RawValue>()? {
                    let value = number.get().parse().map_err(A::Error::custom)?;
                    values.extend(Metric::named(name).map(|metric| (metric, value)));
                }
                Ok(SavedValues(values))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamps() -> impl Strategy<Value = Stamp> {
        (any::<i64>(), any::<i64>(), any::<bool>()).prop_map(|(time, heard, own_clock)| Stamp {
            time: Timestamp::from_millis(time),
            heard: Timestamp::from_millis(heard),
            own_clock,
        })
    }

    fn finite() -> impl Strategy<Value = f64> {
        let any_bits = any::<u64>().prop_map(f64::from_bits);
        let from_a_radio = any::<f32>().prop_map(f64::from);
        prop_oneof![any_bits, from_a_radio].prop_filter("finite", |value| value.is_finite())
    }

    fn readings() -> impl Strategy<Value = Vec<(Metric, f64)>> {
        proptest::collection::btree_map(proptest::sample::select(Metric::ALL), finite(), 0..20)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn readings_are_read_to_the_last_bit(mut values in readings()) {
            values.reverse();
            let read = readings_from_json(&readings_to_json(&values)).unwrap();
            let bits = |values: &[(Metric, f64)]| {
                values.iter().map(|(metric, value)| (*metric, value.to_bits())).collect::<Vec<_>>()
            };
            prop_assert_eq!(bits(&read), bits(&values));
        }

        #[test]
        fn telemetry_is_read_as_it_was_written(
            sections in proptest::collection::btree_map(
                proptest::sample::select(&SECTIONS[..]), stamps(), 0..8),
            values in readings(),
        ) {
            let telemetry = Telemetry::restore(sections.into_iter().collect(), values);
            let read = match telemetry_to_json(&telemetry) {
                Some(text) => telemetry_from_json(&text).unwrap(),
                None => Telemetry::default(),
            };
            prop_assert_eq!(read, telemetry);
        }

        #[test]
        fn links_are_read_as_they_were_written(
            stamp in stamps(),
            neighbours in proptest::collection::vec(
                (any::<u32>(), proptest::option::of(-200.0_f32..200.0)), 0..10),
        ) {
            let link = |(id, snr_db)| Link { id: NodeId::Radio(id), snr_db };
            let links = Links { stamp, neighbours: neighbours.into_iter().map(link).collect() };
            prop_assert_eq!(links_from_json(&links_to_json(&links)).unwrap(), links);
        }

        #[test]
        fn what_is_not_ours_is_refused_and_not_a_panic(text in ".{0,40}") {
            let _ = readings_from_json(&text);
            let _ = telemetry_from_json(&text);
            let _ = links_from_json(&text);
        }
    }

    #[test]
    fn a_metric_of_another_time_is_left_out() {
        let read = readings_from_json(r#"{"voltage":3.5,"moonlight":1}"#).unwrap();
        assert_eq!(read, [(Metric::Voltage, 3.5)]);
    }
}
