//! What gateways publish: encrypted, several copies of each packet.

use std::{collections::HashSet, fs::File, io::BufReader, path::Path, time::Duration};

use crate::{
    capture::mpk::{Reader, Writer},
    demo::{model::Population, random::Random, routes::Region, simulator::Simulator},
    domain::{Report, Timestamp},
};

/// When the mesh speaks: the same for every run, as what it says depends on it.
const START: Timestamp = Timestamp::from_seconds(1_795_248_060);

/// How long ago it says that it began. All of it is past when it arrives, and recent: of nodes whose
/// clocks seem to be wrong, notes are made.
const AGO: Duration = Duration::from_hours(6);

/// What the draws are for.
const COPIES: u64 = 0x00c0_91e5;

/// A message as a gateway published it.
pub(super) struct Publish {
    /// Milliseconds since the first one.
    t_ms: u32,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// What is published.
pub(super) struct Traffic {
    /// When the first one arrives.
    began: Timestamp,
    pub(super) publishes: Vec<Publish>,
}

impl Traffic {
    /// What a recording holds.
    pub(super) fn recorded(path: &Path, now: Timestamp) -> anyhow::Result<Self> {
        let records = Reader::new(BufReader::new(File::open(path)?))?;
        let publishes = records.map(|record| {
            let record = record?;
            Ok(Publish { t_ms: record.t_ms, topic: record.topic, payload: record.payload })
        });
        Ok(Self { began: now, publishes: publishes.collect::<anyhow::Result<_>>()? })
    }

    /// When a message arrives that is handed over at the pace of the mesh.
    pub(super) fn arrival(&self, publish: &Publish) -> Timestamp {
        self.began.plus(Duration::from_millis(publish.t_ms.into()))
    }

    /// The first `count` messages that a mesh of so many nodes publishes. Its packets are heard by
    /// three gateways on average; of the further copies so many are left out that `copies` of each
    /// packet are kept on average.
    pub(super) fn simulated(
        (nodes, count, copies): (usize, usize, f64),
        seed: u64,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let population = Population::new(&Region::rhine()?, nodes, seed);
        let began = now.minus(AGO);
        let later = began.since(START);
        let mut simulator = Simulator::new(population, seed, START).dated_later(later);
        let mut random = Random::of(seed, COPIES);
        let mut publishes = Vec::with_capacity(count);
        for t_ms in (0..).step_by(100) {
            for event in simulator.next(START.plus(Duration::from_millis(t_ms.into()))) {
                for (nth, one) in simulator.publish(&event).into_iter().enumerate() {
                    if nth == 0 || random.chance((copies - 1.0) / 2.0) {
                        let (topic, payload) = (one.frame.topic, one.frame.payload);
                        publishes.push(Publish { t_ms, topic, payload });
                    }
                }
            }
            if publishes.len() >= count {
                break;
            }
        }
        publishes.truncate(count);
        Ok(Self { began, publishes })
    }

    /// Writes all of it to a file that can be replayed.
    pub(super) fn record(&self, path: &Path) -> anyhow::Result<()> {
        let mut writer = Writer::new(std::io::BufWriter::new(File::create(path)?))?;
        for publish in &self.publishes {
            writer.write(publish.t_ms, &publish.topic, &publish.payload)?;
        }
        Ok(writer.flush()?)
    }
}

/// How many packets these are copies of.
pub(super) fn packets(reports: &[Report]) -> usize {
    reports.iter().map(|report| &report.packet.key).collect::<HashSet<_>>().len()
}
