//! Real and made-up movement, through the same decoders and world as in the running server.

use std::{
    collections::HashSet, error::Error, fs::File, io::BufReader, path::Path, time::Duration,
};

use geocast::{
    capture::mpk::Reader,
    demo::{model::Population, routes::Region, simulator::Simulator},
    domain::{Batch, Groups, Lifetimes, Timestamp, World},
    ingest::{ChannelKeys, Decode as _, Decoder},
};

const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(24),
    forget_after: Duration::from_hours(24),
    tombstones: Duration::from_hours(24),
};

/// A message as a gateway published it.
pub(crate) struct Publish {
    at: Timestamp,
    topic: String,
    payload: Vec<u8>,
}

/// The messages of a recording that was begun at `start`.
pub(crate) fn recorded(path: &Path, start: Timestamp) -> Result<Vec<Publish>, Box<dyn Error>> {
    let records = Reader::new(BufReader::new(File::open(path)?))?;
    let publish = |record: Result<geocast::capture::mpk::Record, _>| {
        let record = record?;
        Ok(Publish {
            at: start.plus(Duration::from_millis(record.t_ms.into())),
            topic: record.topic,
            payload: record.payload,
        })
    };
    records.map(publish).collect()
}

/// What the demo's mesh says in so many seconds, and what it said before.
pub(crate) fn simulated(
    nodes: usize,
    start: Timestamp,
    seconds: u64,
) -> Result<Vec<Publish>, Box<dyn Error>> {
    let mut simulator = Simulator::new(Population::new(&Region::rhine()?, nodes, 7), 7, start);
    let mut events = simulator.past();
    for millis in (0..seconds * 1000).step_by(100) {
        events.extend(simulator.next(start.plus(Duration::from_millis(millis))));
    }
    let said = |event| {
        let publications = simulator.publish(&event).into_iter();
        publications.map(move |publication| Publish {
            at: event.at,
            topic: publication.frame.topic,
            payload: publication.frame.payload,
        })
    };
    Ok(events.into_iter().flat_map(said).collect())
}

/// Ticks from `since` on that each end when `moved` nodes have stated another position than was
/// known before.
pub(crate) fn ticks(publishes: &[Publish], since: Timestamp, moved: usize) -> Vec<Batch> {
    let decoder = Decoder::new(ChannelKeys::new([]));
    let mut world = World::new(LIFETIMES);
    let mut known = HashSet::new();
    let mut batches = Vec::new();
    let mut moving = HashSet::new();
    for publish in publishes {
        let report = decoder.decode(&publish.topic, &publish.payload, publish.at);
        let Some(report) = report.ok().filter(|report| known.insert(report.packet.key.clone()))
        else {
            continue;
        };
        let time = |world: &World| world.get(&report.patch.node)?.position.map(|at| at.stamp.time);
        let before = time(&world);
        world.apply(&report.patch, publish.at);
        if before.is_some() && time(&world) != before {
            moving.insert(report.patch.node.clone());
        }
        if publish.at < since {
            moving.clear();
            world.seal();
        } else if moving.len() == moved {
            moving.clear();
            batches.extend(world.seal());
        }
    }
    batches.extend(world.seal());
    for batch in &mut batches {
        batch.changes.retain(|change| {
            let placed = [&change.before, &change.after].map(|node| node.as_deref());
            let placed = placed.map(|node| node.is_some_and(|node| node.position.is_some()));
            change.groups.intersects(Groups::POSITION) && placed == [true, true]
        });
    }
    batches.retain(|batch| !batch.changes.is_empty());
    batches
}
