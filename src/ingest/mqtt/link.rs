//! What there is of a connection to a broker beside the network: the session, and what is owed for
//! what was taken in.

use std::{
    collections::VecDeque, future::pending, hash::BuildHasher as _, pin::pin, time::Duration,
};

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, ManualAck, Outgoing, Publish, QoS,
    SubAck, SubscribeFilter, SubscribeReasonCode,
};
use rustc_hash::FxBuildHasher;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{ConnectionState, reason, topics::Topics};
use crate::{domain::Timestamp, ingest::Intake, storage::Job};

/// Messages that are taken in and not acknowledged yet, at most; and acknowledgements waiting for
/// the client, at most. MQTT numbers the messages of a connection with 16 bits and uses a number
/// again only after its acknowledgement, so a broker that keeps to that fills neither.
pub(super) const IN_FLIGHT: usize = 1 << 16;

/// How long a stop waits for the commits under way and for their acknowledgements to be sent.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// What is owed to the broker for one message that is on disk.
struct Settled {
    /// The connection that brought it. No other knows the number in `ack`, or knows it as
    /// another message's.
    epoch: u64,
    ack: ManualAck,
}

/// Room for one more message, taken before it is read. Neither sending can fail or wait then.
pub(super) struct Place {
    job: mpsc::OwnedPermit<Job>,
    settled: mpsc::OwnedPermit<Settled>,
}

/// Everything but the network: what can be done while a poll of the network is under way.
pub(super) struct Link {
    client: AsyncClient,
    intake: Intake,
    /// Tells this session from others.
    sender: u64,
    /// As shown: the broker without user and password.
    name: String,
    topics: Topics,
    state: watch::Sender<ConnectionState>,
    /// Counts connections, made and lost.
    epoch: u64,
    /// Since when there is a connection.
    since: Option<Instant>,
    /// Since when the broker keeps this session, as far as this process has seen. What it delivers
    /// again may have come before at any time since.
    session_since: Option<Timestamp>,
    /// Whether it was subscribed once.
    was_connected: bool,
    /// Both none as soon as nothing more is taken in.
    queues: Option<(mpsc::Sender<Job>, mpsc::Sender<Settled>)>,
    /// Ends when nothing more is taken in and everything is settled.
    settled: mpsc::Receiver<Settled>,
    drained: bool,
    /// When a stop no longer waits.
    deadline: Option<Instant>,
}

/// Never, if there is no deadline.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

impl Link {
    /// A link of a client, with its id, that hands what it hears to the queue, and shows how it does.
    pub(super) fn new(
        (client, id): (AsyncClient, &str),
        intake: Intake,
        name: String,
        topics: Topics,
        (jobs, state): (mpsc::Sender<Job>, watch::Sender<ConnectionState>),
    ) -> Self {
        let (settled_in, settled) = mpsc::channel(IN_FLIGHT);
        intake.metrics().connected(&name, false);
        Self {
            client,
            intake,
            sender: FxBuildHasher.hash_one((&name, id)),
            name,
            topics,
            state,
            epoch: 0,
            since: None,
            session_since: None,
            was_connected: false,
            queues: Some((jobs, settled_in)),
            settled,
            drained: false,
            deadline: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether anything is taken in.
    pub(super) fn is_open(&self) -> bool {
        self.queues.is_some()
    }

    /// What the network has next; none when all is done, or it took too long after a stop.
    ///
    /// A poll is never given up half way, so that nothing half written is lost with it.
    pub(super) async fn next(
        &mut self,
        eventloop: &mut EventLoop,
        place: &mut Option<Place>,
        stop: &CancellationToken,
    ) -> Option<Result<Event, ConnectionError>> {
        let mut poll = pin!(eventloop.poll());
        loop {
            let stopping = self.queues.is_none();
            if stopping && self.since.is_none() {
                return None;
            }
            let reached = reached(self.deadline);
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    *place = None;
                    self.close();
                }
                settled = self.settled.recv(), if !self.drained => {
                    self.drained = settled.is_none();
                    if let Some(settled) = settled {
                        self.acknowledge_from(settled);
                    } else if let Err(refused) = self.client.try_disconnect() {
                        // It would have gone out behind the acknowledgements.
                        debug!("{}: leaving without a word: {refused}", self.name);
                        return None;
                    }
                },
                event = &mut poll => return Some(event),
                () = reached => {
                    warn!("{}: stopped before everything was acknowledged", self.name);
                    return None;
                }
            }
        }
    }

