//! Counts of nodes by map tile, for those who look at too many to see each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

use rstar::AABB;
use rustc_hash::FxHashMap;

use super::{Revision, World};
use crate::domain::{
    CellCount, Filter, Node, Overlap, Place, Tile, Timestamp, TouchedCell, Zoom, batch::Spot,
};

/// How often the revision is noted, to tell later which empty cells are old.
const MARK_EVERY: std::time::Duration = std::time::Duration::from_mins(1);

/// The nodes of the whole world by the tiles of one zoom.
#[derive(Debug)]
pub(super) struct Grid {
    zoom: Zoom,
    cells: FxHashMap<Tile, Cell>,
    /// The compacted log: every cell once, at the last time that a node in it moved, came, went, or
    /// turned online or offline.
    log: BTreeSet<(Revision, Tile)>,
    /// Cursors older than this are void: empty cells have been dropped since, or the grid is younger.
    horizon: Revision,
    /// Revisions and when they were current, the oldest first.
    marks: VecDeque<(Timestamp, Revision)>,
    /// When somebody last looked at it.
    used: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    total: u32,
    online: u32,
    touched: Revision,
}

impl Grid {
    fn shift(&mut self, spot: Spot, by: i32, at: Revision) {
        let tile = Tile::of(spot.place, self.zoom);
        let empty = Cell { total: 0, online: 0, touched: at };
        let cell = self.cells.entry(tile).or_insert(empty);
        cell.total = cell.total.saturating_add_signed(by);
        if spot.online {
            cell.online = cell.online.saturating_add_signed(by);
        }
        self.log.remove(&(cell.touched, tile));
        cell.touched = at;
        self.log.insert((at, tile));
    }

    fn count(&self, tile: Tile) -> CellCount {
        let (total, online) =
            self.cells.get(&tile).map_or((0, 0), |cell| (cell.total, cell.online));
        CellCount { tile, total, online }
    }

    /// Cells that are remembered, empty ones included.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        assert_eq!(self.cells.len(), self.log.len());
        self.cells.len()
    }

    fn touched_since(&self, cursor: Revision) -> Vec<TouchedCell> {
        let newer = (Bound::Excluded((cursor, LAST_TILE)), Bound::Unbounded);
        let touched = self.log.range(newer);
        touched.map(|&(_, tile)| TouchedCell { tile, recounted: true }).collect()
    }

    /// Notes the revision, and drops the cells that have been empty since before `expired`.
    fn age(&mut self, revision: Revision, now: Timestamp, expired: Timestamp) {
        if self.marks.back().is_none_or(|(marked, _)| marked.plus(MARK_EVERY) <= now) {
            self.marks.push_back((now, revision));
        }
        while let Some(&(marked, revision)) = self.marks.front()
            && marked <= expired
        {
            self.marks.pop_front();
            self.horizon = revision;
            let cells = &mut self.cells;
            let old = self.log.range(..=(revision, LAST_TILE));
            let empty: Vec<_> = old
                .copied()
                .filter(|(_, tile)| cells.get(tile).is_none_or(|cell| cell.total == 0))
                .collect();
            for entry in empty {
                self.log.remove(&entry);
                cells.remove(&entry.1);
            }
        }
    }
}

/// Greater than every tile there is.
const LAST_TILE: Tile = Tile { zoom: Zoom::LAST, x: u32::MAX, y: u32::MAX };

impl World {
    /// Counts by the tiles of `zoom` from now on.
    pub fn count_cells(&mut self, zoom: Zoom, now: Timestamp) {
        if self.grids.contains_key(&zoom) {
            return;
        }
        let mut grid = Grid {
            zoom,
            cells: FxHashMap::default(),
            log: BTreeSet::new(),
            horizon: self.revision,
            marks: VecDeque::new(),
            used: now,
        };
        for spot in self.nodes.values().filter_map(|entry| Spot::of(&entry.node)) {
            grid.shift(spot, 1, self.revision);
        }
        self.grids.insert(zoom, grid);
    }

    /// Lets cells that were empty for long be forgotten, and grids that nobody has looked at.
    pub fn age_cells(&mut self, in_use: impl Fn(Zoom) -> bool, now: Timestamp) {
        let expired = now.minus(self.lifetimes.tombstones);
        let revision = self.revision;
        self.grids.retain(|zoom, grid| {
            if in_use(*zoom) {
                grid.used = now;
            }
            grid.age(revision, now, expired);
            grid.used > expired
        });
    }

