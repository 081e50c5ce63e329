//! The one task that owns the world: takes in patches, seals ticks, serves clients.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    COMMANDS, Command, Committed, Content, Cursor, Delivery, Encoder, Encoding, Excerpt, LiveMap,
    Metrics, Picture, Subscriber, ViewerId,
    audiences::Audiences,
    client::{Clients, Request},
    notes::Notes,
    pages::Pages,
    rounds::Rounds,
};
use crate::domain::{Clock, Commit, Continuation, Filter, Groups, Missed, Node, Revision, World};

/// How often time passes for nodes that say nothing, and clients that are gone are cleared away.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How long a tick that is due waits for a commit that has begun, at most.
const LONGEST_WAIT: Duration = Duration::from_millis(25);

/// How the broadcaster works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The least time between two ticks.
    pub tick: Duration,
    /// Names this count of revisions: that of the continuation that the world was restored with,
    /// or else never the same twice.
    pub epoch: String,
}

/// Owns the world.
pub struct Broadcaster<E> {
    pub(super) world: World,
    /// The revision of the last tick: nothing newer has been sent.
    pub(super) sealed: Revision,
    /// When that was.
    pub(super) sealed_at: Instant,
    pub(super) clients: Clients,
    pub(super) audiences: Audiences,
    pub(super) notes: Notes,
    pub(super) pages: Pages,
    /// Clients that carriers write to.
    pub(super) rounds: Rounds,
    /// Clients with a request that waits for the tick.
    pub(super) waiting: BTreeSet<ViewerId>,
    pub(super) encoder: E,
    pub(super) metrics: Metrics,
    /// When the commits were made that the next tick tells of.
    pub(super) commits: Vec<Instant>,
    /// When the next tick may be.
    pub(super) due: watch::Sender<Instant>,
    /// Until when it waits for a commit that has begun.
    pub(super) wait_until: Option<Instant>,
    pub(super) settings: Settings,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
}

impl<E: Encoder> Broadcaster<E> {
    /// A broadcaster of `world`, and a handle on it.
    ///
    /// # Panics
    ///
    /// If anything is pending in the world.
    pub fn new(
        world: World,
        encoder: E,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> (Self, LiveMap) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (rounds, queue) = Rounds::new();
        let live = LiveMap {
            commands: sender,
            next_viewer: Arc::new(AtomicU64::new(0)),
            epoch: settings.epoch.as_str().into(),
            tick_ms: u64::try_from(settings.tick.as_millis()).unwrap_or(u64::MAX),
            rounds: queue,
        };
        assert!(!world.has_pending(), "nobody would be told");
        let sealed = world.revision();
        let mut pages = Pages::default();
        world.nodes().for_each(|node| pages.insert(node));
        let broadcaster = Self {
            world,
            sealed,
            sealed_at: Instant::now(),
            clients: Clients::default(),
            audiences: Audiences::default(),
            notes: Notes::default(),
            pages,
            rounds,
            waiting: BTreeSet::new(),
            encoder,
            metrics,
            commits: Vec::new(),
            due: watch::Sender::new(Instant::now()),
            wait_until: None,
            settings,
            clock,
            commands,
        };
        (broadcaster, live)
    }

    /// When the next tick is due; past, if it comes with the next change.
    pub fn due(&self) -> watch::Receiver<Instant> {
        self.due.subscribe()
    }

