//! A part of the map that somebody is shown, and nothing beside it.

use super::{Area, Filter, Node, NodeId, Place};

/// Where and which nodes: both must match, and what is not given matches all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Only nodes whose place lies within.
    pub bounds: Option<Area>,
    /// Only these nodes, in order.
    pub node_ids: Option<std::sync::Arc<[NodeId]>>,
}

impl View {
    /// A view of these places and these nodes.
    pub fn new(bounds: Option<Area>, node_ids: Option<Vec<NodeId>>) -> Self {
        let named = Filter::default().with_node_ids(node_ids.iter().flatten().cloned());
        Self { bounds, node_ids: node_ids.and(named.node_ids) }
    }

    /// Whether a node may be seen now.
    pub fn shows(&self, node: &Node) -> bool {
        self.names(&node.id)
            && self
                .bounds
                .as_ref()
                .is_none_or(|area| node.place().is_some_and(|place| area.contains(place)))
    }

    /// Whether it may be seen that a node was there.
    pub fn shows_at(&self, id: &NodeId, place: Place) -> bool {
        self.names(id) && self.bounds.as_ref().is_none_or(|area| area.contains(place))
    }

    /// Whether a node may be seen if it is in the right place.
    pub fn names(&self, id: &NodeId) -> bool {
        self.node_ids.as_ref().is_none_or(|ids| ids.binary_search(id).is_ok())
    }

    /// What of a filter lies within. Nodes that are wanted wherever they are may be elsewhere, links
    /// name the nodes at their other ends, and where nodes are named, counts by tile tell where
    /// others change: of these there are none.
    #[must_use]
    pub fn narrow(&self, filter: Filter) -> Filter {
        let bounds = match (filter.bounds, &self.bounds) {
            (Some(wanted), Some(shown)) => Some(wanted.intersection(shown)),
            (one, other) => one.or_else(|| other.clone()),
        };
        let node_ids = match (filter.node_ids, &self.node_ids) {
            (Some(wanted), Some(_)) => {
                Some(wanted.iter().filter(|id| self.names(id)).cloned().collect())
            }
            (one, other) => one.or_else(|| other.clone()),
        };
        let types = filter.types.without_links();
        let cells = filter.cells.filter(|_| node_ids.is_none());
        Filter { bounds, node_ids, also_ids: [].into(), types, cells, discreet: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Bounds;

    fn rectangles() -> impl Strategy<Value = Bounds> {
        let latitudes = (-90..=90_i32, -90..=90_i32);
        let longitudes = (-180..=180_i32, -180..=180_i32);
        (latitudes, longitudes).prop_map(|((a, b), (east, west))| {
            let [north, south, east, west] = [a.max(b), a.min(b), east, west].map(f64::from);
            Bounds::new(north, south, east, west).unwrap()
        })
    }

    fn areas() -> impl Strategy<Value = Area> {
        prop::collection::vec(rectangles(), 0..4).prop_map(Area::new)
    }

    proptest! {
        #[test]
        fn a_place_is_in_two_areas_when_it_is_in_what_they_share(
            one in areas(),
            other in areas(),
            (latitude, longitude) in (-90..=90_i32, -180..=180_i32),
        ) {
            let place = Place::from_degrees(latitude.into(), longitude.into()).unwrap();
            let both = one.contains(place) && other.contains(place);
            prop_assert_eq!(one.intersection(&other).contains(place), both);
        }
    }

    #[test]
    fn no_filter_widens_a_view() {
        let here = || Area::from(Bounds::new(11.0, 10.0, 11.0, 10.0).unwrap());
        let view = View::new(Some(here()), Some(vec![NodeId::Radio(2), NodeId::Radio(1)]));
        let everything = view.narrow(Filter::default());
        assert_eq!(everything.bounds, Some(here()));
        assert_eq!(everything.node_ids.as_deref(), Some(&[NodeId::Radio(1), NodeId::Radio(2)][..]));
        let elsewhere = Area::from(Bounds::new(21.0, 20.0, 21.0, 20.0).unwrap());
        let wide = Filter { bounds: Some(elsewhere), ..Filter::default() }
            .with_node_ids([NodeId::Radio(2), NodeId::Radio(3)])
            .with_also_ids([NodeId::Radio(3)]);
        let narrow = view.narrow(wide);
        assert_eq!(narrow.bounds, Some(Area::new([])));
        assert_eq!(narrow.node_ids.as_deref(), Some(&[NodeId::Radio(2)][..]));
        assert!(narrow.also_ids.is_empty());
    }
}
