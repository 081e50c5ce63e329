//! Settings of the benchmarks.

use clap::{Args, Subcommand};

/// Settings of a benchmark.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// Which made-up mesh, views and updates: the same seed makes the same.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, global = true)]
    pub seed: u64,

    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,

    /// What to measure.
    #[command(subcommand)]
    pub benchmark: Benchmark,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Benchmark {
    /// Many clients, many updates: what each costs the server, and how late it comes.
    Fanout(Fanout),
}

/// Settings of `geocast bench fanout`.
#[derive(Args, Clone, Debug)]
pub struct Fanout {
    /// How long to measure.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
}
