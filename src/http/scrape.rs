//! The counters of every room, read from the text that machines are given: what people are shown
//! is the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A series: the name of its metric in camelCase, and the values of its labels.
type Path = Vec<String>;

/// How many observations were not above a bound, by bound in ascending order.
type Buckets = Vec<(f64, f64)>;

/// What all counters said at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scrape {
    counters: BTreeMap<Path, f64>,
    gauges: BTreeMap<Path, f64>,
    histograms: BTreeMap<String, Buckets>,
}

impl Scrape {
    /// Reads what the registry writes. Lines of another form are passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        let mut metric = ("", "");
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                metric = described.split_once(' ').unwrap_or_default();
            } else if let Some((series, value)) = line.rsplit_once(' ')
                && let Some(rest) = series.strip_prefix(metric.0)
                && let Ok(value) = value.parse()
            {
                scrape.take(metric, rest, value);
            }
        }
        scrape
    }

    /// Takes in one series of a metric, of which `rest` stands behind the metric's name.
    fn take(&mut self, (name, kind): (&str, &str), rest: &str, value: f64) {
        let name = camel(name.strip_prefix("geocast_").unwrap_or(name));
        let (suffix, labels) = rest.split_once('{').unwrap_or((rest, ""));
        let mut labels = values(labels);
        match (kind, suffix) {
            ("counter", "_total") => {
                labels.insert(0, name);
                self.counters.insert(labels, value);
            }
            ("gauge", "") => {
                labels.insert(0, name);
                self.gauges.insert(labels, value);
            }
            ("histogram", "_bucket") => {
                let Some(bound) = labels.pop().and_then(|bound| bound.parse().ok()) else { return };
                self.histograms.entry(name).or_default().push((bound, value));
            }
            _ => {}
        }
    }

    /// The gauges.
    pub(super) fn gauges(&self) -> Value {
        tree(&self.gauges, number)
    }

    /// The counters.
    pub(super) fn totals(&self) -> Value {
        tree(&self.counters, number)
    }

    /// By how much each counter grew in a second, since `earlier`, so many seconds ago.
    pub(super) fn rates(&self, earlier: &Self, seconds: f64) -> Value {
        let grown = self.counters.iter().map(|(path, now)| {
            let before = earlier.counters.get(path).unwrap_or(&0.0);
            (path.clone(), (now - before) / seconds)
        });
        tree(&grown.collect(), |rate| number((rate * 1000.0).round() / 1000.0))
    }

    /// The quantiles of what was observed since `earlier`. Spans are in milliseconds.
    pub(super) fn percentiles(&self, earlier: &Self) -> Value {
        let shown = self.histograms.iter().map(|(name, buckets)| {
            let before = earlier.histograms.get(name).map_or(&[][..], Vec::as_slice);
            let since = buckets.iter().enumerate().map(|(at, (bound, count))| {
                (*bound, count - before.get(at).map_or(0.0, |(_, count)| *count))
            });
            let since: Buckets = since.collect();
            let (name, scale) = match name.strip_suffix("Seconds") {
                Some(span) => (format!("{span}Ms"), 1000.0),
                None => (name.clone(), 1.0),
            };
            let of = |share| {
                let value = quantile(&since, share);
                value.map(|value| number((value * scale * 1000.0).round() / 1000.0))
            };
            let count = number(since.last().map_or(0.0, |(_, count)| *count));
            (name, json!({ "count": count, "p50": of(0.5), "p95": of(0.95), "p99": of(0.99) }))
        });
        Value::Object(shown.collect())
    }
}

/// The value that this share of the observations does not exceed, as if each bucket were filled
/// evenly. What lies above the last bound counts as the last bound.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let (_, total) = *buckets.last()?;
    if total <= 0.0 {
        return None;
    }
    let rank = share * total;
    let (mut low, mut below) = (0.0, 0.0);
    for &(high, count) in buckets {
        if count >= rank {
            let part = (rank - below) / (count - below).max(f64::MIN_POSITIVE);
            return Some(if high.is_finite() { low + (high - low) * part } else { low });
        }
        (low, below) = (high, count);
    }
    Some(low)
}

/// `commit_to_tick_seconds` as `commitToTickSeconds`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The values of labels as they are written: `reason="x",code="1"}`.
fn values(labels: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = labels;
    while let Some((_, quoted)) = rest.split_once('"') {
        let mut value = String::new();
        let mut chars = quoted.chars();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            value.push(match c {
                '\\' => match chars.next() {
                    Some('n') => '\n',
                    Some(escaped) => escaped,
                    None => break,
                },
                c => c,
            });
        }
        values.push(value);
        rest = chars.as_str();
    }
    values
}

/// Objects in objects, by the parts of the paths.
fn tree(series: &BTreeMap<Path, f64>, show: impl Fn(f64) -> Value) -> Value {
    let mut root = Value::Object(Map::new());
    for (path, value) in series {
        let mut place = &mut root;
        for part in path {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part.as_str()];
        }
        *place = show(*value);
    }
    root
}

/// Whole numbers without a point.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough")]
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        encoding::text::encode,
        metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
        registry::{Registry, Unit},
    };

    use super::*;

    #[test]
    fn what_the_registry_writes_is_read() {
        let mut registry = Registry::with_prefix("geocast");
        let (nodes, ticks) = (Gauge::<i64>::default(), Counter::<u64>::default());
        let refused = Family::<[(&str, String); 2], Counter>::default();
        let waits = Histogram::new([0.5, 1.0]);
        registry.register("nodes", "Nodes", nodes.clone());
        registry.register("ticks_sealed", "Ticks", ticks.clone());
        registry.register("refused", "Refused", refused.clone());
        registry.register_with_unit("commit_to_tick", "Waits", Unit::Seconds, waits.clone());
        nodes.set(-3);
        ticks.inc_by(7);
        let name = "a \"b\" \\ {c} = 1,d=\"".to_owned();
        refused.get_or_create(&[("code", "4408".to_owned()), ("reason", name.clone())]).inc();
        let read = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            Scrape::read(&text)
        };
        let before = read();
        assert_eq!(before.gauges(), json!({ "nodes": -3 }));
        assert_eq!(
            before.totals(),
            json!({ "ticksSealed": 7, "refused": { "4408": { name: 1 } } })
        );
        ticks.inc();
        for seconds in [0.25, 0.25, 0.75, 5.0] {
            waits.observe(seconds);
        }
        let now = read();
        assert_eq!(now.rates(&before, 4.0)["ticksSealed"], json!(0.25));
        let waits = now.percentiles(&before)["commitToTickMs"].clone();
        assert_eq!(waits, json!({ "count": 4, "p50": 500, "p95": 1000, "p99": 1000 }));
        let none = now.percentiles(&now)["commitToTickMs"].clone();
        assert_eq!(none, json!({ "count": 0, "p50": null, "p95": null, "p99": null }));
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let buckets = [(1.0, 10.0), (2.0, 90.0), (4.0, 100.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(&buckets, 0.5), Some(1.5));
        assert_eq!(quantile(&buckets, 0.95), Some(3.0));
        assert_eq!(quantile(&buckets, 0.05), Some(0.5));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
