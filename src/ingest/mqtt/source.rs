//! One connection to one broker, from connecting to the last acknowledgement.

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, Outgoing};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    Backoff, ConnectionState, MqttSettings, SetupError, client_options,
    gathering::Gathering,
    held::HoldingAcks,
    is_oversized,
    link::{IN_FLIGHT, Link},
    topics::Topics,
};
use crate::{ingest::Intake, storage::Job};

/// Listens to one broker.
///
/// Messages go out as jobs in the order of arrival, and are acknowledged in the order in which
/// they are settled. While the job queue is full nothing is read: the broker holds the rest, and
/// may end the connection when that lasts; what it had sent without an acknowledgement comes
/// again then.
pub struct MqttSource {
    eventloop: EventLoop,
    link: Link,
    backoff: Backoff,
    stop: CancellationToken,
}

impl MqttSource {
    /// A listener that hands what it hears to `jobs` until `stop`, and tells `state` how it does.
    pub fn new(
        settings: MqttSettings,
        intake: Intake,
        jobs: mpsc::Sender<Job>,
        stop: CancellationToken,
        state: watch::Sender<ConnectionState>,
    ) -> Result<Self, SetupError> {
        if settings.client_id.is_empty() {
            return Err(SetupError::NoClientId);
        }
        let MqttSettings { url, topics, client_id, ca, patience } = settings;
        let topics = Topics::new(topics)?;
        let mut options = client_options(&url, &client_id, ca, patience)?;
        options.set_clean_session(false);
        if url.tls() {
            options.set_socket_connector(|host, network| async move {
                rumqttc::default_socket_connect(host, network).await.map(Gathering::new)
            });
        } else {
            // Through TLS acknowledgements cannot be told from other packets.
            options.set_socket_connector(|host, network| async move {
                let stream = rumqttc::default_socket_connect(host, network).await?;
                Ok(HoldingAcks::new(Gathering::new(stream)))
            });
        }
        let (client, mut eventloop) = AsyncClient::builder(options)
            .capacity(IN_FLIGHT)
            .try_build()
            .map_err(|error| SetupError::Options(error.to_string()))?;
        eventloop.network_options.set_connection_timeout(patience.as_secs().max(1));
        eventloop.network_options.set_tcp_nodelay(true);
        let link = Link::new((client, &client_id), intake, url.to_string(), topics, (jobs, state));
        Ok(Self { eventloop, link, backoff: Backoff::new(&client_id), stop })
    }

    /// Listens until told to stop; then reads no more, waits until what was read is settled,
    /// sends the acknowledgements and takes its leave.
    pub async fn run(self) {
        let Self { mut eventloop, mut link, mut backoff, stop } = self;
        let mut place = None;
        let mut oversized = 0;
        loop {
            if place.is_none() && link.is_open() {
                place = link.place(&stop).await;
                if place.is_none() {
                    link.close();
                }
            }
            let Some(event) = link.next(&mut eventloop, &mut place, &stop).await else { break };
            let error = match event {
                Ok(Event::Incoming(Incoming::ConnAck(_)))
                    if eventloop.mqtt_options.clean_session() =>
                {
                    // It only had to make the broker forget the session. On with a new one.
                    eventloop.mqtt_options.set_clean_session(false);
                    eventloop.clean();
                    continue;
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(ConnectionError::RequestsDone) => {
                    break;
                }
                Ok(event) => {
                    link.take(event, &mut place);
                    link.take_read(&mut eventloop.state.events, &mut place);
                    continue;
                }
                Err(error) => error,
            };
            // First, or what is settled meanwhile would be acknowledged on the next connection.
            let lasted = link.lost(&error);
            link.keep(eventloop.state.events.drain(..), &mut place, &stop).await;
            if !link.is_open() {
                break;
            }
            backoff.lasted(lasted);
            oversized = if is_oversized(&error) { oversized + 1 } else { 0 };
            if oversized > 1 {
                error!("{}: discarding the session, to be rid of a message too large", link.name());
                eventloop.mqtt_options.set_clean_session(true);
                oversized = 0;
            }
            tokio::select! {
                () = sleep(backoff.pause()) => {}
                () = stop.cancelled() => break,
            }
        }
        link.stopped();
    }
}
