//! Broadcast: the one owner of the world, and the handle that everybody else asks.

mod audiences;
mod broadcaster;
mod client;
mod counters;
mod mailbox;
mod metrics;
mod notes;
mod pages;
mod rounds;
mod tick;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    task::{coop::unconstrained, yield_now},
    time::Instant,
};

use crate::domain::{
    Batch, CellCount, Commit, Filter, Gone, Message, MessageTypes, Missed, Node, Revision, Sight,
};

pub use broadcaster::{Broadcaster, Settings};
pub use metrics::Metrics;
pub use pages::Excerpt;

use mailbox::Mailbox;
use rounds::{Carrier, Queue};

/// Requests waiting for the broadcaster. When full, whoever asks waits: a slow answer to one
/// connection, never a lost change.
const COMMANDS: usize = 1024;

/// What is told of a commit, and when it began or was made.
pub type Committed = (Instant, Commit);

/// The broadcaster has stopped, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the server is stopping")]
pub struct Stopped;

impl<T> From<mpsc::error::SendError<T>> for Stopped {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self
    }
}

impl From<oneshot::error::RecvError> for Stopped {
    fn from(_: oneshot::error::RecvError) -> Self {
        Self
    }
}

/// How the frames of a client are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text.
    #[default]
    Json,
    /// Protocol buffers.
    Proto,
}

/// What a client sees of a batch. Clients with equal views share their frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View<'a> {
    /// How the frames are written.
    pub encoding: Encoding,
    /// The groups that the client asked for.
    pub types: MessageTypes,
    /// The changes that it sees, each once.
    pub sights: &'a [Sight],
    /// Indices in [`Batch::messages`] of what it hears.
    pub messages: &'a [u32],
    /// The cells that have other counts now.
    pub cells: &'a [CellCount],
}

/// One message, written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type, by which it is counted.
    pub kind: &'static str,
    /// What goes out first, and is this client's own: empty in most.
    pub lead: Bytes,
    /// What goes out behind it, and may be shared with others.
    pub rest: Bytes,
}

impl Frame {
    /// A message without a lead.
    pub const fn new(kind: &'static str, rest: Bytes) -> Self {
        Self { kind, lead: Bytes::new(), rest }
    }

    /// How many bytes go out.
    pub fn payload_bytes(&self) -> usize {
        self.lead.len() + self.rest.len()
    }

    /// All that goes out, in one piece.
    pub fn whole(&self) -> Bytes {
        if self.lead.is_empty() {
            return self.rest.clone();
        }
        [&*self.lead, &*self.rest].concat().into()
    }
}

/// Turns what a tick says into frames. The room that speaks to clients brings one.
pub trait Encoder: Send + 'static {
    /// The frames that take a client with this view from the batch before to `batch`.
    fn encode(&mut self, batch: &Batch, view: &View<'_>) -> Arc<[Frame]>;

    /// Adds the whole record of a node, as it stands in pictures.
    fn write_record(encoding: Encoding, node: &Node, records: &mut Vec<u8>);

    /// What makes records a part of a picture.
    fn binding(encoding: Encoding) -> Binding;

    /// What the frame of such a part says behind its lead, with all records in columns: for those
    /// clients that speak [`Encoding::Proto`] and read these.
    fn columns<'a>(nodes: impl Iterator<Item = &'a Node>) -> Bytes;
}

/// What stands around records, behind the lead of a frame that is a part of a full picture, and not
/// the last one.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are their documentation")]
pub struct Binding {
    pub before: &'static [u8],
    pub between: &'static [u8],
    pub after: &'static [u8],
}

/// Where a client says that it left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The count that `revision` belongs to.
    pub epoch: String,
    /// What the client holds.
    pub revision: Revision,
}

/// What a client is handed.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The revision that the client holds once it has applied all of it.
    pub revision: Revision,
    /// When that was sealed, or for an answer when it was given.
    pub sealed_at: Instant,
    /// What it is.
    pub content: Content,
}

/// What is in a delivery. Every client has room for one, so what is great and seldom is boxed.
#[derive(Clone, Debug)]
pub enum Content {
    /// One tick, encoded and shared.
    Tick(Arc<[Frame]>),
    /// Several ticks merged, for a client that could not keep up.
    CatchUp {
        /// The groups that the client asked for.
        types: MessageTypes,
        /// What it missed.
        missed: Box<Missed>,
    },
    /// The answer to a subscription.
    Picture(Box<Picture>),
}

/// A client's socket, as those see it who write to it beside its own task.
pub trait Outlet: Send + Sync {
    /// Writes a tick, if nothing else is being written and the socket takes it.
    fn write(&self, delivery: &Delivery) -> Written;

    /// All that was sealed then has been written, and the client's task has nothing to do with it.
    fn delivered(&self, sealed_at: Instant);
}

/// What became of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The socket has taken all of it.
    All,
    /// The rest waits where the client's task finds it.
    Begun,
    /// None of it is or will be.
    Nothing,
}

/// What a new or changed subscription shows.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The groups that the client asked for.
    pub types: MessageTypes,
    /// Whether it replaces everything that the client holds.
    pub full: bool,
    /// What comes first: whole records, as they are shared.
    pub excerpt: Excerpt,
    /// Whole records besides.
    pub nodes: Vec<Arc<Node>>,
    /// Nodes to drop.
    pub removed: Vec<Gone>,
    /// Recent messages.
    pub messages: Vec<Arc<Message>>,
    /// Counts by tile; none if the client did not ask for them.
    pub cells: Option<Vec<CellCount>>,
}

impl Picture {
    /// All nodes of which it holds whole records.
    pub fn all_nodes(&self) -> Vec<Arc<Node>> {
        self.excerpt.nodes().chain(&self.nodes).cloned().collect()
    }
}

