//! What clients should hold.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LIFETIMES;
use crate::{
    domain::{Bounds, Filter, Groups, Node, NodeId, Patch, Tile, Timestamp},
    http::records::NodeRecord,
};

/// Everything that should be known, without any cleverness.
#[derive(Default)]
pub(super) struct Oracle(BTreeMap<NodeId, Node>);

impl Oracle {
    pub(super) fn hear(&mut self, patch: &Patch, now: Timestamp) {
        if !self.0.contains_key(&patch.node) && patch.heard.plus(LIFETIMES.forget_after) <= now {
            return;
        }
        let node = self.0.entry(patch.node.clone()).or_insert_with(|| Node::heard_first(patch));
        node.merge(patch);
    }

    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.0.retain(|_, node| node.status.last_heard.plus(LIFETIMES.forget_after) > now);
        for node in self.0.values_mut() {
            node.status.online = node.status.last_heard.plus(LIFETIMES.offline_after) > now;
        }
    }

    pub(super) fn shows(&self, filter: &Filter) -> BTreeMap<String, Value> {
        let wants_fields = filter.types.groups() != Groups::NONE;
        let seen = self.0.values().filter(|node| {
            let picked = filter.also_ids.contains(&node.id);
            wants_fields && (picked || filter.cells.is_none() && spans(filter, node))
        });
        seen.map(|node| {
            let text = serde_json::to_string(&NodeRecord::whole(node, filter.types)).unwrap();
            (node.id.to_string(), serde_json::from_str(&text).unwrap())
        })
        .collect()
    }

    /// The cells that a client with `filter` sees: how many nodes, and how many online.
    pub(super) fn counts(&self, filter: &Filter) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::new();
        let Some(zoom) = filter.cells else { return counts };
        for node in self.0.values() {
            let Some(position) = node.position.filter(|_| spans(filter, node)) else { continue };
            let tile = Tile::of(position.place, zoom).to_string();
            let count = counts.entry(tile).or_insert((0, 0));
            count.0 += 1;
            count.1 += u64::from(node.status.online);
        }
        counts
    }

    /// What a database holds of it, the longest silent first.
    pub(super) fn stored(&self) -> Vec<Node> {
        let mut nodes: Vec<_> = self.0.values().cloned().collect();
        nodes.sort_by_key(|node| node.status.last_heard);
        nodes
    }
}

/// Whether a node has one of the ids, if there are any, and lies in one of the rectangles.
fn spans(filter: &Filter, node: &Node) -> bool {
    let within = |bounds: &Bounds| {
        let Some(position) = node.position else { return false };
        let (latitude, longitude) = (position.place.latitude(), position.place.longitude());
        let [north, south, east, west] = bounds.edges();
        let crosses = west > east;
        let (after_west, before_east) = (west <= longitude, longitude <= east);
        let in_longitude =
            if crosses { after_west || before_east } else { after_west && before_east };
        south <= latitude && latitude <= north && in_longitude
    };
    filter.node_ids.as_ref().is_none_or(|ids| ids.contains(&node.id))
        && filter.bounds.as_ref().is_none_or(|area| area.rectangles().iter().any(within))
}
