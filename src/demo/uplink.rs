//! The MQTT connections of the gateways.

use std::{net::SocketAddr, time::Duration};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, PublishOptions, mqttbytes::v4::Packet};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::simulator::Publication;

/// How many messages wait for one connection. The simulated past waits when it is full; what is
/// said live is lost then, as it would be on the air.
const WAITING: usize = 64;

/// How many messages one connection sends before the first is acknowledged.
const INFLIGHT: u16 = 100;

/// Pause before a lost broker is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// One connection that several gateways share.
pub(super) struct Uplink {
    events: EventLoop,
    client: AsyncClient,
}

impl Uplink {
    /// The connection of this number to `broker`; it connects when it is carried.
    pub(super) fn new(broker: SocketAddr, number: usize, seed: u64) -> Self {
        let id = format!("geocast-demo-{seed:x}-{number}");
        let mut options = MqttOptions::new(id, (broker.ip().to_string(), broker.port()));
        options.set_keep_alive(30).set_inflight(INFLIGHT).set_clean_session(true);
        let (client, events) = AsyncClient::builder(options).capacity(WAITING).build();
        Self { events, client }
    }

    /// What sends over this connection.
    pub(super) fn sender(&self) -> Sender {
        Sender(self.client.clone())
    }

    /// Carries messages until `stop`, connecting again whenever the broker goes away, and tells
    /// `connected` how it stands.
    pub(super) async fn carry(mut self, connected: &watch::Sender<bool>, stop: &CancellationToken) {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = self.events.poll() => event,
            };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    connected.send_replace(true);
                }
                Ok(_) => {}
                Err(error) => {
                    if connected.send_replace(false) {
                        warn!("the demo lost the broker and tries again: {error}");
                    } else {
                        debug!("no broker for the demo: {error}");
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
    }
}

/// Sends over one connection.
#[derive(Clone)]
pub(super) struct Sender(AsyncClient);

impl Sender {
    /// Sends a message, waiting while too many wait already.
    pub(super) async fn send(&self, publication: Publication) -> anyhow::Result<()> {
        let frame = publication.frame;
        self.0.publish(frame.topic, frame.payload, PublishOptions::at_least_once()).await?;
        Ok(())
    }

    /// Sends a message unless too many wait already, and says whether it did.
    pub(super) fn try_send(&self, publication: Publication) -> bool {
        let frame = publication.frame;
        self.0.try_publish(frame.topic, frame.payload, PublishOptions::at_least_once()).is_ok()
    }
}
