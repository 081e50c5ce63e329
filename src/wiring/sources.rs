//! The rooms that messages come in by.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tracing::info;
use url::Url;

use crate::{
    config::{self, Secret},
    domain::{
        Clock,
        policy::{KeptOut, Policy},
    },
    http::Vital,
    ingest::{
        self, Broker, BrokerWatch, ChannelKeys, ConnectionState, Decoder, Gatekeeper, Intake,
        MqttSettings, MqttSource, MqttUrl,
    },
    rooms::Rooms,
    storage::Job,
};

/// Where messages come from.
pub(crate) enum Source {
    /// Other brokers.
    Brokers(Brokers),
    /// A broker of our own.
    Embedded { listen: SocketAddr },
}

/// Which brokers to listen to, for what, and as whom.
pub(crate) struct Brokers {
    urls: Vec<Secret<Url>>,
    ca: Option<Vec<u8>>,
    topics: Vec<String>,
    client_id: String,
    patience: Duration,
}

impl Source {
    pub(crate) fn of(config: &config::Serve) -> anyhow::Result<Self> {
        if config.mqtt_url.is_empty() {
            return Ok(Self::Embedded { listen: config.broker_listen });
        }
        let database = config::without_password(config.database.database_url.expose());
        let client_id = config.mqtt_client_id.clone();
        Ok(Self::Brokers(Brokers {
            urls: config.mqtt_url.clone(),
            ca: certificates(config.mqtt_ca.as_deref())?,
            topics: config.mqtt_topic.clone(),
            client_id: client_id.unwrap_or_else(|| ingest::own_client_id(&database)),
            patience: config.mqtt_timeout,
        }))
    }
}

pub(crate) fn certificates(file: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |file: &Path| {
        std::fs::read(file).with_context(|| format!("cannot read --mqtt-ca {}", file.display()))
    };
    file.map(read).transpose()
}

pub(crate) fn intake(
    keys: &[Secret<String>],
    (policy, kept_out): (Policy, KeptOut),
    clock: &Clock,
    registry: &mut Registry,
) -> anyhow::Result<(Intake, Arc<Gatekeeper>)> {
    let keys = ChannelKeys::parse(keys.iter().map(|key| key.expose().as_str()))?;
    let metrics = Arc::new(ingest::Metrics::default());
    metrics.register(registry);
    let gatekeeper = Arc::new(Gatekeeper::new(policy, kept_out, Arc::clone(&metrics)));
    let intake = Intake::new(Arc::new(Decoder::new(keys)), clock.clone(), metrics);
    Ok((intake.guarded_by(Arc::clone(&gatekeeper)), gatekeeper))
}

/// Opens the rooms that messages come in by. They hold the only senders of jobs, so that storage
/// sees the end once they have stopped.
pub(crate) async fn listen_to(
    source: Source,
    intake: &Intake,
    jobs: mpsc::Sender<Job>,
    rooms: &mut Rooms,
    vitals: &mut Vec<Vital>,
) -> anyhow::Result<Option<SocketAddr>> {
    match source {
        Source::Embedded { listen } => {
            let broker = Broker::bind(listen, intake.clone(), jobs).await?;
            let address = broker.local_addr();
            let stop = rooms.stop.clone();
            info!("broker listening on mqtt://{address}");
            rooms.open("broker", async move { Ok(broker.run(stop).await?) });
            Ok(Some(address))
        }
        Source::Brokers(Brokers { urls, ca, topics, client_id, patience }) => {
            let mut names = Vec::new();
            for url in &urls {
                let url = MqttUrl::parse(url.expose().as_str())?;
                let name = url.to_string();
                // A broker keeps one session for one name: a second connection needs its own.
                let earlier = names.iter().filter(|other| **other == name).count();
                let client_id = match earlier {
                    0 => client_id.clone(),
                    earlier => format!("{client_id}-{}", earlier + 1),
                };
                names.push(name.clone());
                let mut settings = MqttSettings::new(url, topics.clone(), client_id);
                settings.ca.clone_from(&ca);
                settings.patience = patience;
                let (state, states) = watch::channel(ConnectionState::Connecting);
                let watching =
                    BrokerWatch::new(&settings, Arc::clone(intake.metrics()), states.clone());
                let stop = rooms.stop.clone();
                let intake = intake.of_broker(&name);
                let source = MqttSource::new(settings, intake, jobs.clone(), stop, state);
                let cannot = || format!("cannot listen to --mqtt-url {name}");
                let (source, watching) =
                    (source.with_context(cannot)?, watching.with_context(cannot)?);
                vitals.push(Vital::new(name, move || match &*states.borrow() {
                    ConnectionState::Connected => Ok("connected".to_owned()),
                    state => Err(state.to_string()),
                }));
                let stop = rooms.stop.clone();
                rooms.open("mqtt", async move {
                    tokio::join!(source.run(), watching.run(stop));
                    Ok(())
                });
            }
            Ok(None)
        }
    }
}
