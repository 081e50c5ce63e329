//! One client: it counts, or, if it is of the sample, reads everything.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use anyhow::bail;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use super::{
    clients::ClientsJob,
    frames::{Came, Rest, masked},
    socket::{open, send, subscribe},
    tally::{Glance, Tally},
    truth::place_of,
};
use crate::{
    bench::{
        histogram::Histogram,
        mesh::{Mesh, Timetable, View},
        usage::now_ns,
    },
    broadcast::Encoding,
    http::reader::Reader,
};

/// What all clients share.
pub(super) struct Common {
    pub(super) job: ClientsJob,
    pub(super) mesh: Mesh,
    pub(super) encoding: Encoding,
    pub(super) buffer: RefCell<Vec<u8>>,
    pub(super) tally: RefCell<Tally>,
    /// Which updates are timed, and between which moments they are due.
    pub(super) expected: Cell<Option<(Timetable, u64, u64)>>,
    /// From the first step of each client to its whole picture.
    pub(super) pictures: RefCell<Histogram>,
    pub(super) complete: watch::Sender<usize>,
}

/// A client of the sample.
pub(super) struct Witness {
    pub(super) reader: Reader,
    /// That of its last picture.
    pub(super) epoch: String,
    /// Whether that was a whole one.
    pub(super) is_full: bool,
    /// The last update that was timed of each node.
    pub(super) timed: HashMap<usize, u64>,
    pub(super) broken: Option<String>,
}

impl Witness {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            reader: Reader::new(encoding),
            epoch: String::new(),
            is_full: false,
            timed: HashMap::new(),
            broken: None,
        }
    }

    /// Where it left off, if it has been here before.
    fn cursor(&self) -> Option<(String, u64)> {
        Some((self.epoch.clone(), self.reader.revision()?))
    }
}

/// One client.
pub(super) struct Client {
    pub(super) common: Rc<Common>,
    pub(super) view: View,
    pub(super) witness: Option<Rc<RefCell<Witness>>>,
    pub(super) rest: Rest,
    /// From its first step until its picture is whole: when that was, and its turn to connect.
    pub(super) picture: Option<(u64, OwnedSemaphorePermit)>,
    pub(super) pongs: Vec<u8>,
}

impl Client {
    pub(super) async fn live(mut self, at_once: Arc<Semaphore>) {
        let Err(error) = self.watch(at_once).await;
        let common = Rc::clone(&self.common);
        let first = common.tally.borrow().lost == 0;
        common.tally.borrow_mut().lost += 1;
        if first {
            tracing::warn!("a client was lost: {error:#}");
        }
    }

    async fn watch(&mut self, at_once: Arc<Semaphore>) -> anyhow::Result<std::convert::Infallible> {
        let turn = at_once.acquire_owned().await?;
        self.picture = Some((now_ns(), turn));
        let common = Rc::clone(&self.common);
        let (stream, bytes) = open(&common.job.door, common.job.encoding).await?;
        let cursor = self.witness.as_ref().and_then(|witness| witness.borrow().cursor());
        let resume = cursor.as_ref().map(|(epoch, revision)| (epoch.as_str(), *revision));
        subscribe(&stream, &self.view, &common.job.types, resume).await?;
        self.take(&bytes)?;
        loop {
            self.read(&stream).await?;
            if !self.pongs.is_empty() {
                send(&stream, &std::mem::take(&mut self.pongs)).await?;
            }
        }
    }

    async fn read(&mut self, stream: &TcpStream) -> anyhow::Result<()> {
        stream.readable().await?;
        let common = Rc::clone(&self.common);
        let mut buffer = common.buffer.borrow_mut();
        match stream.try_read(&mut buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(read) => self.take(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let Self { common, witness, rest, picture, pongs, .. } = self;
        rest.take(bytes, |came| {
            match came {
                Came::Message(message) => {
                    let now_ns = now_ns();
                    let glance = Glance::at(common.encoding, message);
                    let mut tally = common.tally.borrow_mut();
                    tally.last_frame_ns = now_ns;
                    tally.count(message, &glance);
                    drop(tally);
                    if let Some(witness) = witness {
                        common.hear(&mut witness.borrow_mut(), message, now_ns);
                    }
                    if glance == (Glance::Snapshot { more: false })
                        && let Some((began_ns, _turn)) = picture.take()
                    {
                        common.pictures.borrow_mut().record((now_ns - began_ns) / 1000);
                        common.complete.send_modify(|complete| *complete += 1);
                    }
                }
                Came::Ping(content) => {
                    common.tally.borrow_mut().pings += 1;
                    pongs.extend(masked(0xa, content));
                }
                Came::Pong => {}
                Came::Close(code) => bail!("the server hung up with code {code}"),
            }
            Ok(())
        })
    }
}

impl Common {
    /// Forgets the pictures of before. Answers the time, and how many bytes there were before it.
    pub(super) fn begin(&self) -> (u64, u64) {
        self.complete.send_replace(0);
        *self.pictures.borrow_mut() = Histogram::default();
        (now_ns(), self.tally.borrow().bytes)
    }

    /// A client of the sample hears a message.
    fn hear(&self, witness: &mut Witness, message: &[u8], now_ns: u64) {
        let heard = match witness.reader.read(message) {
            Ok(heard) => heard,
            Err(broken) => {
                witness.broken.get_or_insert_with(|| broken.to_string());
                return;
            }
        };
        if heard["type"] == "snapshot" {
            heard["epoch"].as_str().unwrap_or_default().clone_into(&mut witness.epoch);
            witness.is_full = heard["full"] == true;
        }
        let Some((timetable, from_ns, to_ns)) = self.expected.get() else { return };
        let (records, position): (_, fn(&Value) -> &Value) = match heard["type"].as_str() {
            Some("position_update") => (&heard["positions"], |record| record),
            Some("node_enter") => (&heard["nodes"], |record| &record["position"]),
            _ => return,
        };
        for record in records.as_array().into_iter().flatten() {
            let Some(node) = record["id"].as_str().and_then(|id| self.node(id)) else { continue };
            let Some(place) = place_of(position(record)) else { continue };
            let Some(update) = timetable.update_at(node, place, now_ns) else { continue };
            // One that comes again, as when the node leaves and enters, is late for no reason.
            if witness.timed.insert(node, update) != Some(update) {
                let due_ns = timetable.due_ns(update);
                if (from_ns..to_ns).contains(&due_ns) {
                    let late_ns = now_ns.saturating_sub(due_ns);
                    self.tally.borrow_mut().latency.record(late_ns / 1000);
                }
            }
        }
    }

    fn node(&self, id: &str) -> Option<usize> {
        let number = u32::from_str_radix(id.strip_prefix('!')?, 16).ok()?;
        self.mesh.node(number)
    }
}
