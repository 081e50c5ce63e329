//! The publisher: MQTT 3.1.1 with QoS 1, each message when it is due and whether or not the one
//! before has been acknowledged.
//!
//! It writes packets that were encoded before the start. A client library would cost more for each
//! than what is to be measured.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::answer;
use crate::{
    bench::{
        histogram::Histogram,
        mesh::{Mesh, Timetable},
        usage::now_ns,
    },
    demo::packets::Frame,
};

/// Connections to the broker. One that acknowledges after each commit shares the commits.
const CONNECTIONS: usize = 8;

/// Messages of one connection that are sent and not acknowledged. When there are so many, it
/// waits, and falls behind: MQTT has 65,535 numbers for them.
const UNANSWERED: u64 = 8000;

/// How long nothing may be acknowledged.
const PATIENCE: Duration = Duration::from_mins(1);

/// The least that is slept: what falls due meanwhile goes out together.
const NAP: Duration = Duration::from_micros(100);

/// What to publish, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PublisherJob {
    pub(crate) broker: SocketAddr,
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
    /// Whether the nodes are new and have to say first who and where they are.
    pub(crate) introduces: bool,
    /// Updates a second.
    pub(crate) rate: u32,
    /// How many in all.
    pub(crate) updates: u64,
    /// When the first will be published, roughly: in seconds since 1970.
    pub(crate) start: u32,
}

/// What was published.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) updates: u64,
    /// How much later than due each was handed to the system.
    pub(crate) late: Histogram,
}

