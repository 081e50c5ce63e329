//! What the tests here share: a decoder that takes any text, a listener, a look at the logs.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use geocast::{
    domain::{
        Clock, Filed, Network, NodeId, Packet, PacketKey, Patch, Reception, Report, Terms,
        Timestamp,
    },
    ingest::{
        ConnectionState, Decode, Intake, Metrics, MqttSettings, MqttSource, MqttUrl, Refusal,
    },
    storage::{Job, Outcome},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The name that the listeners have at their brokers.
pub(crate) const CLIENT: &str = "geocast-test";

/// The time, which stands still.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Waits for something that must happen, within a time that only a failure needs.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.unwrap_or_else(|_| panic!("{what}: not yet"))
}

/// Reads every message as a packet with that payload, save for those that begin with `bad`.
struct AnyText;

impl Decode for AnyText {
    fn decode(&self, _: &str, payload: &[u8], arrived: Timestamp) -> Result<Report, Refusal> {
        if payload.starts_with(b"bad") {
            return Err(Refusal::Malformed);
        }
        let (network, sender) = (Network::Meshtastic, NodeId::Radio(1));
        Ok(Report {
            packet: Packet {
                key: PacketKey { network, sender: sender.clone(), id: 1 },
                port: 1,
                channel: None,
                to: None,
                payload: payload.to_vec(),
            },
            reception: Reception {
                gateway: NodeId::Radio(2),
                arrived,
                redelivered_since: None,
                snr_db: None,
                rssi_dbm: None,
                hop_start: None,
                hop_limit: None,
            },
            patch: Patch::heard(sender, network, arrived),
            links: Vec::new(),
            terms: Terms::default(),
        })
    }
}

pub(crate) fn intake() -> Intake {
    let clock = Clock::new(|| NOW);
    Intake::new(Arc::new(AnyText), clock, Arc::new(Metrics::default()))
}

/// The text of a job's message; none when it was refused.
pub(crate) fn text(job: &Job) -> Option<String> {
    let report = job.report.as_ref()?;
    Some(String::from_utf8_lossy(&report.packet.payload).into_owned())
}

/// Settles a job as storage does.
pub(crate) fn settle(job: Job) {
    let stored = Outcome::Filed(Filed::Packet);
    (job.settle)(if job.report.is_some() { stored } else { Outcome::Refused });
}

/// A listener, and the end of the queue where storage would be.
pub(crate) struct Listener {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) state: watch::Receiver<ConnectionState>,
    pub(crate) intake: Intake,
    pub(crate) stop: CancellationToken,
    running: JoinSet<()>,
}

impl Listener {
    /// Listens to everything at `url`, with room for so many jobs.
    pub(crate) fn start(url: &str, jobs: usize) -> Self {
        let url = MqttUrl::parse(url).unwrap();
        Self::with(MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned()), jobs)
    }

    pub(crate) fn with(settings: MqttSettings, jobs: usize) -> Self {
        let intake = intake();
        let stop = CancellationToken::new();
        let (jobs_in, jobs) = mpsc::channel(jobs);
        let (state_in, state) = watch::channel(ConnectionState::Connecting);
        let source =
            MqttSource::new(settings, intake.clone(), jobs_in, stop.clone(), state_in).unwrap();
        let mut running = JoinSet::new();
        running.spawn(source.run());
        Self { jobs, state, intake, stop, running }
    }

    /// Waits until it is subscribed.
    pub(crate) async fn connected(&mut self) {
        let connected = self.state.wait_for(|state| *state == ConnectionState::Connected);
        soon("connected", connected).await.unwrap();
    }

    /// Waits until the connection is lost, and says why.
    pub(crate) async fn down(&mut self) -> String {
        let down = |state: &ConnectionState| matches!(state, ConnectionState::Down { .. });
        soon("down", self.state.wait_for(down)).await.unwrap().to_string()
    }

    /// The next job.
    pub(crate) async fn job(&mut self) -> Job {
        soon("a job", self.jobs.recv()).await.unwrap()
    }

    /// The next `count` jobs.
    pub(crate) async fn jobs(&mut self, count: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for _ in 0..count {
            jobs.push(self.job().await);
        }
        jobs
    }

    /// The texts of the next `count` messages, which are settled.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let jobs = self.jobs(count).await;
        let texts = jobs.iter().filter_map(text).collect();
        jobs.into_iter().for_each(settle);
        texts
    }

    /// Ends it without a word, as a kill would.
    pub(crate) async fn kill(mut self) {
        self.running.abort_all();
        while self.running.join_next().await.is_some() {}
    }

    /// Whether it has returned.
    pub(crate) fn has_stopped(&mut self) -> bool {
        self.running.try_join_next().is_some()
    }

    /// Waits until it has returned.
    pub(crate) async fn stopped(&mut self) {
        soon("stopped", self.running.join_next()).await.unwrap().unwrap();
    }
}

/// What is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Notes everything from now on, until the guard is dropped.
    pub(crate) fn open() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
