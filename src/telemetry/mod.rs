//! What the server says of itself: the log, and traces where they are wanted. Counters belong to the
//! rooms that count.

mod context;
mod counters;
mod export;
mod otlp;
mod spans;

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use anyhow::Context;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{level_filters::LevelFilter, warn};
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};
use url::Url;

use crate::{config::LogFormat, domain::Clock};

pub use counters::Counters;
use export::Exporter;
use spans::{Spans, TARGET};

/// Spans that wait to be sent. When it is full, further ones are dropped and counted.
const WAITING: usize = 4096;

/// How long the last spans may take when the program ends.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The log and the traces of a running program.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// What became of the spans; none where traces are not wanted.
    pub spans: Option<Counters>,
    export: Option<(JoinHandle<()>, CancellationToken)>,
}

/// Starts the log, on standard error: standard output belongs to what a command answers. When nobody
/// takes the log any more, that cannot be logged, and the program goes on without. Traces go to the
/// collector at `endpoint`, if there is one.
pub fn start(
    filter: &str,
    format: LogFormat,
    endpoint: Option<&Url>,
    clock: Clock,
) -> anyhow::Result<Telemetry> {
    let filter =
        EnvFilter::try_new(filter).context("--log is not a filter such as info,geocast=debug")?;
    let Some(endpoint) = endpoint else {
        let log = fmt().with_env_filter(filter).with_writer(stderr).log_internal_errors(false);
        let started = match format {
            LogFormat::Text => log.with_ansi(stderr().is_terminal()).with_target(false).try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("could not start the log: {error}"))?;
        return Ok(Telemetry::default());
    };
    let (counters, stop) = (Counters::default(), CancellationToken::new());
    let (out, waiting) = mpsc::channel(WAITING);
    let spans = Spans::new(out, clock, counters.clone());
    let spans = spans.with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE));
    let log = fmt::layer().with_writer(stderr).log_internal_errors(false);
    let log = match format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let started = registry().with(spans).with(log.with_filter(filter)).try_init();
    started.context("could not start the log")?;
    let exporter = Exporter::new(endpoint, waiting, counters.clone(), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "it outlives the rooms, and `finish` awaits it")]
    let task = tokio::spawn(exporter.run());
    Ok(Telemetry { spans: Some(counters), export: Some((task, stop)) })
}

impl Telemetry {
    /// Sends what is left, if that can be done soon.
    pub async fn finish(self) {
        let Some((mut task, stop)) = self.export else { return };
        stop.cancel();
        if timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
            warn!("the last traces could not be sent in time");
        }
    }
}
