//! Broadcast: the one owner of the world, and the handle that everybody else asks.

mod broadcaster;
mod mailbox;
mod metrics;
mod viewports;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{Batch, Filter, Message, MessageTypes, Missed, Node, NodeId, Revision, Sight};

pub use broadcaster::{Broadcaster, Settings};
pub use metrics::Metrics;

use mailbox::Mailbox;

/// Requests waiting for the broadcaster. When full, whoever asks waits: a slow answer to one
/// connection, never a lost change.
const COMMANDS: usize = 1024;

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

/// What one client sees of a batch. Clients with equal views share their frames.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The groups that the client asked for.
    pub types: MessageTypes,
    /// The changes that it sees, in the order of the batch.
    pub sights: Vec<Sight>,
    /// Indices in [`Batch::messages`] of what it hears.
    pub messages: Vec<u32>,
}

/// Turns what a tick says into frames. The room that speaks to clients brings one.
pub trait Encoder: Send + 'static {
    /// The frames that take a client with this view from the batch before to `batch`.
    fn encode(&mut self, batch: &Batch, view: &View) -> Arc<[Bytes]>;
}

/// Where a client says that it left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The count that `revision` belongs to.
    pub epoch: String,
    /// What the client holds.
    pub revision: Revision,
}

/// What a client is handed. It holds the stated revision once it has applied all of it.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// One tick, encoded and shared.
    Tick(Arc<[Bytes]>),
    /// Several ticks merged, for a client that could not keep up.
    CatchUp {
        /// The revision that it reaches.
        revision: Revision,
        /// The groups that the client asked for.
        types: MessageTypes,
        /// What it missed.
        missed: Missed,
    },
    /// The answer to a subscription.
    Picture(Picture),
}

/// What a new or changed subscription shows.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The revision that it shows.
    pub revision: Revision,
    /// The groups that the client asked for.
    pub types: MessageTypes,
    /// Whether it replaces everything that the client holds.
    pub full: bool,
    /// Whole records.
    pub nodes: Vec<Arc<Node>>,
    /// Nodes to drop.
    pub removed: Vec<NodeId>,
    /// Recent messages.
    pub messages: Vec<Arc<Message>>,
}

type ViewerId = u64;

enum Command {
    Join { viewer: ViewerId, mailbox: std::sync::Weak<Mailbox> },
    Subscribe { viewer: ViewerId, filter: Filter, resume: Option<Cursor> },
    Unsubscribe { viewer: ViewerId },
    Snapshot { viewer: ViewerId },
    Ready { viewer: ViewerId },
    Nodes { filter: Filter, reply: oneshot::Sender<Vec<Arc<Node>>> },
    Revision { reply: oneshot::Sender<Revision> },
}

/// A handle on the world.
#[derive(Clone)]
pub struct LiveMap {
    commands: mpsc::Sender<Command>,
    next_viewer: Arc<AtomicU64>,
    epoch: Arc<str>,
    tick_ms: u64,
}

impl LiveMap {
    /// The name of this count of revisions.
    pub fn epoch(&self) -> &str {
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

    /// The nodes that match `filter` now, in no order.
    pub async fn nodes(&self, filter: Filter) -> Result<Vec<Arc<Node>>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Nodes { filter, reply }).await?;
        Ok(answer.await?)
    }

    /// Ends when the world has sent its last batch.
    pub async fn closed(&self) {
        self.commands.closed().await;
    }

    /// A place for one client, without a subscription yet.
    pub async fn join(&self) -> Result<Viewer, Stopped> {
        let viewer = self.next_viewer.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox::default());
        self.send(Command::Join { viewer, mailbox: Arc::downgrade(&mailbox) }).await?;
        Ok(Viewer { id: viewer, mailbox, map: self.clone() })
    }

    async fn send(&self, command: Command) -> Result<(), Stopped> {
        Ok(self.commands.send(command).await?)
    }
}

/// One client's place. Dropping it ends the subscription.
pub struct Viewer {
    id: ViewerId,
    mailbox: Arc<Mailbox>,
    map: LiveMap,
}

impl Viewer {
    /// Asks for what matches `filter`, from `resume` on if that can be. Answered by a
    /// [`Delivery::Picture`]; of several requests made while one delivery is under way, only the
    /// last is answered.
    pub async fn subscribe(&self, filter: Filter, resume: Option<Cursor>) -> Result<(), Stopped> {
        self.map.send(Command::Subscribe { viewer: self.id, filter, resume }).await
    }

    /// Asks for nothing more.
    pub async fn unsubscribe(&self) -> Result<(), Stopped> {
        self.map.send(Command::Unsubscribe { viewer: self.id }).await
    }

    /// Asks for the whole picture again.
    pub async fn request_snapshot(&self) -> Result<(), Stopped> {
        self.map.send(Command::Snapshot { viewer: self.id }).await
    }

    /// The next delivery; none when the server stops. There is never more than one at a time:
    /// the next comes after [`Viewer::delivered`].
    pub async fn next(&self) -> Option<Delivery> {
        self.mailbox.take().await
    }

    /// Says that the client's socket has taken all of the last delivery.
    pub async fn delivered(&self) -> Result<(), Stopped> {
        if self.mailbox.emptied() {
            self.map.send(Command::Ready { viewer: self.id }).await?;
        }
        Ok(())
    }
}
