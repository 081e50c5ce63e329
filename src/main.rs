//! The doorway: reads the configuration, starts the log, runs what was asked for.

use std::{
    fmt::Display,
    future::Future,
    io::{Write, stdout},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use geocast::{
    app, bench,
    config::{self, Command},
    domain::{Clock, Timestamp},
    maintenance, telemetry,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{debug, error};

/// Every packet makes a few dozen small allocations: see docs/decisions/0019-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match config::parse(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: config::Cli) -> anyhow::Result<()> {
    let telemetry =
        telemetry::start(&config.log, config.log_format, config.otlp_endpoint(), clock())?;
    take_small_pages();
    let done = obey(config.command, telemetry.spans.clone()).await;
    telemetry.finish().await;
    done
}

/// Has the kernel hand out memory by the page and not by the huge page, of which the allocator would
/// take two megabytes for a few bytes: see docs/decisions/0019-allocator.md.
#[cfg(target_os = "linux")]
fn take_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        debug!("memory may come in huge pages, and more of it be taken than is used: {error}");
    }
}

/// Only Linux hands out huge pages unasked.
#[cfg(not(target_os = "linux"))]
fn take_small_pages() {}

async fn obey(command: Command, spans: Option<telemetry::Counters>) -> anyhow::Result<()> {
    let stop = asked_to_stop()?;
    match command {
        Command::Serve(serve) => app::serve(serve, clock(), spans, stop).await,
        Command::Demo(demo) => app::demo(demo, clock(), spans, stop).await,
        Command::Record(record) => answer(&app::record(record, stop).await?),
        Command::Replay(replay) => answer(&app::replay(replay, stop).await?),
        Command::Import(import) => answer(&maintenance::import(import, clock(), stop).await?),
        Command::Backup(backup) => answer(&maintenance::backup(backup, stop).await?),
        Command::Check(check) => maintenance::check(check, &mut stdout()).await,
        Command::Migrate(migrate) => answer(&maintenance::migrate(migrate).await?),
        Command::Token(token) => answer(&maintenance::token(token, &clock()).await?),
        Command::Forget(forget) => answer(&maintenance::forget(forget, clock()).await?),
        Command::Bench(bench) => bench::run(bench, clock(), stop, &mut stdout()).await,
        Command::BenchLoad => bench::load().await,
    }
}

/// What a command answers goes to standard output, where a pipe finds it.
fn answer(answer: &impl Display) -> anyhow::Result<()> {
    writeln!(stdout(), "{answer}")?;
    Ok(())
}

/// The machine's clock. A clock set before 1970 reads as 1970.
fn clock() -> Clock {
    Clock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// Ends at the first ctrl-c or SIGTERM.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
