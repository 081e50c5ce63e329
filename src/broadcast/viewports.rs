//! Who looks where: the subscriptions, found by place and by node.

use std::collections::{BTreeMap, BTreeSet};

use rstar::{
    RTree,
    primitives::{GeomWithData, Rectangle},
};
use rustc_hash::FxHashMap;

use super::ViewerId;
use crate::domain::{Area, Filter, Node, NodeId, Zoom};

type Viewport = GeomWithData<Rectangle<[f64; 2]>, ViewerId>;

/// An index of filters. Each stands in exactly one of `places`, `nodes`, `cells` and `everywhere`,
/// and in `nodes` also for the nodes that it picks besides.
#[derive(Debug, Default)]
pub(super) struct Viewports {
    /// Filters with bounds; two rectangles for one that crosses the antimeridian.
    places: RTree<Viewport>,
    /// Filters that name nodes.
    nodes: FxHashMap<NodeId, BTreeSet<ViewerId>>,
    /// Filters that ask for counts by tile.
    cells: BTreeMap<Zoom, BTreeSet<ViewerId>>,
    /// Filters with none of these.
    everywhere: BTreeSet<ViewerId>,
}

impl Viewports {
    pub(super) fn insert(&mut self, viewer: ViewerId, filter: &Filter) {
        for id in named(filter) {
            self.nodes.entry(id.clone()).or_default().insert(viewer);
        }
        if let Some(zoom) = filter.cells {
            self.cells.entry(zoom).or_default().insert(viewer);
        } else if filter.bounds.is_some() && filter.node_ids.is_none() {
            rectangles(viewer, filter).for_each(|viewport| self.places.insert(viewport));
        } else if filter.node_ids.is_none() {
            self.everywhere.insert(viewer);
        }
    }

    pub(super) fn remove(&mut self, viewer: ViewerId, filter: &Filter) {
        for id in named(filter) {
            if let Some(viewers) = self.nodes.get_mut(id) {
                viewers.remove(&viewer);
                if viewers.is_empty() {
                    self.nodes.remove(id);
                }
            }
        }
        if let Some(zoom) = filter.cells {
            if let Some(viewers) = self.cells.get_mut(&zoom) {
                viewers.remove(&viewer);
                if viewers.is_empty() {
                    self.cells.remove(&zoom);
                }
            }
        } else if filter.bounds.is_some() && filter.node_ids.is_none() {
            rectangles(viewer, filter).for_each(|viewport| {
                self.places.remove(&viewport);
            });
        } else if filter.node_ids.is_none() {
            self.everywhere.remove(&viewer);
        }
    }

    /// Calls `visit` for everybody who may see the node `id` in any of `states`, some of them twice.
    pub(super) fn for_each_watcher<'a>(
        &self,
        id: &NodeId,
        states: impl Iterator<Item = &'a Node>,
        mut visit: impl FnMut(ViewerId),
    ) {
        self.everywhere.iter().copied().for_each(&mut visit);
        self.nodes.get(id).into_iter().flatten().copied().for_each(&mut visit);
        let mut asked = None;
        for position in states.filter_map(|node| node.position) {
            // A node at rest is asked for once.
            if asked != Some(position.place) {
                asked = Some(position.place);
                let viewports = self.places.locate_all_at_point(position.place.point());
                viewports.map(|viewport| viewport.data).for_each(&mut visit);
            }
        }
    }

    /// Everybody who asks for counts, by zoom.
    pub(super) fn counting(&self) -> impl Iterator<Item = (Zoom, &BTreeSet<ViewerId>)> {
        self.cells.iter().map(|(zoom, viewers)| (*zoom, viewers))
    }

    /// Whether somebody asks for counts at this zoom.
    pub(super) fn counts_at(&self, zoom: Zoom) -> bool {
        self.cells.contains_key(&zoom)
    }
}

/// The nodes that a filter names. One that counts what it names is told of it by tile, and
/// listens to no node but those that it picks.
fn named(filter: &Filter) -> impl Iterator<Item = &NodeId> {
    let own = filter.node_ids.iter().filter(|_| filter.cells.is_none());
    own.flat_map(|ids| ids.iter()).chain(filter.also_ids.iter())
}

fn rectangles(viewer: ViewerId, filter: &Filter) -> impl Iterator<Item = Viewport> + '_ {
    let corners = filter.bounds.iter().flat_map(Area::corners);
    corners
        .map(move |(lower, upper)| GeomWithData::new(Rectangle::from_corners(lower, upper), viewer))
}
