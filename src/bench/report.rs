//! What a benchmark found: an aligned table for people, JSON for programs.

use std::{fmt, time::Duration};

use serde_json::{Map, Number, Value, json};

/// Who takes more of its core than this may be what is slow.
pub const BUSY: f64 = 0.9;

/// What one benchmark found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    benchmark: &'static str,
    parameters: Vec<(String, Value)>,
    measurements: Vec<Measurement>,
    warnings: Vec<String>,
    failures: Vec<String>,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq)]
struct Measurement {
    name: String,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
}

/// What a number should be. To miss it is told and does not fail the command: machines differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {}", Figure(*most)),
            Self::AtLeast(least) => write!(f, "≥ {}", Figure(*least)),
        }
    }
}

impl Report {
    /// Of the benchmark with this name.
    pub fn of(benchmark: &'static str) -> Self {
        Self { benchmark, ..Self::default() }
    }

    /// Says under which circumstances it was measured.
    pub fn parameter(&mut self, name: &str, value: impl Into<Value>) {
        self.parameters.push((name.to_owned(), value.into()));
    }

    /// Adds a number.
    pub fn measured(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.measurements.push(Measurement { name: name.into(), value, unit, target: None });
    }

    /// Adds a number that should be at least or at most another.
    pub fn aimed(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        let target = Some(target);
        self.measurements.push(Measurement { name: name.into(), value, unit, target });
    }

    /// Says why the numbers may not mean what they seem to.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Warns if the load had its core so busy in this span that it may be what is slow.
    pub fn warn_of_load(&mut self, what: &str, load: Duration, span: Duration) {
        let busy = load.as_secs_f64() / span.as_secs_f64();
        if busy > BUSY {
            self.warn(format!(
                "{what}the load took {:.0} % of its core: it may be what is slow, not the server",
                busy * 100.0
            ));
        }
    }

    /// Says what must not be. The command ends with an error.
    pub fn fail(&mut self, failure: impl Into<String>) {
        self.failures.push(failure.into());
    }

    /// What must not be and was found.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let results = self.measurements.iter().map(|measurement| {
            let Measurement { name, value, unit, target } = measurement;
            let mut result = Map::new();
            result.insert("name".to_owned(), json!(name));
            // What is no number, as the mean of nothing, is null.
            result.insert("value".to_owned(), json!(Number::from_f64(*value)));
            result.insert("unit".to_owned(), json!(unit));
            if let Some(target) = target {
                let (side, than) = match target {
                    Target::AtMost(most) => ("atMost", most),
                    Target::AtLeast(least) => ("atLeast", least),
                };
                result.insert("target".to_owned(), json!({ side: than }));
                result.insert("ok".to_owned(), json!(target.is_met_by(*value)));
            }
            Value::Object(result)
        });
        let parameters: Map<_, _> = self.parameters.iter().cloned().collect();
        json!({
            "benchmark": self.benchmark,
            "parameters": parameters,
            "results": results.collect::<Vec<_>>(),
            "warnings": self.warnings,
            "failures": self.failures,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.benchmark)?;
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            match value {
                Value::String(text) => write!(f, "{before}{name} {text}")?,
                other => write!(f, "{before}{name} {other}")?,
            }
        }
        writeln!(f)?;
        let rows: Vec<[String; 4]> = self.measurements.iter().map(Measurement::row).collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let [names, values, units] = [0, 1, 2].map(|column| width(column).unwrap_or(0));
        for [name, value, unit, target] in &rows {
            let line = format!("  {name:<names$}  {value:>values$} {unit:<units$}  {target}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        for failure in &self.failures {
            writeln!(f, "  failed: {failure}")?;
        }
        Ok(())
    }
}

impl Measurement {
    /// Name, value, unit, and how that is beside the target.
    fn row(&self) -> [String; 4] {
        let beside = self.target.map(|target| {
            let verdict = if target.is_met_by(self.value) { "met" } else { "missed" };
            format!("{target}: {verdict}")
        });
        [
            self.name.clone(),
            Figure(self.value).to_string(),
            self.unit.to_owned(),
            beside.unwrap_or_default(),
        ]
    }
}

/// A number with three digits that count, or all of them before the point, in groups of three.
#[derive(Clone, Copy, Debug)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if !size.is_finite() {
            return f.pad("-");
        }
        let decimals = match size {
            _ if size.fract() == 0.0 || size >= 100.0 => 0,
            _ if size >= 10.0 => 1,
            _ if size >= 1.0 => 2,
            _ if size >= 0.1 => 3,
            _ => 4,
        };
        let text = format!("{:.decimals$}", self.0);
        let whole_digits = text.find('.').unwrap_or(text.len());
        let mut grouped = String::new();
        for (at, c) in text.chars().enumerate() {
            let left = whole_digits.saturating_sub(at);
            if at > 0 && left > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
                grouped.push(',');
            }
            grouped.push(c);
        }
        f.pad(&grouped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::of("tea");
        report.parameter("seed", 7);
        report.parameter("leaves", "green");
        report.aimed("time", 3.25, "min", Target::AtMost(4.0));
        report.aimed("cups", 1234.5, "", Target::AtLeast(2000.0));
        report.measured("sugar", f64::NAN, "g");
        report.warn("the kettle was busy");
        report
    }

    #[test]
    fn a_table_says_which_targets_were_met() {
        let table = "tea: seed 7, leaves green\n  \
            time    3.25 min  ≤ 4: met\n  \
            cups   1,234      ≥ 2,000: missed\n  \
            sugar      - g\n  \
            warning: the kettle was busy\n";
        assert_eq!(report().to_string(), table);
    }

    #[test]
    fn programs_read_the_same() {
        let mut report = report();
        report.fail("it boiled over");
        let told = report.to_json();
        assert_eq!(told["parameters"]["leaves"], "green");
        let time =
            json!({"name":"time","value":3.25,"unit":"min","target":{"atMost":4.0},"ok":true});
        assert_eq!(told["results"][0], time);
        assert_eq!(told["results"][1]["ok"], false);
        assert_eq!(told["results"][2], json!({"name":"sugar","value":null,"unit":"g"}));
        assert_eq!(told["failures"], json!(["it boiled over"]));
    }

    #[test]
    fn figures_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.012_34, "0.0123"),
            (0.25, "0.250"),
            (9.876, "9.88"),
            (98.76, "98.8"),
            (987.6, "988"),
            (-1000.0, "-1,000"),
            (1_234_567.8, "1,234,568"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(Figure(number).to_string(), text);
        }
    }
}
