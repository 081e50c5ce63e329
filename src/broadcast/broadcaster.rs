//! The one task that owns the world: takes in patches, seals ticks, serves clients.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    COMMANDS, Command, Cursor, Delivery, Encoder, LiveMap, Metrics, Picture, View, ViewerId,
    mailbox::Mailbox, viewports::Viewports,
};
use crate::domain::{Batch, Clock, Filter, Patch, Revision, Sight, World};

/// How often time passes for nodes that say nothing, and clients that are gone are cleared away.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How the broadcaster works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The least time between two ticks.
    pub tick: Duration,
    /// Names this count of revisions; never the same twice.
    pub epoch: String,
}

/// One client, as the broadcaster knows it: a filter, a cursor, and what it is owed.
struct Client {
    mailbox: Weak<Mailbox>,
    /// What it holds, as of its cursor.
    filter: Option<Filter>,
    /// The revision it holds, if that is not the last tick's.
    behind: Option<Revision>,
    /// A request that is not answered yet.
    request: Option<Request>,
    /// What it sees of the tick under way.
    sights: Vec<Sight>,
    messages: Vec<u32>,
}

/// What a client asked for and was not given yet.
enum Request {
    Subscribe { filter: Filter, resume: Option<Cursor> },
    Snapshot,
}

/// Owns the world.
pub struct Broadcaster<E> {
    world: World,
    /// The revision of the last tick: nothing newer has been sent.
    sealed: Revision,
    clients: FxHashMap<ViewerId, Client>,
    viewports: Viewports,
    /// Clients with a request that waits for the tick.
    waiting: BTreeSet<ViewerId>,
    encoder: E,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    commands: mpsc::Receiver<Command>,
    last_tick: Option<Instant>,
}

impl<E: Encoder> Broadcaster<E> {
    /// A broadcaster of `world`, and a handle on it.
    pub fn new(
        world: World,
        encoder: E,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> (Self, LiveMap) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let live = LiveMap {
            commands: sender,
            next_viewer: Arc::new(AtomicU64::new(0)),
            epoch: settings.epoch.as_str().into(),
            tick_ms: u64::try_from(settings.tick.as_millis()).unwrap_or(u64::MAX),
        };
        let sealed = world.revision();
        let broadcaster = Self {
            world,
            sealed,
            clients: FxHashMap::default(),
            viewports: Viewports::default(),
            waiting: BTreeSet::new(),
            encoder,
            settings,
            clock,
            metrics,
            commands,
            last_tick: None,
        };
        (broadcaster, live)
    }