    /// Every cell of the filter's zoom with a node in it that the filter spans, by tile.
    pub fn cell_counts(&self, filter: &Filter) -> Vec<CellCount> {
        let Some(grid) = filter.cells.and_then(|zoom| self.grids.get(&zoom)) else {
            return Vec::new();
        };
        let counts = if filter.node_ids.is_some() {
            self.count_named(filter, grid.zoom).into_values().collect()
        } else {
            let all = grid.cells.keys().map(|&tile| TouchedCell { tile, recounted: true });
            self.recount(filter, &all.collect::<Vec<_>>())
        };
        let mut counts: Vec<_> = counts.into_iter().filter(|count| count.total > 0).collect();
        counts.sort_unstable_by_key(|count| count.tile);
        counts
    }

    /// What a client with `filter` is told of cells that were touched: their counts now. Cells
    /// that lie outside its bounds are left out.
    pub fn recount(&self, filter: &Filter, touched: &[TouchedCell]) -> Vec<CellCount> {
        let Some(grid) = filter.cells.and_then(|zoom| self.grids.get(&zoom)) else {
            return Vec::new();
        };
        if filter.node_ids.is_some() {
            let counts = self.count_named(filter, grid.zoom);
            let none = |tile| CellCount { tile, total: 0, online: 0 };
            let count = |cell: &TouchedCell| counts.get(&cell.tile).copied();
            return touched.iter().map(|cell| count(cell).unwrap_or(none(cell.tile))).collect();
        }
        let counts = touched.iter().filter_map(|cell| {
            let overlap =
                filter.bounds.as_ref().map_or(Overlap::Inside, |area| cell.tile.overlap(area));
            match overlap {
                Overlap::Outside => None,
                Overlap::Inside => cell.recounted.then(|| grid.count(cell.tile)),
                Overlap::Partly => Some(self.count_within(filter, cell.tile)),
            }
        });
        counts.collect()
    }

    /// What a client at `cursor` misses of cells. None when only a fresh picture helps.
    pub(super) fn cells_missed(
        &self,
        held: &Filter,
        wanted: &Filter,
        cursor: Revision,
    ) -> Option<Vec<CellCount>> {
        let Some(zoom) = wanted.cells else { return Some(Vec::new()) };
        let grid = self.grids.get(&zoom).filter(|grid| cursor >= grid.horizon)?;
        let touched = grid.touched_since(cursor);
        let mut cells = self.recount(wanted, &touched);
        if held.bounds != wanted.bounds || held.node_ids != wanted.node_ids {
            let by_tile = |counts: Vec<CellCount>| -> BTreeMap<Tile, CellCount> {
                counts.into_iter().map(|count| (count.tile, count)).collect()
            };
            let before = by_tile(self.cell_counts(held));
            let after = by_tile(self.cell_counts(wanted));
            let mut all = by_tile(cells);
            let touched_before = by_tile(self.recount(held, &touched));
            for tile in before.keys().chain(after.keys()).chain(touched_before.keys()) {
                if before.get(tile) != after.get(tile) || touched_before.contains_key(tile) {
                    let empty = CellCount { tile: *tile, total: 0, online: 0 };
                    all.insert(*tile, after.get(tile).copied().unwrap_or(empty));
                }
            }
            cells = all.into_values().collect();
        }
        Some(cells)
    }

    /// Takes a node's change into every grid.
    pub(super) fn shift_cells(
        &mut self,
        before: Option<&Node>,
        after: Option<&Node>,
        at: Revision,
    ) {
        let (from, to) = (before.and_then(Spot::of), after.and_then(Spot::of));
        if from == to {
            return;
        }
        for grid in self.grids.values_mut() {
            if let Some(spot) = from {
                grid.shift(spot, -1, at);
            }
            if let Some(spot) = to {
                grid.shift(spot, 1, at);
            }
        }
    }

    /// Counts the nodes of `tile` that `filter` spans, one by one.
    fn count_within(&self, filter: &Filter, tile: Tile) -> CellCount {
        let (lower, upper) = tile.corners();
        let near = self.places.locate_in_envelope_intersecting(AABB::from_corners(lower, upper));
        let mut count = CellCount { tile, total: 0, online: 0 };
        for node in near.filter_map(|placed| self.get(&placed.data)) {
            let inside = |place: Place| Tile::of(place, tile.zoom) == tile;
            if filter.spans(node) && node.place().is_some_and(inside) {
                count.add(node);
            }
        }
        count
    }

    /// Counts the nodes that `filter` names and spans.
    fn count_named(&self, filter: &Filter, zoom: Zoom) -> BTreeMap<Tile, CellCount> {
        let mut counts = BTreeMap::new();
        let named = filter.node_ids.iter().flat_map(|ids| ids.iter());
        for node in named.filter_map(|id| self.get(id)).filter(|node| filter.spans(node)) {
            let Some(place) = node.place() else { continue };
            let tile = Tile::of(place, zoom);
            counts.entry(tile).or_insert(CellCount { tile, total: 0, online: 0 }).add(node);
        }
        counts
    }
}

impl CellCount {
    fn add(&mut self, node: &Node) {
        self.total += 1;
        self.online += u32::from(node.status.online);
    }
}
