//! What a broker says of itself: who it is, and whether it drops messages.

use std::{collections::HashMap, sync::Arc};

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, Publish, QoS, SubAck,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Backoff, ConnectionState, MqttSettings, SetupError, client_options, reason};
use crate::ingest::Metrics;

/// What is asked for. A broker says what it knows of it, or nothing. EMQX has a counter for each
/// of its nodes.
const TOPICS: [&str; 4] = [
    "$SYS/broker/version",
    "$SYS/broker/publish/messages/dropped",
    "$SYS/brokers/+/version",
    "$SYS/brokers/+/metrics/delivery/dropped/queue_full",
];
/// Counters that are followed at most, so that no broker can fill the memory.
const MOST_COUNTERS: usize = 64;
/// Requests under way.
const REQUESTS: usize = 8;

/// Watches one broker, on a connection of its own. The session of the source would keep these
/// statements while geocast is away, in the place of packets.
///
/// Whoever is not allowed to read them does without: a broker that refuses, or that hangs up over
/// the question, is not asked again.
pub struct BrokerWatch {
    client: AsyncClient,
    eventloop: EventLoop,
    source: watch::Receiver<ConnectionState>,
    backoff: Backoff,
    findings: Findings,
}

/// What has been learned.
struct Findings {
    name: String,
    metrics: Arc<Metrics>,
    introduced: bool,
    answered: bool,
    /// What each counter stood at, by topic.
    counters: HashMap<String, u64>,
}

impl BrokerWatch {
    /// A watch over the broker of these settings, for as long as the source with this state is
    /// connected.
    pub fn new(
        settings: &MqttSettings,
        metrics: Arc<Metrics>,
        source: watch::Receiver<ConnectionState>,
    ) -> Result<Self, SetupError> {
        let MqttSettings { url, client_id, ca, patience, .. } = settings;
        let client_id = format!("{client_id}-watch");
        let mut options = client_options(url, &client_id, ca.clone(), *patience)?;
        options.set_clean_session(false);
        let (client, mut eventloop) = AsyncClient::builder(options)
            .capacity(REQUESTS)
            .try_build()
            .map_err(|error| SetupError::Options(error.to_string()))?;
        eventloop.network_options.set_connection_timeout(patience.as_secs().max(1));
        let findings = Findings {
            name: url.to_string(),
            metrics,
            introduced: false,
            answered: false,
            counters: HashMap::new(),
        };
        Ok(Self { client, eventloop, source, backoff: Backoff::new(&client_id), findings })
    }

    /// Watches until told to stop, or until there is nothing to be learned.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&mut self) {
        let connected = |state: &ConnectionState| *state == ConnectionState::Connected;
        // A broker that cannot be reached, or refuses the password, is tried by the source alone.
        while self.source.wait_for(connected).await.is_ok() {
            let watched = match self.is_another().await {
                Ok(false) => {
                    debug!("{}: has one session for both of us", self.findings.name);
                    return;
                }
                Ok(true) => self.listen().await,
                Err(error) => Err(error),
            };
            match watched {
                Ok(()) => return,
                Err(error) if !self.findings.answered => {
                    let why = reason(&error);
                    debug!("{}: says nothing of itself: {why}", self.findings.name);
                    return;
                }
                Err(_) => {}
            }
            sleep(self.backoff.pause()).await;
        }
    }

    /// Whether the broker takes this client for another one than the source. Some know clients by
    /// their user alone: a clean session there would throw away the source's with all that it
    /// holds. So the first connection is not a clean one, and nothing is there to be continued.
    async fn is_another(&mut self) -> Result<bool, ConnectionError> {
        if self.eventloop.mqtt_options.clean_session() {
            return Ok(true);
        }
        loop {
            if let Event::Incoming(Incoming::ConnAck(answer)) = self.eventloop.poll().await? {
                self.eventloop.mqtt_options.set_clean_session(true);
                self.eventloop.clean();
                return Ok(!answer.session_present);
            }
        }
    }

    /// Listens until the connection is lost, or it is clear that nothing will be said.
    async fn listen(&mut self) -> Result<(), ConnectionError> {
        loop {
            match self.eventloop.poll().await? {
                Event::Incoming(Incoming::ConnAck(_)) => {
                    let filters =
                        TOPICS.map(|topic| SubscribeFilter::new(topic.to_owned(), QoS::AtMostOnce));
                    if self.client.try_subscribe_many(filters).is_err() {
                        return Ok(());
                    }
                }
                Event::Incoming(Incoming::SubAck(SubAck { return_codes, .. })) => {
                    self.findings.answered = true;
                    if return_codes.iter().all(|code| *code == SubscribeReasonCode::Failure) {
                        debug!(
                            "{}: does not let us read what it says of itself",
                            self.findings.name
                        );
                        return Ok(());
                    }
                }
                Event::Incoming(Incoming::Publish(Publish { topic, payload, .. })) => {
                    let topic = String::from_utf8_lossy(&topic);
                    self.findings.take(&topic, String::from_utf8_lossy(&payload).trim());
                }
                _ => {}
            }
        }
    }
}

impl Findings {
    fn take(&mut self, topic: &str, said: &str) {
        if topic.ends_with("/version") {
            self.introduce(topic, said);
        } else if let Ok(dropped) = said.parse() {
            self.count(topic, dropped);
        }
    }

    /// Says once what is known of the limits of such a broker.
    fn introduce(&mut self, topic: &str, version: &str) {
        if std::mem::replace(&mut self.introduced, true) {
            return;
        }
        let name = &self.name;
        if version.starts_with("mosquitto") {
            warn!(
                version,
                "{name}: Mosquitto drops QoS 1 messages for a client that is away or behind, beyond \
                 its max_queued_messages: 1000 unless configured, and not to be read from here"
            );
        } else if topic.starts_with("$SYS/brokers/") {
            warn!(
                version,
                "{name}: EMQX drops QoS 1 messages for a client that is away or behind, beyond its \
                 mqtt.max_mqueue_len: 1000 unless configured, and not to be read from here"
            );
        } else {
            info!(version, "{name}: the broker's version is {version:?}");
        }
    }

    fn count(&mut self, topic: &str, dropped: u64) {
        if self.counters.len() >= MOST_COUNTERS && !self.counters.contains_key(topic) {
            return;
        }
        let Some(before) = self.counters.insert(topic.to_owned(), dropped) else { return };
        // A broker that was restarted counts from the beginning.
        let more = dropped.checked_sub(before).unwrap_or(dropped);
        if more == 0 {
            return;
        }
        let Self { name, metrics, .. } = self;
        metrics.broker_dropped(name, more);
        // It counts for all of its clients together.
        if metrics.packets_pending() > 0 {
            warn!(more, "{name}: the broker dropped {more} messages while geocast is behind");
        } else {
            debug!(more, "{name}: the broker dropped {more} messages");
        }
    }
}
