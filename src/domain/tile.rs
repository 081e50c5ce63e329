//! Map tiles: the cells that nodes are counted by.

use std::{f64::consts::PI, fmt};

use thiserror::Error;

use super::{Area, Place};

/// How often the world is halved: at zoom z a map is `2^z` tiles wide and high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zoom(u8);

/// A zoom that nothing is counted at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cells have a zoom from 0 to {}", Zoom::MAX)]
pub struct InvalidZoom;

impl Zoom {
    /// The finest: cells of 2.4 km at the equator. Whoever looks closer looks at nodes.
    pub const MAX: u32 = 14;

    /// Not below any zoom.
    pub(super) const LAST: Self = Self(u8::MAX);

    /// A zoom from 0 to [`Zoom::MAX`].
    pub fn new(zoom: u32) -> Result<Self, InvalidZoom> {
        u8::try_from(zoom).ok().filter(|_| zoom <= Self::MAX).map(Self).ok_or(InvalidZoom)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Tiles from edge to edge.
    fn width(self) -> f64 {
        f64::from(1_u32 << self.0)
    }
}

/// A map tile: Web Mercator, `x` to the east and `y` to the south, both from 0. What lies beyond
/// 85.05 degrees belongs to the first and the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// The zoom.
    pub zoom: Zoom,
    /// The column.
    pub x: u32,
    /// The row.
    pub y: u32,
}

/// How a tile lies to an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// No place is in both.
    Outside,
    /// Some places of the tile may be in the area.
    Partly,
    /// All of them are.
    Inside,
}

/// Wider than any error of rounding in the edges of tiles, in degrees.
const MARGIN: f64 = 1e-9;

impl Tile {
    /// The tile that holds `place`.
    pub fn of(place: Place, zoom: Zoom) -> Self {
        let width = zoom.width();
        let column = (place.longitude() + 180.0) / 360.0 * width;
        let row = (1.0 - place.latitude().to_radians().tan().asinh() / PI) / 2.0 * width;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the tiles there are"
        )]
        let tile = |at: f64| at.floor().clamp(0.0, width - 1.0) as u32;
        Self { zoom, x: tile(column), y: tile(row) }
    }

    /// Lower and upper corner (`[longitude, latitude]`) of a rectangle that holds every place of
    /// the tile, and by a hair more.
    pub fn corners(self) -> ([f64; 2], [f64; 2]) {
        let width = self.zoom.width();
        let longitude = |x: u32| f64::from(x) / width * 360.0 - 180.0;
        let latitude =
            |y: u32| (PI * (1.0 - 2.0 * f64::from(y) / width)).sinh().atan().to_degrees();
        let last = self.y + 1 == 1 << self.zoom.0;
        let north = if self.y == 0 { 90.0 } else { latitude(self.y) + MARGIN };
        let south = if last { -90.0 } else { latitude(self.y + 1) - MARGIN };
        ([longitude(self.x) - MARGIN, south], [longitude(self.x + 1) + MARGIN, north])
    }

    /// How it lies to `area`; in doubt, [`Overlap::Partly`].
    pub fn overlap(self, area: &Area) -> Overlap {
        let (lower, upper) = self.corners();
        let mut overlap = Overlap::Outside;
        for (from, to) in area.corners() {
            let within = |axis: usize, slack: f64| {
                from[axis] <= lower[axis] + slack && upper[axis] - slack <= to[axis]
            };
            // The tile's rectangle is wider than the tile, but places end at 180 degrees.
            let slack = if from[0] <= -180.0 || to[0] >= 180.0 { MARGIN } else { 0.0 };
            if within(0, slack) && within(1, 0.0) {
                return Overlap::Inside;
            }
            let meets = |axis: usize| from[axis] <= upper[axis] && lower[axis] <= to[axis];
            if meets(0) && meets(1) {
                overlap = Overlap::Partly;
            }
        }
        overlap
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.zoom.0, self.x, self.y)
    }
}

/// How many nodes are in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellCount {
    /// Where.
    pub tile: Tile,
    /// All of them; 0 for a cell that has become empty.
    pub total: u32,
    /// Those that are online.
    pub online: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Bounds;

    fn tile(latitude: f64, longitude: f64, zoom: u32) -> String {
        let place = Place::from_degrees(latitude, longitude).unwrap();
        Tile::of(place, Zoom::new(zoom).unwrap()).to_string()
    }

    #[test]
    fn tiles_are_those_of_web_maps() {
        assert_eq!(tile(0.0, 0.0, 0), "0/0/0");
        assert_eq!(tile(52.52, 13.405, 10), "10/550/335");
        assert_eq!(tile(-33.8688, 151.2093, 10), "10/942/614");
        assert_eq!(tile(90.0, 180.0, 4), "4/15/0");
        assert_eq!(tile(-90.0, -180.0, 4), "4/0/15");
        assert_eq!(Zoom::new(15), Err(InvalidZoom));
    }

    #[test]
    fn the_whole_earth_has_every_tile_inside() {
        let earth = Area::from(Bounds::new(90.0, -90.0, 180.0, -180.0).unwrap());
        for (x, y) in [(0, 0), (7, 7), (3, 4), (7, 0)] {
            let tile = Tile { zoom: Zoom::new(3).unwrap(), x, y };
            assert_eq!(tile.overlap(&earth), Overlap::Inside, "{tile}");
        }
    }

    prop_compose! {
        fn place()(latitude in -900_000_000..=900_000_000_i32, longitude in -1_800_000_000..=1_800_000_000_i32) -> Place {
            Place::from_e7(latitude, longitude).unwrap()
        }
    }

    proptest! {
        #[test]
        fn a_tile_lies_to_an_area_as_its_places_do(
            place in place(), a in place(), b in place(), zoom in 0..=14_u32
        ) {
            let tile = Tile::of(place, Zoom::new(zoom).unwrap());
            let (north, south) = (a.latitude().max(b.latitude()), a.latitude().min(b.latitude()));
            let area = Area::from(Bounds::new(north, south, a.longitude(), b.longitude()).unwrap());
            match tile.overlap(&area) {
                Overlap::Inside => prop_assert!(area.contains(place)),
                Overlap::Outside => prop_assert!(!area.contains(place)),
                Overlap::Partly => {}
            }
            let (lower, upper) = tile.corners();
            let at = place.point();
            prop_assert!((0..2).all(|axis| lower[axis] <= at[axis] && at[axis] <= upper[axis]));
        }
    }
}
