//! Bench: *how fast is it?* Each benchmark answers with a report; the same seed asks the same.
//!
//! The server under test runs on one core, everything that loads it on another, and all of them
//! are processes of their own. So what a server costs is what its process has spent.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "made-up places fit, and measured numbers are told with three digits"
)]

use std::{future::Future, io::Write};

use anyhow::bail;

use crate::{
    config::{self, Benchmark},
    domain::Clock,
};

mod fanout;
mod growth;
mod histogram;
mod host;
mod idle;
mod ingest;
mod load;
pub mod machine;
mod mesh;
pub mod report;
mod snapshot;
mod spatial;
pub mod usage;
mod worker;

pub use report::{Report, Target};

/// `geocast bench`: measures until done or `stop`, and writes what was found to `out`. An error
/// says that something is wrong, not that something is slow.
pub async fn run(
    config: config::Bench,
    clock: Clock,
    stop: impl Future<Output = ()>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (seed, json) = (config.seed, config.json);
    let measure = async {
        match config.benchmark {
            Benchmark::Ingest(ingest) => ingest::run(&ingest, seed, &clock).await,
            Benchmark::Fanout(fanout) => fanout::run(&fanout, seed, &clock).await,
            Benchmark::Snapshot(snapshot) => snapshot::run(&snapshot, seed, &clock).await,
            Benchmark::Idle(idle) => idle::run(&idle, seed, &clock).await,
            Benchmark::Spatial(spatial) => spatial::run(&spatial, seed).await,
            Benchmark::Growth(growth) => growth::run(&growth, seed, &clock).await,
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

/// `geocast bench-load`: a process that a benchmark started.
pub async fn load() -> anyhow::Result<()> {
    load::run().await
}

/// A report with what every benchmark says: the seed and the machine.
fn report(benchmark: &'static str, seed: u64) -> Report {
    let mut report = Report::of(benchmark);
    report.parameter("seed", seed);
    report.parameter("cores", machine::cores());
    report.parameter("machine", machine::model());
    report
}
