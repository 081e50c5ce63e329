//! A bound on what one tile holds: where it would hold more, nodes close together are one feature.

use std::{collections::BTreeMap, sync::Arc};

use super::square::{BUFFER, EXTENT};
use crate::domain::Node;

/// Most nodes that a tile shows one by one.
pub(super) const MAX_FEATURES: usize = 5000;

/// Units from edge to edge of the cells in which nodes are close together: with the buffer, 66
/// cells from edge to edge of a tile.
const CELL: u32 = 64;

/// A node and where it is in a tile.
pub(super) type Located<'a> = ((i32, i32), &'a Arc<Node>);

/// Nodes at one point of a tile.
#[derive(Debug, PartialEq)]
pub(super) struct Spot<'a> {
    pub(super) point: (i32, i32),
    /// One, or several that are close together.
    pub(super) nodes: Vec<&'a Arc<Node>>,
}

/// One spot for each node, or for each cell if there are too many nodes; such a spot is in the
/// middle of its nodes.
pub(super) fn spots(located: Vec<Located<'_>>) -> Vec<Spot<'_>> {
    if located.len() <= MAX_FEATURES {
        let alone = |(point, node)| Spot { point, nodes: vec![node] };
        return located.into_iter().map(alone).collect();
    }
    let mut cells: BTreeMap<(u32, u32), Vec<Located<'_>>> = BTreeMap::new();
    for (point, node) in located {
        cells.entry((cell(point.1), cell(point.0))).or_default().push((point, node));
    }
    let spots = cells.into_values().map(|members| {
        let middle = |along: fn(&(i32, i32)) -> i32| {
            let sum: i64 = members.iter().map(|(point, _)| i64::from(along(point))).sum();
            let count = i64::try_from(members.len()).unwrap_or(i64::MAX).max(1);
            i32::try_from(sum.div_euclid(count)).unwrap_or_default()
        };
        let point = (middle(|point| point.0), middle(|point| point.1));
        Spot { point, nodes: members.into_iter().map(|(_, node)| node).collect() }
    });
    spots.collect()
}

/// The column or row of the cell that holds a unit.
fn cell(unit: i32) -> u32 {
    let from_edge = i64::from(unit) + i64::from(BUFFER);
    u32::try_from(from_edge).unwrap_or(0).min(EXTENT + 2 * BUFFER) / CELL
}