    /// Runs until every sender of patches is gone, then sends the last batch and closes.
    pub async fn run(mut self, mut committed: mpsc::Receiver<Vec<Patch>>) {
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.last_tick.map_or_else(Instant::now, |last| last + self.settings.tick);
            tokio::select! {
                patches = committed.recv() => match patches {
                    Some(patches) => self.apply(&patches),
                    None => break,
                },
                Some(command) = self.commands.recv() => {
                    // Whoever asks finds what was committed before it asked.
                    while let Ok(patches) = committed.try_recv() {
                        self.apply(&patches);
                    }
                    self.obey(command);
                }
                () = sleep_until(due), if self.world.has_pending() => self.tick(),
                _ = housekeeping.tick() => self.keep_house(),
            }
        }
        self.tick();
        for mailbox in self.clients.values().filter_map(|client| client.mailbox.upgrade()) {
            mailbox.close();
        }
    }

    fn apply(&mut self, patches: &[Patch]) {
        let now = self.clock.now();
        for patch in patches {
            self.world.apply(patch, now);
        }
    }

    fn keep_house(&mut self) {
        self.world.pass_time(self.clock.now());
        self.count_nodes();
        let gone: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, client)| client.mailbox.strong_count() == 0)
            .map(|(viewer, _)| *viewer)
            .collect();
        for viewer in gone {
            self.drop_filter(viewer);
            self.clients.remove(&viewer);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join { viewer, mailbox } => {
                let client = Client {
                    mailbox,
                    filter: None,
                    behind: None,
                    request: None,
                    sights: Vec::new(),
                    messages: Vec::new(),
                };
                self.clients.insert(viewer, client);
            }
            Command::Subscribe { viewer, filter, resume } => {
                self.ask(viewer, Request::Subscribe { filter, resume });
            }
            Command::Snapshot { viewer } => self.ask(viewer, Request::Snapshot),
            Command::Unsubscribe { viewer } => {
                self.drop_filter(viewer);
                if let Some(client) = self.clients.get_mut(&viewer) {
                    client.request = None;
                    client.behind = None;
                }
            }
            Command::Ready { viewer } => self.serve_when_sealed(viewer),
            // Whoever asked may be gone, which is no matter of ours.
            Command::Nodes { filter, reply } => drop(reply.send(self.world.matching(&filter))),
            Command::Revision { reply } => drop(reply.send(self.sealed)),
        }
    }

    fn ask(&mut self, viewer: ViewerId, request: Request) {
        let Some(client) = self.clients.get_mut(&viewer) else { return };
        match (request, client.request.take()) {
            // A snapshot is among what was asked for, so the one answer is a full one.
            (Request::Snapshot, Some(Request::Subscribe { filter, .. }))
            | (Request::Subscribe { filter, .. }, Some(Request::Snapshot)) => {
                client.request = Some(Request::Subscribe { filter, resume: None });
                self.drop_filter(viewer);
            }
            (request, _) => client.request = Some(request),
        }
        self.serve_when_sealed(viewer);
    }

    /// A picture taken while changes are pending would show what the next batch does not know it
    /// has to take back, so whoever asks waits for the tick.
    fn serve_when_sealed(&mut self, viewer: ViewerId) {
        if self.world.has_pending() {
            self.waiting.insert(viewer);
        } else {
            self.serve(viewer);
        }
    }

    /// Gives a client what it asked for, or what it missed, if its socket is ready for more.
    fn serve(&mut self, viewer: ViewerId) {
        let Some(client) = self.clients.get_mut(&viewer) else { return };
        let Some(mailbox) = client.mailbox.upgrade() else { return };
        if (client.request.is_none() && client.behind.is_none()) || !mailbox.is_free() {
            return;
        }
        let cursor = client.behind.take().unwrap_or(self.sealed);
        let delivery = match client.request.take() {
            Some(Request::Subscribe { filter, resume }) => {
                let picture = self.picture(viewer, &filter, resume, cursor);
                self.set_filter(viewer, filter);
                Delivery::Picture(picture)
            }
            Some(Request::Snapshot) => {
                let Some(filter) = client.filter.clone() else { return };
                Delivery::Picture(self.full_picture(&filter))
            }
            None => {
                let Some(filter) = client.filter.clone() else { return };
                match self.world.missed(&filter, &filter, cursor) {
                    Some(missed) => {
                        self.metrics.catch_ups.inc();
                        let types = filter.types;
                        Delivery::CatchUp { revision: self.sealed, types, missed }
                    }
                    None => Delivery::Picture(self.full_picture(&filter)),
                }
            }
        };
        self.metrics.deliveries.inc();
        mailbox.put(delivery);
    }

    /// The answer to a subscription: what changed if the client holds something, else everything.
    fn picture(
        &self,
        viewer: ViewerId,
        wanted: &Filter,
        resume: Option<Cursor>,
        cursor: Revision,
    ) -> Picture {
        let held = self.clients.get(&viewer).and_then(|client| client.filter.as_ref());
        let missed = match (resume, held) {
            (Some(resume), _) if resume.epoch != self.settings.epoch => None,
            (Some(resume), _) if resume.revision > self.sealed => None,
            // A client that is here already holds what it was sent, whatever it remembers besides.
            (Some(resume), Some(held)) => {
                self.world.missed(held, wanted, cursor.min(resume.revision))
            }
            (Some(resume), None) => self.world.missed(wanted, wanted, resume.revision),
            (None, Some(held)) => self.world.missed(held, wanted, cursor),
            (None, None) => None,
        };
        let Some(missed) = missed else { return self.full_picture(wanted) };
        self.metrics.resumed.inc();
        let updated = missed.updated.into_iter().map(|(node, _)| node);
        Picture {
            revision: self.sealed,
            types: wanted.types,
            full: false,
            nodes: missed.entered.into_iter().chain(updated).collect(),
            removed: missed.left,
            messages: missed.messages,
        }
    }

    fn full_picture(&self, filter: &Filter) -> Picture {
        self.metrics.snapshots.inc();
        Picture {
            revision: self.sealed,
            types: filter.types,
            full: true,
            nodes: self.world.matching(filter),
            removed: Vec::new(),
            messages: self.world.recent_messages(filter),
        }
    }

    fn set_filter(&mut self, viewer: ViewerId, filter: Filter) {
        self.drop_filter(viewer);
        if let Some(client) = self.clients.get_mut(&viewer) {
            self.viewports.insert(viewer, &filter);
            client.filter = Some(filter);
            self.metrics.subscriptions.inc();
        }
    }

    fn drop_filter(&mut self, viewer: ViewerId) {
        if let Some(filter) = self.clients.get_mut(&viewer).and_then(|client| client.filter.take())
        {
            self.viewports.remove(viewer, &filter);
            self.metrics.subscriptions.dec();
        }
    }

    /// Seals what is pending and hands it to those who see it, then serves those who waited.
    fn tick(&mut self) {
        let began = Instant::now();
        if let Some(batch) = self.world.seal() {
            let before = std::mem::replace(&mut self.sealed, batch.revision);
            let touched = self.match_viewers(&batch);
            self.hand_over(&batch, before, touched);
            self.metrics.ticks.inc();
            self.metrics.changes.inc_by(batch.changes.len() as u64);
            self.last_tick = Some(began);
            self.metrics.tick_seconds.observe(began.elapsed().as_secs_f64());
        }
        for viewer in std::mem::take(&mut self.waiting) {
            self.serve(viewer);
        }
        self.count_nodes();
    }

    /// Notes with every client what it sees of the batch, and returns those who see anything.
    fn match_viewers(&mut self, batch: &Batch) -> Vec<ViewerId> {
        let mut touched = Vec::new();
        let clients = &mut self.clients;
        for (index, change) in (0_u32..).zip(&batch.changes) {
            let Some(id) = change.id() else { continue };
            let states = change.before.iter().chain(&change.after).map(|node| &**node);
            self.viewports.for_each_watcher(id, states, |viewer| {
                let Some(client) = clients.get_mut(&viewer) else { return };
                let Some(filter) = &client.filter else { return };
                let twice = client.sights.last().is_some_and(|sight| sight.change == index);
                if let Some(kind) = change.seen_through(filter).filter(|_| !twice) {
                    if client.sights.is_empty() {
                        touched.push(viewer);
                    }
                    client.sights.push(Sight { change: index, kind });
                }
            });
        }
        for (index, spoken) in (0_u32..).zip(&batch.messages) {
            let states = spoken.sender.iter().map(|node| &**node);
            self.viewports.for_each_watcher(&spoken.message.from, states, |viewer| {
                let Some(client) = clients.get_mut(&viewer) else { return };
                let Some(filter) = &client.filter else { return };
                let twice = client.messages.last() == Some(&index);
                if !twice && spoken.heard_through(filter) {
                    if client.sights.is_empty() && client.messages.is_empty() {
                        touched.push(viewer);
                    }
                    client.messages.push(index);
                }
            });
        }
        touched
    }

    /// Hands the batch to the clients it touches. Those whose socket still holds the last one
    /// keep their cursor, `before`, and get the merged state when they are ready.
    fn hand_over(&mut self, batch: &Batch, before: Revision, touched: Vec<ViewerId>) {
        let mut shared: FxHashMap<View, Arc<[Bytes]>> = FxHashMap::default();
        for viewer in touched {
            let Some(client) = self.clients.get_mut(&viewer) else { continue };
            let sights = std::mem::take(&mut client.sights);
            let messages = std::mem::take(&mut client.messages);
            let Some(mailbox) = client.mailbox.upgrade() else { continue };
            let Some(filter) = &client.filter else { continue };
            if client.behind.is_some() || client.request.is_some() || !mailbox.is_free() {
                if client.behind.is_none() {
                    client.behind = Some(before);
                    self.metrics.fell_behind.inc();
                }
                continue;
            }
            let view = View { types: filter.types, sights, messages };
            let encoder = &mut self.encoder;
            let frames = shared.entry(view).or_insert_with_key(|view| encoder.encode(batch, view));
            self.metrics.deliveries.inc();
            mailbox.put(Delivery::Tick(Arc::clone(frames)));
        }
    }

    fn count_nodes(&self) {
        self.metrics.nodes.set(i64::try_from(self.world.len()).unwrap_or(i64::MAX));
    }
}