/// One client, as an operator sees it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// See [`Viewer::id`].
    pub viewer: u64,
    /// What it asked for; none before its first subscription.
    pub filter: Option<Filter>,
    /// By how many revisions it is behind the last tick.
    pub lag_revisions: u64,
}

type ViewerId = u64;

enum Command {
    Join { encoding: Encoding, mailbox: Arc<Mailbox> },
    Subscribe { viewer: ViewerId, filter: Filter, resume: Option<Cursor> },
    Unsubscribe { viewer: ViewerId },
    Snapshot { viewer: ViewerId },
    Ready { viewer: ViewerId },
    Nodes { filter: Filter, reply: oneshot::Sender<Vec<Arc<Node>>> },
    Revision { reply: oneshot::Sender<Revision> },
    Newest { reply: oneshot::Sender<Revision> },
    Subscribers { reply: oneshot::Sender<Vec<Subscriber>> },
}

/// A handle on the world.
#[derive(Clone)]
pub struct LiveMap {
    commands: mpsc::Sender<Command>,
    next_viewer: Arc<AtomicU64>,
    epoch: Arc<str>,
    tick_ms: u64,
    rounds: Arc<Queue>,
}

impl LiveMap {
    /// The name of this count of revisions.
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The least time between two ticks, in milliseconds.
    pub fn tick_ms(&self) -> u64 {
        self.tick_ms
    }

    /// The revision of the last tick.
    pub async fn revision(&self) -> Result<Revision, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Revision { reply }).await?;
        Ok(answer.await?)
    }

    /// The revision of the newest change, which may not have been sent yet: what is read from the
    /// world after this is no older.
    pub async fn newest(&self) -> Result<Revision, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Newest { reply }).await?;
        Ok(answer.await?)
    }

    /// The nodes that match `filter` now, in no order.
    pub async fn nodes(&self, filter: Filter) -> Result<Vec<Arc<Node>>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Nodes { filter, reply }).await?;
        Ok(answer.await?)
    }

    /// Every client, in no order.
    pub async fn subscribers(&self) -> Result<Vec<Subscriber>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Subscribers { reply }).await?;
        Ok(answer.await?)
    }

    /// Ends when the world has sent its last batch.
    pub async fn closed(&self) {
        self.commands.closed().await;
    }

    /// A place for one client, whose frames are written in this way, without a subscription yet.
    pub async fn join(&self, encoding: Encoding) -> Result<Viewer, Stopped> {
        self.enter(encoding, None).await
    }

    /// The same for one to whom carriers write ticks without waking its task, if they can: see
    /// [`LiveMap::carry`]. What they cannot write is a delivery like any other. Where only the end is
    /// left, in the outlet or to be said, it is one without frames.
    pub async fn join_with(
        &self,
        encoding: Encoding,
        outlet: Arc<dyn Outlet>,
    ) -> Result<Viewer, Stopped> {
        self.enter(encoding, Some(outlet)).await
    }

    async fn enter(
        &self,
        encoding: Encoding,
        outlet: Option<Arc<dyn Outlet>>,
    ) -> Result<Viewer, Stopped> {
        let viewer = self.next_viewer.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox::new(viewer, outlet));
        let viewer = Viewer { mailbox: Arc::clone(&mailbox), commands: self.commands.clone() };
        self.send(Command::Join { encoding, mailbox }).await?;
        Ok(viewer)
    }

    /// Carries ticks to the outlets of clients until the last has been: the work of a task of its
    /// own, and of as many as there are cores to use. Without one, clients' own tasks do it.
    pub async fn carry(&self) {
        let carrier = Carrier::new(&self.rounds);
        // It gives others their turn, and a socket that takes more must not seem to be full.
        unconstrained(async {
            while let Some(round) = carrier.next().await {
                round.carry();
                yield_now().await;
            }
        })
        .await;
    }

    async fn send(&self, command: Command) -> Result<(), Stopped> {
        Ok(self.commands.send(command).await?)
    }
}

/// One client's place. Dropping it ends the subscription.
pub struct Viewer {
    mailbox: Arc<Mailbox>,
    commands: mpsc::Sender<Command>,
}

impl Viewer {
    /// Names this client among those of this run.
    pub fn id(&self) -> u64 {
        self.mailbox.viewer()
    }

    /// Asks for what matches `filter`, from `resume` on if that can be. Answered by a
    /// [`Content::Picture`]; of several requests made while one delivery is under way, only the
    /// last is answered.
    pub async fn subscribe(&self, filter: Filter, resume: Option<Cursor>) -> Result<(), Stopped> {
        Ok(self.commands.send(Command::Subscribe { viewer: self.id(), filter, resume }).await?)
    }

    /// Asks for nothing more.
    pub async fn unsubscribe(&self) -> Result<(), Stopped> {
        Ok(self.commands.send(Command::Unsubscribe { viewer: self.id() }).await?)
    }

    /// Asks for the whole picture again.
    pub async fn request_snapshot(&self) -> Result<(), Stopped> {
        Ok(self.commands.send(Command::Snapshot { viewer: self.id() }).await?)
    }

    /// The next delivery; none when the server stops. There is never more than one at a time:
    /// the next comes after [`Viewer::delivered`].
    pub async fn next(&self) -> Option<Delivery> {
        self.mailbox.take().await
    }

    /// Says that the client's socket has taken all of the last delivery.
    pub async fn delivered(&self) -> Result<(), Stopped> {
        if self.mailbox.emptied() {
            // Rare, and greater than all else that a client's task has to remember.
            Box::pin(self.commands.send(Command::Ready { viewer: self.id() })).await?;
        }
        Ok(())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.mailbox.drop_outlet();
    }
}
