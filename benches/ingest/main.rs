//! What a publish costs on its way from the broker to the disk, by stage, in CPU time.
//!
//! `cargo bench --bench ingest [-- [--postgres URL] [RECORDING.mpk]]`: without a recording, a
//! made-up mesh speaks. Beside the database named by URL two others are made and dropped again,
//! `geocast_bench_stage` and `geocast_bench_whole`. Needs mosquitto.

#![expect(clippy::cast_precision_loss, reason = "counts are small")]
#![expect(clippy::unwrap_used, reason = "the broker and the binary are run as in the tests")]

mod cpu;
mod stages;
mod traffic;
mod whole;

#[path = "../../tests/support/mosquitto.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod mosquitto;

use std::{error::Error, path::Path, time::Duration};

use cpu::Cost;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

fn main() -> Result<(), Box<dyn Error>> {
    let mut postgres = None;
    let mut recording = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo says to every bench.
            "--bench" => {}
            "--postgres" => postgres = Some(arguments.next().ok_or("--postgres needs a URL")?),
            _ => recording = Some(argument),
        }
    }
    let publishes = match &recording {
        Some(path) => traffic::recorded(Path::new(path))?,
        None => traffic::simulated(5000, 100_000)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let (decode, reports) = stages::decode(&publishes);
    let packets = traffic::packets(&reports);
    say(&format!(
        "{} publishes, {} stored as {packets} packets with {:.2} receptions each",
        publishes.len(),
        reports.len(),
        reports.len() as f64 / packets as f64
    ));
    say("database | stage | us of CPU per publish | per second of wall time");
    let line = |database: &str, stage: &str, cost: Cost| {
        let publishes = publishes.len() as f64;
        let each_us = cost.cpu.as_secs_f64() * 1e6 / publishes;
        let rate = publishes / cost.wall.as_secs_f64();
        say(&format!("{database} | {stage} | {each_us:.2} | {rate:.0}"));
    };
    line("-", "decrypt", stages::decrypt(&publishes));
    line("-", "decode, with decrypt", decode);

    let folder = tempfile::tempdir()?;
    let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let mut databases = vec![("SQLite", file("stage.db"), file("whole.db"))];
    if let Some(url) = &postgres {
        let stage = runtime.block_on(made_anew(url, "geocast_bench_stage"))?;
        let whole = runtime.block_on(made_anew(url, "geocast_bench_whole"))?;
        databases.push(("Postgres", stage, whole));
    }
    for (name, stage, whole) in databases {
        let (look_up_and_write, repeated, rows) =
            runtime.block_on(stages::store(&stage, &reports))?;
        line(name, "dedupe and write", look_up_and_write);
        line(name, "dedupe alone: all of it again", repeated);
        let per_second = rows as f64 / look_up_and_write.wall.as_secs_f64();
        say(&format!("{name} | rows written | {rows} | {per_second:.0}"));
        let whole = runtime.block_on(whole::run(&whole, folder.path(), &publishes))?;
        line(name, "all: mosquitto at QoS 1 to acknowledged", whole);
        let known = decode.cpu + look_up_and_write.cpu;
        let rest = Cost { cpu: whole.cpu.saturating_sub(known), ..whole };
        line(name, "all but decode and store: receive, acknowledge, world", rest);
    }
    if let Some(url) = &postgres {
        runtime.block_on(dropped(url, "geocast_bench_stage"))?;
        runtime.block_on(dropped(url, "geocast_bench_whole"))?;
    }
    Ok(())
}

/// The URL of an empty database of this name, on the server of the one named by `url`.
async fn made_anew(url: &str, name: &str) -> Result<String, Box<dyn Error>> {
    dropped(url, name).await?;
    let mut server = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await?;
    let mut other = Url::parse(url)?;
    other.set_path(name);
    Ok(other.into())
}

async fn dropped(url: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut server = PgConnection::connect(url).await?;
    let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut server).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn say(line: &str) {
    println!("{line}");
}

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_mins(10);
