//! Bench: *how fast is it?* Each benchmark answers with a report; the same seed asks the same.

use std::{future::Future, io::Write};

use anyhow::bail;

use crate::config::{self, Benchmark};

mod fanout;
pub mod machine;
pub mod report;

pub use report::{Report, Target};

/// `geocast bench`: measures until done or `stop`, and writes what was found to `out`. An error
/// says that something is wrong, not that something is slow.
pub async fn run(
    config: config::Bench,
    stop: impl Future<Output = ()>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (seed, json) = (config.seed, config.json);
    let measure = async {
        match config.benchmark {
            Benchmark::Fanout(fanout) => fanout::run(fanout, seed).await,
        }
    };
    let report = tokio::select! {
        report = measure => report?,
        () = stop => bail!("stopped before there was anything to tell"),
    };
    if json {
        writeln!(out, "{:#}", report.to_json())?;
    } else {
        write!(out, "{report}")?;
    }
    match report.failures() {
        [] => Ok(()),
        failures => bail!("{}", failures.join("; ")),
    }
}

/// A report with what every benchmark says: the seed and the machine.
fn report(benchmark: &'static str, seed: u64) -> Report {
    let mut report = Report::of(benchmark);
    report.parameter("seed", seed);
    report.parameter("cores", machine::cores());
    report
}
