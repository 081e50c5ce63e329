//! The embedded broker: gateways connect to geocast itself. The only user of mqtt5.
//!
//! It speaks MQTT 3.1.1 and 5 without encryption or users, so it belongs on loopback or in a
//! network of one's own. Other tools may subscribe to it and get every message as it came. It
//! retains nothing and keeps the sessions of absent subscribers in memory, within limits.

use std::{
    hash::BuildHasher as _,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use mqtt5::{
    MqttError, QoS,
    broker::{
        BrokerConfig, BrokerEventHandler, ClientPublishEvent, MqttBroker, PublishAction,
        config::{StorageBackend, StorageConfig},
    },
    packet::publish::PublishPacket,
};
use rustc_hash::FxBuildHasher;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use super::{Intake, mqtt::MAX_INCOMING_BYTES};
use crate::storage::Job;

/// Connections at a time.
const MAX_CLIENTS: usize = 1000;
/// Messages waiting for one subscriber. When full, the subscriber loses messages.
const SUBSCRIBER_QUEUE: usize = 1000;
/// Bytes of messages waiting for one subscriber that is away.
const SUBSCRIBER_BYTES: usize = 4 << 20;
/// How long the session of a client that is away is kept.
const SESSION: Duration = Duration::from_hours(1);
/// How long a stop waits for the commits under way.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Where a message goes that was not taken. Nobody hears it there: a filter with wildcards does
/// not match a topic that begins with `$`.
const NOWHERE: &str = "$geocast/not-taken";

/// Why the broker cannot be had.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The address is taken, or not one of this machine, or not allowed.
    #[error("the MQTT broker cannot listen on {address}: {error}")]
    Bind {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The broker refuses its settings, or broke down.
    #[error("the MQTT broker failed: {0}")]
    Failed(String),
}

/// An MQTT broker that answers a publisher (QoS 1 and 2) only when the message is on disk.
pub struct Broker {
    inner: MqttBroker,
    address: SocketAddr,
    doorway: Arc<Doorway>,
    /// The only strong handle, so that storage sees the end of its queue when `run` returns,
    /// whatever connections of the broker may linger.
    jobs: mpsc::Sender<Job>,
}

impl Broker {
    /// A broker that listens on `listen`, where port 0 stands for any that is free. Connections
    /// wait until [`Broker::run`].
    pub async fn bind(
        listen: SocketAddr,
        intake: Intake,
        jobs: mpsc::Sender<Job>,
    ) -> Result<Self, BrokerError> {
        // The broker's own error for a port in use fills a page. Tried here first, it is a line.
        match TcpListener::bind(listen).await {
            Ok(free) => drop(free),
            Err(error) => return Err(BrokerError::Bind { address: listen, error }),
        }
        let doorway = Arc::new(Doorway {
            intake,
            jobs: jobs.downgrade(),
            closing: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            inside: TaskTracker::new(),
        });
        let storage = StorageConfig::new()
            .with_backend(StorageBackend::Memory)
            .with_max_queued_messages_per_client(SUBSCRIBER_QUEUE)
            .with_max_queued_bytes_per_client(SUBSCRIBER_BYTES);
        // No limits on rates: the broker acknowledges what it drops for them.
        let config = BrokerConfig::new()
            .with_bind_address(listen)
            .with_max_clients(MAX_CLIENTS)
            .with_max_packet_size(MAX_INCOMING_BYTES)
            .with_client_channel_capacity(SUBSCRIBER_QUEUE)
            .with_session_expiry(SESSION)
            .with_sys_topics_enabled(false)
            .with_storage(storage)
            .with_event_handler(Arc::clone(&doorway) as Arc<dyn BrokerEventHandler>);
        let failed = |error: MqttError| BrokerError::Failed(error.to_string());
        let inner = MqttBroker::with_config(config).await.map_err(failed)?;
        let address = inner.local_addr().unwrap_or(listen);
        Ok(Self { inner, address, doorway, jobs })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; then takes no more messages, waits until those taken are on
    /// disk and answered, and closes.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BrokerError> {
        let Self { mut inner, doorway, jobs, .. } = self;
        let shutdown = inner.shutdown_handle();
        let mut ready = inner.ready_receiver();
        let failed = |error: MqttError| BrokerError::Failed(error.to_string());
        let mut serving = pin!(inner.run());
        // A shutdown asked for before the broker is ready is one that it does not hear.
        let stopped = async {
            drop(ready.wait_for(|ready| *ready).await);
            stop.cancelled().await;
        };
        tokio::select! {
            ended = &mut serving => return ended.map_err(failed),
            () = stopped => {}
        }
        doorway.closing.cancel();
        doorway.inside.close();
        if timeout(STOP_PATIENCE, doorway.inside.wait()).await.is_err() {
            warn!("MQTT broker: stopped before everything was on disk");
            doorway.abandoned.cancel();
        }
        shutdown.shutdown();
        let ended = serving.await.map_err(failed);
        drop(jobs);
        info!("MQTT broker stopped");
        ended
    }
}

/// Where messages come in.
struct Doorway {
    intake: Intake,
    jobs: mpsc::WeakSender<Job>,
    /// Nothing more is taken.
    closing: CancellationToken,
    /// What was taken is not waited for any longer.
    abandoned: CancellationToken,
    /// Counts the messages between their arrival and their answer.
    inside: TaskTracker,
}

impl Doorway {
    /// Takes a message, and says whether it may be answered. One client's messages come one at a
    /// time, so they are stored in their order; while the job queue is full, the client waits.
    ///
    /// At QoS 0 nobody waits for an answer, so the next message is read without waiting for the
    /// commit.
    async fn enter(&self, message: &ClientPublishEvent) -> bool {
        let _inside = self.inside.token();
        let Some(jobs) = self.jobs.upgrade() else { return false };
        let permit = tokio::select! {
            biased;
            () = self.closing.cancelled() => return false,
            permit = jobs.reserve() => permit,
        };
        let Ok(permit) = permit else {
            error!("MQTT broker: nobody takes what is received");
            return false;
        };
        let (settled, committed) = oneshot::channel();
        let mut job = self.intake.job(&message.topic, &message.payload, move || {
            // Whoever waited may be gone, which is no matter of ours.
            let _ = settled.send(());
        });
        let is_awaited = message.qos != QoS::AtMostOnce;
        job.sender = is_awaited.then(|| FxBuildHasher.hash_one(&message.client_id));
        permit.send(job);
        if !is_awaited {
            return true;
        }
        tokio::select! {
            committed = committed => committed.is_ok(),
            () = self.abandoned.cancelled() => false,
        }
    }
}

impl BrokerEventHandler for Doorway {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            if !self.enter(&event).await {
                // At QoS 0 there is no answer, and an answer is what must not be given.
                let nothing = PublishPacket::new(NOWHERE, Vec::new(), QoS::AtMostOnce);
                return PublishAction::Transform(nothing);
            }
            if event.retain {
                let mut passing =
                    PublishPacket::new(&*event.topic, event.payload.clone(), event.qos);
                passing.packet_id = event.packet_id;
                return PublishAction::Transform(passing);
            }
            PublishAction::Continue
        })
    }
}
