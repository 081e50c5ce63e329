//! What the targets share.

use geocast::domain::Filter;

/// Most nodes that one list of a filter may name, and most rectangles that it may have.
const MAX_NODE_IDS: usize = 1000;
const MAX_RECTANGLES: usize = 8;

/// Whether a filter is one that the map can serve: its few rectangles lie on Earth, its ids are
/// few and in order.
pub fn is_sound(filter: &Filter) -> bool {
    let on_earth =
        |[longitude, latitude]: [f64; 2]| longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
    let areas = filter.bounds.as_slice();
    let mut corners = areas.iter().flat_map(|area| area.corners());
    let ids = [filter.node_ids.as_deref().unwrap_or_default(), &filter.also_ids];
    areas.iter().all(|area| area.rectangles().len() <= MAX_RECTANGLES)
        && corners.all(|(lower, upper)| {
            on_earth(lower) && on_earth(upper) && lower[0] <= upper[0] && lower[1] <= upper[1]
        })
        && ids.iter().all(|ids| ids.len() <= MAX_NODE_IDS && ids.is_sorted_by(|a, b| a < b))
}