pub(super) fn run(job: &PublisherJob, mut orders: mpsc::Receiver<String>) -> anyhow::Result<()> {
    let mesh = Mesh::new(job.nodes, job.seed);
    let mut links = (0..CONNECTIONS)
        .map(|number| Link::connect(job.broker, &format!("geocast-bench-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    let early = job.start.saturating_sub(60);
    let introduced = if job.introduces { mesh.len() } else { 0 };
    for node in 0..introduced {
        let link = &mut links[node % CONNECTIONS];
        for frame in mesh.introduction(node, early) {
            link.push(&encoded(&frame)?)?;
        }
        link.push(&encoded(&mesh.position(node, 0, early))?)?;
        link.write_if_full()?;
    }
    finish(&mut links)?;

    // Before the start, so that at the start there is nothing to do but to write.
    let timetable = Timetable { start_ns: 0, rate: job.rate, nodes: job.nodes };
    let packets = (0..job.updates).map(|update| {
        let (node, spoken) = timetable.update(update);
        let rx_time = job.start + (update / u64::from(job.rate)) as u32;
        encoded(&mesh.position(node, spoken, rx_time))
    });
    let packets = packets.collect::<Result<Vec<_>, _>>()?;
    answer(&Published::default())?;

    let Some(start) = orders.blocking_recv() else { return Ok(()) };
    let timetable = Timetable { start_ns: serde_json::from_str(&start)?, ..timetable };
    let mut published = Published::default();
    while published.updates < job.updates {
        let now = now_ns();
        let due = timetable.due_by(now).min(job.updates);
        while published.updates < due {
            let node = timetable.update(published.updates).0;
            links[node % CONNECTIONS].push(&packets[published.updates as usize])?;
            let late_ns = now.saturating_sub(timetable.due_ns(published.updates));
            published.late.record(late_ns / 1000);
            published.updates += 1;
        }
        links.iter_mut().try_for_each(Link::write)?;
        let next = timetable.due_ns(published.updates).saturating_sub(now_ns());
        thread::sleep(Duration::from_nanos(next).max(NAP));
    }
    finish(&mut links)?;
    answer(&published)
}

/// Writes what is left, and waits until the broker has all of it.
fn finish(links: &mut [Link]) -> anyhow::Result<()> {
    links.iter_mut().try_for_each(Link::write)?;
    links.iter().try_for_each(|link| link.wait_for_all_but(0))
}

/// A PUBLISH packet with QoS 1, its number not set yet.
struct Packet {
    bytes: Vec<u8>,
    number_at: usize,
}

fn encoded(frame: &Frame) -> anyhow::Result<Packet> {
    let topic = frame.topic.as_bytes();
    let mut bytes = vec![0x32];
    let mut left = 2 + topic.len() + 2 + frame.payload.len();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes.extend(u16::try_from(topic.len())?.to_be_bytes());
    bytes.extend(topic);
    let number_at = bytes.len();
    bytes.extend([0, 0]);
    bytes.extend(&frame.payload);
    Ok(Packet { bytes, number_at })
}

/// One connection to the broker.
struct Link {
    stream: TcpStream,
    waiting: Vec<u8>,
    /// Packets pushed so far.
    pushed: u64,
    acknowledged: Arc<AtomicU64>,
    is_closed: Arc<AtomicBool>,
}

impl Link {
    fn connect(broker: SocketAddr, id: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(broker).context("no broker")?;
        stream.set_nodelay(true)?;
        let mut connect = vec![0x10, (12 + id.len()) as u8];
        // Protocol level 4, a clean session, no keep alive.
        connect.extend(b"\x00\x04MQTT\x04\x02\x00\x00");
        connect.extend([0, id.len() as u8]);
        connect.extend(id.as_bytes());
        stream.write_all(&connect)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        ensure!(answer == [0x20, 2, 0, 0], "the broker refuses: {answer:?}");
        let acknowledged = Arc::<AtomicU64>::default();
        let is_closed = Arc::<AtomicBool>::default();
        let (reader, count, ended) =
            (stream.try_clone()?, Arc::clone(&acknowledged), Arc::clone(&is_closed));
        // Ends with the connection, which ends with the process.
        thread::spawn(move || {
            count_acknowledgements(reader, &count);
            ended.store(true, Ordering::Relaxed);
        });
        Ok(Self { stream, waiting: Vec::new(), pushed: 0, acknowledged, is_closed })
    }

    /// Puts a packet last; waits while too many are not acknowledged.
    fn push(&mut self, packet: &Packet) -> anyhow::Result<()> {
        if self.pushed - self.acknowledged.load(Ordering::Relaxed) >= UNANSWERED {
            self.write()?;
            self.wait_for_all_but(UNANSWERED / 2)?;
        }
        let at = self.waiting.len() + packet.number_at;
        self.waiting.extend(&packet.bytes);
        // From 1 on: 0 is no number.
        let number = (self.pushed % 65_535) as u16 + 1;
        self.waiting[at..at + 2].copy_from_slice(&number.to_be_bytes());
        self.pushed += 1;
        Ok(())
    }

    fn write_if_full(&mut self) -> anyhow::Result<()> {
        if self.waiting.len() > 16 << 10 { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        if !self.waiting.is_empty() {
            self.stream.write_all(&self.waiting).context("the broker hung up")?;
            self.waiting.clear();
        }
        Ok(())
    }

    fn wait_for_all_but(&self, left: u64) -> anyhow::Result<()> {
        let mut seen = (self.acknowledged.load(Ordering::Relaxed), now_ns());
        while self.pushed - seen.0 > left {
            thread::sleep(NAP);
            let acknowledged = self.acknowledged.load(Ordering::Relaxed);
            if acknowledged > seen.0 {
                seen = (acknowledged, now_ns());
            } else if self.is_closed.load(Ordering::Relaxed) {
                bail!("the broker hung up");
            } else if Duration::from_nanos(now_ns() - seen.1) > PATIENCE {
                bail!("the broker acknowledges nothing any more");
            }
        }
        Ok(())
    }
}

/// Counts PUBACKs, of four bytes each, until the connection ends.
fn count_acknowledgements(mut stream: TcpStream, count: &AtomicU64) {
    let mut buffer = [0; 4096];
    let mut bytes = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes += read as u64;
        count.store(bytes / 4, Ordering::Relaxed);
    }
}
