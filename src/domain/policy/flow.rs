//! How often a node may say where it is: what is too much is merged, and the newest is kept.

use std::{collections::BTreeSet, time::Duration};

use rustc_hash::FxHashMap;

use super::PositionRate;
use crate::domain::{NodeId, Report, Timestamp};

/// Nodes whose intervals are open. When there are more, the one that ends first ends at once.
const MOST_NODES: usize = 50_000;

/// What became of a position that was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Whether it is the first of its node in this interval: a flood begins.
    pub is_first: bool,
}

/// The intervals of all nodes.
#[derive(Debug, Default)]
pub struct Flow {
    open: FxHashMap<NodeId, Interval>,
    /// When each interval ends.
    ends: BTreeSet<(Timestamp, NodeId)>,
    /// Held no longer.
    due: Vec<Report>,
}

/// What a node said in an interval.
#[derive(Debug)]
struct Interval {
    ends: Timestamp,
    /// The packets that were let through. Their copies by other gateways are, too.
    passed: Vec<u64>,
    held: Option<Box<Report>>,
}

impl Flow {
    /// Lets a report through at `now`, or holds it until the interval of its node is over. Only
    /// those with a position count.
    pub fn pass(
        &mut self,
        report: Box<Report>,
        rate: PositionRate,
        now: Timestamp,
    ) -> Result<Box<Report>, Merged> {
        let Some(position) = &report.patch.position else { return Ok(report) };
        self.end_until(now);
        let (node, id) = (&report.patch.node, report.packet.key.id);
        if !self.open.contains_key(node) {
            self.begin(node.clone(), now.plus(rate.interval));
        }
        let Some(interval) = self.open.get_mut(node) else { return Ok(report) };
        if interval.passed.contains(&id) {
            return Ok(report);
        }
        if interval.passed.len() < usize::from(rate.positions) {
            interval.passed.push(id);
            return Ok(report);
        }
        let is_first = interval.held.is_none();
        let held = interval.held.as_ref().and_then(|held| held.patch.position);
        if held.is_none_or(|held| position.stamp.supersedes(&held.stamp)) {
            interval.held = Some(report);
        }
        Err(Merged { is_first })
    }

    /// What was held of intervals that are over at `now`.
    pub fn release(&mut self, now: Timestamp) -> Vec<Report> {
        self.end_until(now);
        std::mem::take(&mut self.due)
    }

    /// Everything that is held.
    pub fn release_all(&mut self) -> Vec<Report> {
        self.release(Timestamp::from_millis(i64::MAX))
    }

    /// Holds nothing of this node any more.
    pub fn forget(&mut self, node: &NodeId) {
        if let Some(interval) = self.open.remove(node) {
            self.ends.remove(&(interval.ends, node.clone()));
        }
        self.due.retain(|report| report.patch.node != *node);
    }

    fn begin(&mut self, node: NodeId, ends: Timestamp) {
        if self.open.len() >= MOST_NODES
            && let Some((first, _)) = self.ends.first()
        {
            self.end_until(*first);
        }
        self.ends.insert((ends, node.clone()));
        self.open.insert(node, Interval { ends, passed: Vec::new(), held: None });
    }

    fn end_until(&mut self, now: Timestamp) {
        while let Some((ends, _)) = self.ends.first()
            && *ends <= now
            && let Some((_, node)) = self.ends.pop_first()
        {
            let interval = self.open.remove(&node);
            self.due.extend(interval.and_then(|interval| interval.held).map(|held| *held));
        }
    }
}

impl PositionRate {
    /// So many positions in this time.
    pub const fn new(positions: u16, interval: Duration) -> Self {
        Self { positions, interval }
    }
}
