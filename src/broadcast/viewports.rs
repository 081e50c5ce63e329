//! Who looks where: the subscriptions, found by place and by node.

use rstar::{
    RTree,
    primitives::{GeomWithData, Rectangle},
};
use rustc_hash::FxHashMap;

use super::ViewerId;
use crate::domain::{Filter, Node, NodeId};

type Viewport = GeomWithData<Rectangle<[f64; 2]>, ViewerId>;

/// An index of filters. Each stands in exactly one of the three parts.
#[derive(Debug, Default)]
pub(super) struct Viewports {
    /// Filters with bounds; two rectangles for one that crosses the antimeridian.
    places: RTree<Viewport>,
    /// Filters that name nodes.
    nodes: FxHashMap<NodeId, Vec<ViewerId>>,
    /// Filters with neither.
    everywhere: Vec<ViewerId>,
}

impl Viewports {
    pub(super) fn insert(&mut self, viewer: ViewerId, filter: &Filter) {
        if let Some(ids) = &filter.node_ids {
            for id in ids.iter() {
                self.nodes.entry(id.clone()).or_default().push(viewer);
            }
        } else if filter.bounds.is_some() {
            rectangles(viewer, filter).for_each(|viewport| self.places.insert(viewport));
        } else {
            self.everywhere.push(viewer);
        }
    }

    pub(super) fn remove(&mut self, viewer: ViewerId, filter: &Filter) {
        if let Some(ids) = &filter.node_ids {
            for id in ids.iter() {
                if let Some(viewers) = self.nodes.get_mut(id) {
                    viewers.retain(|other| *other != viewer);
                    if viewers.is_empty() {
                        self.nodes.remove(id);
                    }
                }
            }
        } else if filter.bounds.is_some() {
            rectangles(viewer, filter).for_each(|viewport| {
                self.places.remove(&viewport);
            });
        } else {
            self.everywhere.retain(|other| *other != viewer);
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
}

fn rectangles(viewer: ViewerId, filter: &Filter) -> impl Iterator<Item = Viewport> {
    let corners = filter.bounds.into_iter().flat_map(|bounds| bounds.corners());
    corners
        .map(move |(lower, upper)| GeomWithData::new(Rectangle::from_corners(lower, upper), viewer))
}
