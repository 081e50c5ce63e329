//! What gateways publish: encrypted, several copies of each packet.

use std::{
    collections::HashSet, error::Error, fs::File, io::BufReader, path::Path, time::Duration,
};

use geocast::{
    capture::mpk::Reader,
    demo::{model::Population, routes::Region, simulator::Simulator},
    domain::{Report, Timestamp},
};

/// When the made-up mesh speaks.
const START: Timestamp = Timestamp::from_seconds(1_795_248_060);

/// A message as a gateway published it.
pub(crate) struct Publish {
    /// Milliseconds since the first one.
    pub(crate) t_ms: u32,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

impl Publish {
    pub(crate) fn arrived(&self) -> Timestamp {
        START.plus(Duration::from_millis(self.t_ms.into()))
    }
}

pub(crate) fn recorded(path: &Path) -> Result<Vec<Publish>, Box<dyn Error>> {
    let records = Reader::new(BufReader::new(File::open(path)?))?;
    let publish = |record: Result<geocast::capture::mpk::Record, _>| {
        let record = record?;
        Ok(Publish { t_ms: record.t_ms, topic: record.topic, payload: record.payload })
    };
    records.map(publish).collect()
}

/// The first `count` messages that a mesh of so many nodes publishes.
pub(crate) fn simulated(nodes: usize, count: usize) -> Result<Vec<Publish>, Box<dyn Error>> {
    let mut simulator = Simulator::new(Population::new(&Region::rhine()?, nodes, 7), 7, START);
    let mut publishes = Vec::with_capacity(count);
    for t_ms in (0..).step_by(100) {
        for event in simulator.next(START.plus(Duration::from_millis(t_ms.into()))) {
            publishes.extend(simulator.publish(&event).into_iter().map(|one| Publish {
                t_ms,
                topic: one.frame.topic,
                payload: one.frame.payload,
            }));
        }
        if publishes.len() >= count {
            break;
        }
    }
    publishes.truncate(count);
    Ok(publishes)
}

/// How many packets these are copies of.
pub(crate) fn packets(reports: &[Report]) -> usize {
    reports.iter().map(|report| &report.packet.key).collect::<HashSet<_>>().len()
}
