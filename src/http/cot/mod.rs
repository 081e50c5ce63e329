//! The map for teams that use TAK: events of Cursor on Target to whoever connects.
//!
//! A client here is one of the live map, with a filter and a cursor. It asks for the difference to
//! its cursor at most once a second and holds no subscription in between, so what it is sent is
//! merged however slowly it reads, and no more waits for it than one such difference.

mod event;
mod multicast;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, error, info, warn};

use super::accept::Listener;
use crate::{
    broadcast::{Content, Cursor, Encoding, LiveMap, Picture},
    domain::{Clock, Filter, MessageTypes},
};

pub use multicast::CotGroup;

/// How often a client is told what has changed.
const EVERY: Duration = Duration::from_secs(1);

/// How often it is told everything, so that what it shows does not grow stale.
const EVERYTHING_EVERY: Duration = Duration::from_mins(5);

/// How long what it is told counts.
const STALE_AFTER: Duration = Duration::from_mins(15);

/// Most clients at a time. Who comes beyond that is hung up on.
const MAX_CLIENTS: usize = 100;

/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_mins(1);

/// Nodes that are written at once.
const NODES_PER_WRITE: usize = 100;

/// Serves clients until `stop`.
pub async fn serve_cot(
    mut listener: impl Listener<Io = TcpStream>,
    live: LiveMap,
    clock: Clock,
    stop: impl Future<Output = ()>,
) {
    let mut clients = JoinSet::new();
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut stop = std::pin::pin!(stop);
    loop {
        select! {
            () = &mut stop => break,
            Some(ended) = clients.join_next() => if let Err(error) = ended {
                error!("a connection of a TAK client failed: {error}");
            },
            accepted = listener.accept() => match accepted {
                Ok((io, peer)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        warn!("there are too many TAK clients, so {peer} is hung up on");
                        continue;
                    };
                    let (live, clock) = (live.clone(), clock.clone());
                    clients.spawn(async move {
                        tell(io, peer, &live, &clock).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    error!("cannot accept TAK clients: {error}");
                    sleep(EVERY).await;
                }
            },
        }
    }
    // They hold nothing that is to be finished.
    clients.shutdown().await;
}

async fn tell(io: TcpStream, peer: SocketAddr, live: &LiveMap, clock: &Clock) {
    info!("a TAK client came: {peer}");
    let (mut reading, mut writing) = io.into_split();
    let heard = async {
        // What TAK clients say of themselves is not asked for.
        let mut buffer = [0; 1024];
        while reading.read(&mut buffer).await? > 0 {}
        Ok(())
    };
    let told = async {
        let mut rounds = Rounds::new(live, EVERYTHING_EVERY);
        while let Some(picture) = rounds.next().await {
            write(&mut writing, &picture, clock).await?;
        }
        Ok(())
    };
    let ended: io::Result<()> = select! {
        ended = heard => ended,
        ended = told => ended,
    };
    match ended {
        Ok(()) => info!("a TAK client went: {peer}"),
        Err(error) => debug!("the connection of a TAK client broke: {peer}: {error}"),
    }
}

/// What there is to tell, time after time.
struct Rounds<'a> {
    live: &'a LiveMap,
    ticks: Interval,
    /// When everything is told, and not what has changed.
    whole: Interval,
    cursor: Option<Cursor>,
}

impl<'a> Rounds<'a> {
    fn new(live: &'a LiveMap, everything_every: Duration) -> Self {
        let [ticks, whole] = [EVERY, everything_every].map(|period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { live, ticks, whole, cursor: None }
    }

    /// The next picture that shows anything new; none when the server stops.
    async fn next(&mut self) -> Option<Box<Picture>> {
        loop {
            select! {
                _ = self.whole.tick() => self.cursor = None,
                _ = self.ticks.tick() => {}
            }
            let (cursor, picture) = changes(self.live, self.cursor.take()).await?;
            self.cursor = Some(cursor);
            if picture.is_some() {
                return picture;
            }
        }
    }
}

/// What has changed since the cursor, or everything, and where that leads; none when the server
/// stops.
async fn changes(live: &LiveMap, cursor: Option<Cursor>) -> Option<(Cursor, Option<Box<Picture>>)> {
    if let Some(cursor) = &cursor
        && live.revision().await.ok()? == cursor.revision
    {
        return Some((cursor.clone(), None));
    }
    let viewer = live.join(Encoding::Json).await.ok()?;
    let types = MessageTypes::NODE
        .or(MessageTypes::POSITION)
        .or(MessageTypes::STATUS)
        .or(MessageTypes::TELEMETRY);
    viewer.subscribe(Filter { types, ..Filter::default() }, cursor).await.ok()?;
    loop {
        let delivery = viewer.next().await?;
        if let Content::Picture(picture) = delivery.content {
            let epoch = live.epoch().to_string();
            return Some((Cursor { epoch, revision: delivery.revision }, Some(picture)));
        }
        viewer.delivered().await.ok()?;
    }
}

async fn write(
    io: &mut (impl AsyncWriteExt + Unpin),
    picture: &Picture,
    clock: &Clock,
) -> io::Result<()> {
    let mut text = String::new();
    for nodes in picture.all_nodes().chunks(NODES_PER_WRITE) {
        text.clear();
        for node in nodes {
            event::write(&mut text, node, clock.now(), STALE_AFTER);
        }
        send(io, &text).await?;
    }
    text.clear();
    for gone in &picture.removed {
        event::write_gone(&mut text, &gone.id, clock.now(), STALE_AFTER);
    }
    send(io, &text).await
}

async fn send(io: &mut (impl AsyncWriteExt + Unpin), text: &str) -> io::Result<()> {
    timeout(PATIENCE, io.write_all(text.as_bytes())).await?
}
