//! Who sees which changes: the rectangles of watchers, and the places of what changed, joined.
//!
//! There are three ways, which find the same. [`Way::Ask`] asks an R-tree of the rectangles at each
//! place. [`Way::Pack`] packs the places of the tick into a tree of their own, and asks that once
//! for each watcher. [`Way::Try`] tries everything, and is what the other two are measured by.

mod packed;
#[cfg(test)]
mod tests;
mod viewports;

pub use viewports::Viewports;

use super::{Area, Bounds, Place};

/// Changes from which on a tick is packed, if watchers are not too many for it. Tests have few, and
/// want both ways all the same.
const DENSE: usize = if cfg!(test) { 3 } else { 256 };

/// Watchers for each change up to which packing is cheaper than asking. The crossover that
/// `geocast bench spatial` finds, see decision 0020.
const WATCHERS_PER_CHANGE: usize = 10;

/// A rectangle of places, edges included, in units of 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    south: i32,
    north: i32,
    west: i32,
    east: i32,
}

impl Span {
    /// Holds no place; what is added to it is its edge.
    const NOWHERE: Self = Self { south: i32::MAX, north: i32::MIN, west: i32::MAX, east: i32::MIN };

    fn is_empty(self) -> bool {
        self.south > self.north || self.west > self.east
    }

    #[expect(clippy::needless_bitwise_bool, reason = "without jumps, many are tested at once")]
    fn holds(self, (latitude, longitude): (i32, i32)) -> bool {
        (self.south <= latitude)
            & (latitude <= self.north)
            & (self.west <= longitude)
            & (longitude <= self.east)
    }

    fn add(&mut self, (latitude, longitude): (i32, i32)) {
        self.south = self.south.min(latitude);
        self.north = self.north.max(latitude);
        self.west = self.west.min(longitude);
        self.east = self.east.max(longitude);
    }
}

impl Bounds {
    /// The places in the rectangle; two spans where it crosses the antimeridian, none where it
    /// lies between two units.
    fn spans(&self) -> impl Iterator<Item = Span> + use<> {
        let (south, north) = self.latitudes_e7();
        let (span, beyond) = self.longitudes_e7();
        let spans = std::iter::once(span).chain(beyond);
        spans
            .map(move |(west, east)| Span { south, north, west, east })
            .filter(|span| !span.is_empty())
    }
}

impl Area {
    /// The places in the area. The spans may overlap.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.rectangles().iter().flat_map(Bounds::spans)
    }
}

/// Where a node was at the tick before, and where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// None if it was not there, or had no place.
    pub before: Option<Place>,
    /// None if it is gone, or has no place.
    pub after: Option<Place>,
}

/// A watcher and a change that it sees. Each pair is found once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// As it was inserted.
    pub watcher: u32,
    /// The index of the motion.
    pub change: u32,
    /// In which of its states the watcher sees it: in one at least.
    pub states: States,
}

/// The states of a change that lie in an area: a set of before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct States(u8);

impl States {
    fn of(before: bool, after: bool) -> Self {
        Self(u8::from(before) | u8::from(after) << 1)
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the node was in the area.
    pub const fn before(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it is in the area.
    pub const fn after(self) -> bool {
        self.0 & 2 != 0
    }
}

/// How to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Test every watcher with every change.
    Try,
    /// Ask the R-tree of the watchers at every place.
    Ask,
    /// Pack the places into a tree, and ask it for every watcher.
    Pack,
}

impl Way {
    /// The cheaper way for so many.
    pub const fn for_so_many(watchers: usize, changes: usize) -> Self {
        if changes >= DENSE && watchers <= changes.saturating_mul(WATCHERS_PER_CHANGE) {
            Self::Pack
        } else {
            Self::Ask
        }
    }
}

/// Whether two places are so near that the rectangle around both is asked for them together.
fn is_near(a: Place, b: Place) -> bool {
    /// Some 3 km: few nodes move farther in a tick, and few viewports are smaller.
    const NEAR: u32 = 1 << 18;
    a.latitude_e7().abs_diff(b.latitude_e7()) < NEAR
        && a.longitude_e7().abs_diff(b.longitude_e7()) < NEAR
}

/// States by number, kept from one use to the next and empty in between.
#[derive(Debug, Default)]
struct Marks {
    states: Vec<u8>,
    marked: Vec<u32>,
}

impl Marks {
    /// Room for numbers below `most`.
    fn make_room(&mut self, most: usize) {
        self.states.resize(most, 0);
    }

    fn add(&mut self, number: u32, states: States) {
        if states.is_empty() {
            return;
        }
        let held = &mut self.states[number as usize];
        if *held == 0 {
            self.marked.push(number);
        }
        *held |= states.0;
    }

    fn take(&mut self, mut each: impl FnMut(u32, States)) {
        for number in self.marked.drain(..) {
            each(number, States(std::mem::take(&mut self.states[number as usize])));
        }
    }
}
