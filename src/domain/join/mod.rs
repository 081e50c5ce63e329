//! Who sees which changes: the rectangles of watchers, and the places of what changed, joined.
//!
//! There are three ways, which find the same. [`Way::Ask`] asks an R-tree of the rectangles at each
//! place. [`Way::Pack`] packs the places of the tick into a tree of their own, and asks that once
//! for each watcher. [`Way::Try`] tries everything, and is what the other two are measured by.

mod packed;
mod viewports;

pub use viewports::Viewports;

use super::{Area, Bounds, Place};

/// Changes from which on a tick is packed, if watchers are not too many for it. Tests have few, and
/// want both ways all the same.
const DENSE: usize = if cfg!(test) { 3 } else { 1000 };

/// Watchers for each change up to which packing is cheaper than asking. The crossover that
/// `geocast bench spatial` looks for, see decision 0020.
const WATCHERS_PER_CHANGE: usize = 5;

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
    pub const NOWHERE: Self =
        Self { south: i32::MAX, north: i32::MIN, west: i32::MAX, east: i32::MIN };

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

    /// Whether they have a place in common.
    pub fn meets(self, other: Self) -> bool {
        self.south <= other.north
            && other.south <= self.north
            && self.west <= other.east
            && other.west <= self.east
    }

    /// Whether every place in it lies in the other one.
    pub fn is_within(self, other: Self) -> bool {
        other.south <= self.south
            && self.north <= other.north
            && other.west <= self.west
            && self.east <= other.east
    }

    /// Around both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            south: self.south.min(other.south),
            north: self.north.max(other.north),
            west: self.west.min(other.west),
            east: self.east.max(other.east),
        }
    }

    /// Whether it may be smaller without this place.
    pub fn ends_at(self, place: Place) -> bool {
        let (latitude, longitude) = (place.latitude_e7(), place.longitude_e7());
        latitude == self.south
            || latitude == self.north
            || longitude == self.west
            || longitude == self.east
    }

    /// Makes it as large as it has to be to hold this place, too.
    pub fn take_in(&mut self, place: Option<Place>) {
        if let Some(place) = place {
            self.add((place.latitude_e7(), place.longitude_e7()));
        }
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use proptest::{option::of, prelude::*};

    use super::*;
    use crate::domain::{
        Change, Filter, Groups, Network, Node, NodeId, Patch, Position, Stamp, Timestamp,
    };

    /// Coordinates on edges, beside them, and at the ends of the Earth; few, so that they meet.
    const LATITUDES: [i32; 9] =
        [-900_000_000, -899_999_999, -1, 0, 1, 455_000_000, 455_000_001, 899_999_999, 900_000_000];
    const LONGITUDES: [i32; 10] = [
        -1_800_000_000,
        -1_799_999_999,
        -1,
        0,
        1,
        100_000_000,
        100_000_001,
        1_795_000_000,
        1_799_999_999,
        1_800_000_000,
    ];

    fn place() -> impl Strategy<Value = Place> {
        let edge = (prop::sample::select(&LATITUDES[..]), prop::sample::select(&LONGITUDES[..]));
        let any = (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000);
        let at = prop_oneof![3 => edge, 1 => any];
        at.prop_map(|(latitude, longitude)| Place::from_e7(latitude, longitude).unwrap())
    }

    /// Rectangles with edges on places and between them, some of no size.
    fn bounds() -> impl Strategy<Value = Bounds> {
        let slack = || prop::sample::select(&[0.0, 0.0, 0.4e-7, -0.4e-7][..]);
        (place(), place(), slack(), slack()).prop_map(|(a, b, higher, wider)| {
            let (south, north) = (a.latitude().min(b.latitude()), a.latitude().max(b.latitude()));
            let north = (north + higher).clamp(south, 90.0);
            let east = (b.longitude() + wider).clamp(-180.0, 180.0);
            Bounds::new(north, south, east, a.longitude()).unwrap()
        })
    }

    fn area() -> impl Strategy<Value = Area> {
        let rectangles = prop_oneof![
            5 => prop::collection::vec(bounds(), 1),
            2 => prop::collection::vec(bounds(), 0..4),
        ];
        rectangles.prop_map(Area::new)
    }

    fn motion() -> impl Strategy<Value = Motion> {
        prop_oneof![
            3 => (of(place()), of(place())).prop_map(|(before, after)| Motion { before, after }),
            2 => (place(), -2..=2_i32, -2..=2_i32).prop_map(|(place, north, east)| Motion {
                before: Some(place),
                after: Place::from_e7(place.latitude_e7() + north, place.longitude_e7() + east).ok(),
            }),
        ]
    }

    fn pairs(viewports: &mut Viewports, way: Way, motions: &[Motion]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        viewports.join_by(way, motions, |pair| pairs.push(pair));
        pairs.sort_unstable();
        pairs
    }

    fn node(place: Option<Place>) -> Arc<Node> {
        let mut patch =
            Patch::heard(NodeId::Radio(1), Network::Meshtastic, Timestamp::from_seconds(1));
        let mut node = Node::heard_first(&patch);
        patch.position = place.map(|place| Position {
            place,
            altitude_m: None,
            ground_speed_kmh: None,
            ground_track_deg: None,
            sats_in_view: None,
            precision_bits: None,
            stamp: Stamp::heard(Timestamp::from_seconds(1)),
        });
        node.merge(&patch);
        Arc::new(node)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn all_ways_find_what_the_filters_of_watchers_say(
            areas in prop::collection::vec(area(), 0..12),
            gone in prop::collection::vec(any::<bool>(), 12),
            motions in prop::collection::vec(motion(), 0..60),
        ) {
            let mut viewports = Viewports::default();
            // From the last to the first: numbers come in no order.
            for (watcher, area) in (0..12).zip(&areas).collect::<Vec<_>>().into_iter().rev() {
                viewports.insert(watcher, area);
            }
            let mut left: BTreeMap<u32, &Area> = (0..).zip(&areas).collect();
            for (watcher, _) in (0..).zip(&areas).filter(|(watcher, _)| gone[*watcher as usize]) {
                viewports.remove(watcher);
                left.remove(&watcher);
            }

            let mut expected = Vec::new();
            for (watcher, area) in left {
                let filter = Filter { bounds: Some(area.clone()), ..Filter::default() };
                for (change, motion) in (0..).zip(&motions) {
                    let held = |place: Option<Place>| place.is_some_and(|at| area.contains(at));
                    let states = States::of(held(motion.before), held(motion.after));
                    if !states.is_empty() {
                        expected.push(Pair { watcher, change, states });
                    }
                    let told = Change {
                        before: Some(node(motion.before)),
                        after: Some(node(motion.after)),
                        groups: Groups::POSITION,
                        renewed: false,
                    };
                    prop_assert_eq!(
                        told.seen_through(&filter),
                        told.seen_in(states.before(), states.after(), filter.types)
                    );
                }
            }
            for way in [Way::Try, Way::Ask, Way::Pack] {
                let found = pairs(&mut viewports, way, &motions);
                prop_assert!(found == expected, "{:?} found {:?}, not {:?}", way, found, expected);
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

        #[test]
        fn many_points_near_each_other_are_found_in_what_they_are_in(
            places in prop::collection::vec((-50..50_i32, -50..50_i32), 1..2_000),
            corners in prop::collection::vec((-60..60_i32, -60..60_i32, 0..80_i32, 0..80_i32), 1..20),
        ) {
            let at = |(latitude, longitude)| Place::from_e7(latitude, longitude).ok();
            let motions: Vec<_> = places
                .windows(2)
                .map(|pair| Motion { before: at(pair[0]), after: at(pair[1]) })
                .collect();
            let mut viewports = Viewports::default();
            for (watcher, (south, west, height, width)) in (0..).zip(corners) {
                let degrees = |units: i32| f64::from(units) / 1e7;
                let (north, east) = (degrees(south + height), degrees(west + width));
                let bounds = Bounds::new(north, degrees(south), east, degrees(west)).unwrap();
                viewports.insert(watcher, &bounds.into());
            }
            let tried = pairs(&mut viewports, Way::Try, &motions);
            prop_assert_eq!(&pairs(&mut viewports, Way::Ask, &motions), &tried);
            prop_assert_eq!(&pairs(&mut viewports, Way::Pack, &motions), &tried);
        }
    }

    #[test]
    fn sparse_ticks_ask_and_dense_ones_pack() {
        assert_eq!(Way::for_so_many(1, 1), Way::Ask);
        assert_eq!(Way::for_so_many(10, 10), Way::Pack);
        assert_eq!(Way::for_so_many(1_000_000, 10), Way::Ask);
    }
}