    /// Takes nothing in any more.
    pub(super) fn close(&mut self) {
        self.queues = None;
        self.deadline.get_or_insert_with(|| Instant::now() + STOP_PATIENCE);
    }

    /// Room for one more message; none when told to stop, or when nobody takes jobs any more.
    pub(super) async fn place(&mut self, stop: &CancellationToken) -> Option<Place> {
        let (jobs, settled_in) = self.queues.clone()?;
        let mut both = pin!(async {
            let job = jobs.reserve_owned().await.ok()?;
            let settled = settled_in.reserve_owned().await.ok()?;
            Some(Place { job, settled })
        });
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                place = &mut both => {
                    if place.is_none() {
                        error!("{}: nobody takes what is received; stopping", self.name);
                    }
                    return place;
                }
                Some(settled) = self.settled.recv() => self.acknowledge_from(settled),
            }
        }
    }

    pub(super) fn take(&mut self, event: Event, place: &mut Option<Place>) {
        match event {
            Event::Incoming(Incoming::ConnAck(answer)) => {
                self.epoch += 1;
                self.since = Some(Instant::now());
                self.resume(answer.session_present);
                self.subscribe();
            }
            Event::Incoming(Incoming::SubAck(answer)) => self.subscribed(&answer),
            Event::Incoming(Incoming::Publish(publish)) => {
                // Without a place there is a stop: not taken, so that the broker keeps it.
                if let Some(place) = place.take() {
                    self.hand_over(&publish, place);
                }
            }
            _ => {}
        }
    }

    /// Takes what was read along with an event, as far as there is room for it at once.
    pub(super) fn take_read(&mut self, read: &mut VecDeque<Event>, place: &mut Option<Place>) {
        while let Some(event) = read.front() {
            match event {
                Event::Incoming(Incoming::Publish(_)) if place.is_none() => {
                    *place = self.place_at_once();
                    if place.is_none() {
                        return;
                    }
                }
                Event::Incoming(Incoming::ConnAck(_)) | Event::Outgoing(Outgoing::Disconnect) => {
                    return;
                }
                _ => {}
            }
            if let Some(event) = read.pop_front() {
                self.take(event, place);
            }
        }
    }

    /// Room for one more message, if nothing has to be waited for.
    fn place_at_once(&self) -> Option<Place> {
        let (jobs, settled_in) = self.queues.clone()?;
        let job = jobs.try_reserve_owned().ok()?;
        Some(Place { job, settled: settled_in.try_reserve_owned().ok()? })
    }

    /// Takes note of whether the broker kept the session.
    fn resume(&mut self, kept: bool) {
        if kept && self.session_since.is_some() {
            return;
        }
        if self.session_since.replace(self.intake.now()).is_some() {
            warn!(
                "{}: the broker did not keep the session: what came meanwhile is lost",
                self.name
            );
            self.intake.metrics().session_lost(&self.name);
        }
    }

    /// Also when the broker kept the session: the topics may be others now.
    fn subscribe(&self) {
        let filter = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
        let filters = self.topics.filters().iter().map(filter);
        if let Err(refused) = self.client.try_subscribe_many(filters) {
            error!("{}: cannot subscribe: {refused}", self.name);
        }
        for alone in self.topics.no_longer_alone() {
            if let Err(refused) = self.client.try_unsubscribe(alone) {
                error!("{}: cannot unsubscribe from {alone}: {refused}", self.name);
            }
        }
    }

    fn hand_over(&self, publish: &Publish, place: Place) {
        let epoch = self.epoch;
        let ack = self.client.prepare_ack(publish);
        let Place { job, settled } = place;
        let acknowledge = move || {
            if let Some(ack) = ack {
                settled.send(Settled { epoch, ack });
            }
        };
        let topic = String::from_utf8_lossy(&publish.topic);
        let mut message = if self.topics.wants(&topic) {
            self.intake.job(&topic, &publish.payload, acknowledge)
        } else {
            self.intake.turn_away(&topic, acknowledge)
        };
        message.sender = (publish.qos != QoS::AtMostOnce).then_some(self.sender);
        if let Some(report) = &mut message.report {
            // What a broker retains comes with every subscription, however old it is.
            let forever = Timestamp::from_millis(i64::MIN);
            let delivered = self.session_since.filter(|_| publish.dup);
            report.reception.redelivered_since =
                if publish.retain { Some(forever) } else { delivered };
        }
        job.send(message);
    }

    /// Takes what was read before the connection broke and would not come again.
    pub(super) async fn keep(
        &mut self,
        unread: impl Iterator<Item = Event>,
        place: &mut Option<Place>,
        stop: &CancellationToken,
    ) {
        for event in unread {
            let Event::Incoming(Incoming::Publish(publish)) = event else { continue };
            if publish.qos != QoS::AtMostOnce {
                continue;
            }
            if place.is_none() {
                *place = self.place(stop).await;
            }
            if let Some(place) = place.take() {
                self.hand_over(&publish, place);
            }
        }
    }

    /// Acknowledges this, and what is settled behind it by now.
    fn acknowledge_from(&mut self, first: Settled) {
        let mut next = Some(first);
        while let Some(settled) = next {
            self.acknowledge(settled);
            next = self.settled.try_recv().ok();
        }
    }

    fn acknowledge(&self, settled: Settled) {
        if settled.epoch == self.epoch
            && let Err(refused) = self.client.try_manual_ack(settled.ack)
        {
            warn!("{}: an acknowledgement is lost, its message comes again: {refused}", self.name);
        }
    }

    fn subscribed(&mut self, answer: &SubAck) {
        let answered = |code| {
            let answers = self.topics.filters().iter().zip(&answer.return_codes);
            let those = answers.filter(move |(_, answer)| **answer == code);
            those.map(|(topic, _)| topic.as_str()).collect::<Vec<_>>()
        };
        let refused = answered(SubscribeReasonCode::Failure);
        if !refused.is_empty() {
            warn!("{}: the broker refuses the topics {refused:?}", self.name);
        }
        let weak = answered(SubscribeReasonCode::Success(QoS::AtMostOnce));
        if !weak.is_empty() {
            warn!(
                "{}: the broker grants only QoS 0 for the topics {weak:?}: what is not stored when \
                 a connection breaks is lost",
                self.name
            );
        }
        if refused.len() == self.topics.filters().len() {
            self.show(ConnectionState::Down {
                reason: "the broker refuses every topic".to_owned(),
            });
            return;
        }
        if self.show(ConnectionState::Connected) {
            info!("{}: connected", self.name);
            if self.was_connected {
                self.intake.metrics().reconnected(&self.name);
            }
            self.was_connected = true;
        }
    }

    /// Takes note that the connection is lost, or was not to be had, and says how long it lasted.
    pub(super) fn lost(&mut self, error: &ConnectionError) -> Duration {
        self.epoch += 1;
        let reason = reason(error);
        let down = ConnectionState::Down { reason: reason.clone() };
        if self.show(down) {
            warn!("{}: disconnected: {reason}", self.name);
        } else {
            debug!("{}: still disconnected: {reason}", self.name);
        }
        self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Nothing comes any more.
    pub(super) fn stopped(&self) {
        self.state.send_replace(ConnectionState::Down { reason: "stopped".to_owned() });
        self.intake.metrics().connected(&self.name, false);
        info!("{}: stopped", self.name);
    }

    /// Shows the state, and says whether it is another than before.
    fn show(&self, state: ConnectionState) -> bool {
        self.intake.metrics().connected(&self.name, state == ConnectionState::Connected);
        self.state.send_if_modified(|shown| {
            let changed = *shown != state;
            *shown = state;
            changed
        })
    }
}