    /// Runs until every sender of patches is gone, then sends the last batch and closes. What it
    /// leaves lets the next run go on.
    pub async fn run(mut self, mut committed: mpsc::Receiver<Committed>) -> Continuation {
        // After a restart all clients come at once.
        self.pages.write_ahead::<E>();
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.wait_until.unwrap_or(*self.due.borrow());
            select! {
                commit = committed.recv() => match commit {
                    Some(commit) => self.apply(commit),
                    None => break,
                },
                Some(command) = self.commands.recv() => {
                    // Whoever asks finds what was committed before it asked.
                    while let Ok(commit) = committed.try_recv() {
                        self.apply(commit);
                    }
                    self.obey(command);
                }
                () = sleep_until(due), if self.world.has_pending() => self.tick(),
                _ = housekeeping.tick() => self.keep_house(),
            }
        }
        self.tick();
        for (_, client) in self.clients.iter() {
            client.mailbox.close();
        }
        self.world.continuation(&self.settings.epoch)
    }

    fn apply(&mut self, (at, commit): Committed) {
        let Commit::Made(patches) = commit else {
            self.wait_until = Some(at.max(*self.due.borrow()) + LONGEST_WAIT);
            return;
        };
        self.wait_until = None;
        let now = self.clock.now();
        for patch in &patches {
            self.world.apply(patch, now);
        }
        if !patches.is_empty() {
            self.commits.push(at);
        }
    }

    fn keep_house(&mut self) {
        let now = self.clock.now();
        self.world.pass_time(now);
        self.world.age_cells(|zoom| self.audiences.counts_at(zoom), now);
        // What was no news is told of by no tick.
        if !self.world.has_pending() {
            self.commits.clear();
        }
        self.count_nodes();
        for viewer in self.clients.gone() {
            self.drop_filter(viewer);
            self.clients.remove(viewer);
        }
        self.pages.drop_unused(Instant::now());
        // After a quiet time, what a large tick needed is given back.
        if self.due.borrow().elapsed() >= HOUSEKEEPING {
            self.notes = Notes::default();
            self.audiences.shrink();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join { encoding, mailbox } => {
                self.clients.insert(mailbox.viewer(), mailbox, encoding);
            }
            Command::Subscribe { viewer, filter, resume } => {
                self.ask(viewer, Request::Subscribe { filter, resume });
            }
            Command::Snapshot { viewer } => self.ask(viewer, Request::Snapshot),
            Command::Unsubscribe { viewer } => {
                self.drop_filter(viewer);
                if let Some(client) = self.clients.get_mut(viewer) {
                    client.request = None;
                    client.behind = None;
                }
            }
            Command::Ready { viewer } => self.serve_when_sealed(viewer),
            // Whoever asked may be gone, which is no matter of ours.
            Command::Nodes { filter, reply } => drop(reply.send(self.world.matching(&filter))),
            Command::Revision { reply } => drop(reply.send(self.sealed)),
            Command::Newest { reply } => drop(reply.send(self.world.revision())),
            Command::Subscribers { reply } => drop(reply.send(self.subscribers())),
        }
    }

    fn subscribers(&self) -> Vec<Subscriber> {
        let clients = self.clients.iter().map(|(viewer, client)| Subscriber {
            viewer,
            filter: self.audiences.filter(client.seat).cloned(),
            lag_revisions: client.behind.map_or(0, |held| self.sealed.0.saturating_sub(held.0)),
        });
        clients.collect()
    }

    fn ask(&mut self, viewer: ViewerId, request: Request) {
        let Some(client) = self.clients.get_mut(viewer) else { return };
        match (request, client.request.take().map(|request| *request)) {
            // A snapshot is among what was asked for, so the one answer is a full one.
            (Request::Snapshot, Some(Request::Subscribe { filter, .. }))
            | (Request::Subscribe { filter, .. }, Some(Request::Snapshot)) => {
                client.request = Some(Box::new(Request::Subscribe { filter, resume: None }));
                self.drop_filter(viewer);
            }
            (request, _) => client.request = Some(Box::new(request)),
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
    pub(super) fn serve(&mut self, viewer: ViewerId) {
        let Some(client) = self.clients.get_mut(viewer) else { return };
        let mailbox = Arc::clone(&client.mailbox);
        if (client.request.is_none() && client.behind.is_none()) || !mailbox.is_free() {
            return;
        }
        let encoding = client.encoding;
        let cursor = client.behind.take().unwrap_or(self.sealed);
        let request = client.request.take().map(|request| *request);
        let held = self.audiences.filter(client.seat).cloned();
        let content = match (request, held) {
            (Some(Request::Subscribe { filter, resume }), held) => {
                if let Some(zoom) = filter.cells {
                    self.world.count_cells(zoom, self.clock.now());
                }
                let picture = self
                    .difference(held.as_ref(), &filter, resume, cursor)
                    .unwrap_or_else(|| self.full_picture(&filter, encoding));
                self.set_filter(viewer, filter);
                Content::Picture(Box::new(picture))
            }
            (_, None) => return,
            (Some(Request::Snapshot), Some(filter)) => {
                Content::Picture(Box::new(self.full_picture(&filter, encoding)))
            }
            (None, Some(filter)) => match self.world.missed(&filter, &filter, cursor) {
                Some(missed) => {
                    self.metrics.catch_ups.inc();
                    self.count_passages(missed.entered.len(), missed.left.len());
                    Content::CatchUp { types: filter.types, missed: Box::new(missed) }
                }
                None => Content::Picture(Box::new(self.full_picture(&filter, encoding))),
            },
        };
        self.metrics.deliveries.inc();
        let revision = self.sealed;
        mailbox.put(Delivery { revision, sealed_at: Instant::now(), content });
    }

    /// What has changed since what the client holds; none if it holds nothing that this helps.
    fn difference(
        &self,
        held: Option<&Filter>,
        wanted: &Filter,
        resume: Option<Cursor>,
        cursor: Revision,
    ) -> Option<Picture> {
        let is_back = resume.is_some() && held.is_none();
        let names_cursor = resume.is_some();
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
        let Some(missed) = missed else {
            self.metrics.resumes_refused.inc_by(names_cursor.into());
            return None;
        };
        self.metrics.differences.inc();
        self.metrics.resumed.inc_by(is_back.into());
        self.count_passages(missed.entered.len(), missed.left.len());
        Some(changed(wanted, missed))
    }

    /// All that `filter` holds.
    fn full_picture(&self, filter: &Filter, encoding: Encoding) -> Picture {
        self.metrics.snapshots.inc();
        let world = &self.world;
        let (excerpt, nodes) = self
            .on_pages(filter, encoding)
            .unwrap_or_else(|| (Excerpt::default(), world.matching(filter)));
        Picture {
            types: filter.types,
            full: true,
            excerpt,
            nodes,
            removed: Vec::new(),
            messages: world.recent_messages(filter),
            cells: filter.cells.map(|_| world.cell_counts(filter)),
        }
    }

    /// What pages show of all that `filter` holds, and the nodes besides; none if it asks for something
    /// else than whole records of the nodes in a place.
    fn on_pages(&self, filter: &Filter, encoding: Encoding) -> Option<(Excerpt, Vec<Arc<Node>>)> {
        let Filter { bounds, node_ids: None, also_ids, cells: None, types, .. } = filter else {
            return None;
        };
        if types.groups() != Groups::ALL {
            return None;
        }
        let picked = also_ids.iter().filter_map(|id| self.world.get(id));
        let picked = picked.filter(|node| !filter.spans(node)).cloned();
        let excerpt = self.pages.excerpt(bounds.as_ref(), encoding);
        Some(match excerpt.few() {
            Some(few) => (Excerpt::default(), few.into_iter().chain(picked).collect()),
            None => (excerpt, picked.collect()),
        })
    }

    fn set_filter(&mut self, viewer: ViewerId, filter: Filter) {
        self.drop_filter(viewer);
        let Some(slot) = self.clients.slot(viewer) else { return };
        if let Some(client) = self.clients.at_mut(slot) {
            client.seat = Some(self.audiences.join(filter, client.encoding, slot));
            self.metrics.subscriptions.inc();
        }
    }

    fn drop_filter(&mut self, viewer: ViewerId) {
        let client = self.clients.get_mut(viewer);
        let Some(seat) = client.and_then(|client| client.seat.take()) else { return };
        let moved = self.audiences.leave(seat).and_then(|slot| self.clients.at_mut(slot));
        if let Some(moved) = moved {
            moved.seat = Some(seat);
        }
        self.metrics.subscriptions.dec();
    }

    /// Counts nodes that one client is told enter and leave.
    fn count_passages(&self, entered: usize, left: usize) {
        self.metrics.enters.inc_by(entered as u64);
        self.metrics.leaves.inc_by(left as u64);
    }

    pub(super) fn count_nodes(&self) {
        self.metrics.nodes.set(i64::try_from(self.world.len()).unwrap_or(i64::MAX));
    }
}

/// What a client misses, as a picture.
fn changed(filter: &Filter, missed: Missed) -> Picture {
    let updated = missed.updated.into_iter().map(|(node, _)| node);
    Picture {
        types: filter.types,
        full: false,
        excerpt: Excerpt::default(),
        nodes: missed.entered.into_iter().chain(updated).collect(),
        removed: missed.left,
        messages: missed.messages,
        cells: filter.cells.map(|_| missed.cells),
    }
}
