//! Places and rectangles on Earth. What is built here is valid, so nobody checks again.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use thiserror::Error;

/// A place that is not on Earth: beyond a pole, beyond 180 degrees, or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a place on Earth: latitude runs from -90 to 90, longitude from -180 to 180")]
pub struct OffTheGlobe;

/// Why four numbers make no rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBounds {
    /// A corner is not on Earth.
    #[error("bounds must lie within latitude -90..90 and longitude -180..180")]
    OffTheGlobe,
    /// `south` lies north of `north`.
    #[error("south must not be greater than north")]
    UpsideDown,
}

/// Units of a coordinate in one degree: 1e-7 degrees, about a centimetre, as Meshtastic has it.
pub(super) const UNITS_PER_DEGREE: f64 = 1e7;
const MAX_LATITUDE_E7: i32 = 900_000_000;
const MAX_LONGITUDE_E7: i32 = 1_800_000_000;

/// A place on Earth (WGS 84), exact to 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    latitude_e7: i32,
    longitude_e7: i32,
}

impl Place {
    /// A place in units of 1e-7 degrees.
    pub fn from_e7(latitude_e7: i32, longitude_e7: i32) -> Result<Self, OffTheGlobe> {
        let on_earth = (-MAX_LATITUDE_E7..=MAX_LATITUDE_E7).contains(&latitude_e7)
            && (-MAX_LONGITUDE_E7..=MAX_LONGITUDE_E7).contains(&longitude_e7);
        on_earth.then_some(Self { latitude_e7, longitude_e7 }).ok_or(OffTheGlobe)
    }

    /// A place in degrees, rounded to 1e-7 degrees.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Result<Self, OffTheGlobe> {
        if !(latitude.abs() <= 90.0 && longitude.abs() <= 180.0) {
            return Err(OffTheGlobe);
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above: at most 1.8e9 in size")]
        let units = |degrees: f64| (degrees * UNITS_PER_DEGREE).round() as i32;
        Self::from_e7(units(latitude), units(longitude))
    }

    /// Latitude in units of 1e-7 degrees.
    pub const fn latitude_e7(self) -> i32 {
        self.latitude_e7
    }

    /// Longitude in units of 1e-7 degrees.
    pub const fn longitude_e7(self) -> i32 {
        self.longitude_e7
    }

    /// How far along the Z-order curve it is, on which neighbours are mostly near each other.
    pub fn along_curve(self) -> u64 {
        along_curve((self.latitude_e7, self.longitude_e7))
    }

    /// Latitude in degrees.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude_e7) / UNITS_PER_DEGREE
    }

    /// Longitude in degrees.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude_e7) / UNITS_PER_DEGREE
    }

    /// `[longitude, latitude]`, the order of maps and of the R-trees.
    pub fn point(self) -> [f64; 2] {
        [self.longitude(), self.latitude()]
    }
}

/// How far along the Z-order curve these coordinates are: their binary digits by turns.
pub(super) fn along_curve((latitude, longitude): (i32, i32)) -> u64 {
    spread(latitude) << 1 | spread(longitude)
}

/// A coordinate as a natural number, in the same order, with a zero before each binary digit.
fn spread(coordinate: i32) -> u64 {
    let apart = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    let digits = u64::from(coordinate.cast_unsigned() ^ 1 << 31);
    apart.iter().fold(digits, |spread, (by, mask)| (spread | spread << by) & mask)
}

/// A rectangle of degrees with its edges in it. `west > east` crosses the antimeridian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    north: f64,
    south: f64,
    east: f64,
    west: f64,
}

impl Bounds {
    /// The whole globe.
    pub const EVERYWHERE: Self = Self { north: 90.0, south: -90.0, east: 180.0, west: -180.0 };

    /// A rectangle of degrees.
    pub fn new(north: f64, south: f64, east: f64, west: f64) -> Result<Self, InvalidBounds> {
        let on_earth = north.abs() <= 90.0
            && south.abs() <= 90.0
            && east.abs() <= 180.0
            && west.abs() <= 180.0;
        if !on_earth {
            return Err(InvalidBounds::OffTheGlobe);
        }
        if south > north {
            return Err(InvalidBounds::UpsideDown);
        }
        // Adding zero takes the sign from zero: what is equal has the same bits.
        let [north, south, east, west] = [north, south, east, west].map(|edge| edge + 0.0);
        Ok(Self { north, south, east, west })
    }

    /// Whether `place` lies in the rectangle or on its edge.
    pub fn contains(&self, place: Place) -> bool {
        let (latitude, longitude) = (place.latitude(), place.longitude());
        let in_longitude = if self.west <= self.east {
            self.west <= longitude && longitude <= self.east
        } else {
            longitude >= self.west || longitude <= self.east
        };
        in_longitude && self.south <= latitude && latitude <= self.north
    }

    /// What this rectangle and another have in common: up to four parts, as either may cross the
    /// antimeridian.
    pub fn intersection(&self, other: &Self) -> impl Iterator<Item = Self> + use<> {
        let others: Vec<_> = other.corners().collect();
        self.corners().flat_map(move |(low, high)| {
            let common = others.iter().filter_map(|(other_low, other_high)| {
                let west = low[0].max(other_low[0]);
                let south = low[1].max(other_low[1]);
                let east = high[0].min(other_high[0]);
                let north = high[1].min(other_high[1]);
                (west <= east && south <= north).then_some(Self { north, south, east, west })
            });
            common.collect::<Vec<_>>()
        })
    }

    /// Degrees of the northern, southern, eastern and western edge.
    pub const fn edges(&self) -> [f64; 4] {
        [self.north, self.south, self.east, self.west]
    }

    /// The latitudes of the places in the rectangle, in units of 1e-7 degrees: first and last.
    pub fn latitudes_e7(&self) -> (i32, i32) {
        (first_unit(self.south), last_unit(self.north))
    }

    /// The longitudes of the places in the rectangle, in units of 1e-7 degrees: first and last; and
    /// those beyond the antimeridian, if it crosses that.
    pub fn longitudes_e7(&self) -> ((i32, i32), Option<(i32, i32)>) {
        let (west, east) = (first_unit(self.west), last_unit(self.east));
        if self.west <= self.east {
            ((west, east), None)
        } else {
            ((west, MAX_LONGITUDE_E7), Some((-MAX_LONGITUDE_E7, east)))
        }
    }

    /// The rectangle as lower and upper corners (`[longitude, latitude]`) that an R-tree can hold:
    /// two of them where it crosses the antimeridian.
    pub fn corners(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + use<> {
        let (west, east) = (self.west, self.east);
        let spans = if west <= east {
            [Some((west, east)), None]
        } else {
            [Some((west, 180.0)), Some((-180.0, east))]
        };
        let (south, north) = (self.south, self.north);
        spans.into_iter().flatten().map(move |(west, east)| ([west, south], [east, north]))
    }
}

/// The first whole unit at or beyond so many degrees.
fn first_unit(degrees: f64) -> i32 {
    let unit = nearest_unit(degrees);
    if f64::from(unit) / UNITS_PER_DEGREE < degrees { unit + 1 } else { unit }
}

/// The last whole unit that is not beyond so many degrees.
fn last_unit(degrees: f64) -> i32 {
    let unit = nearest_unit(degrees);
    if f64::from(unit) / UNITS_PER_DEGREE > degrees { unit - 1 } else { unit }
}

fn nearest_unit(degrees: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "degrees on Earth: at most 1.8e9 in size")]
    let unit = (degrees * UNITS_PER_DEGREE).round() as i32;
    unit
}

// No edge is NaN.
impl Eq for Bounds {}

impl Hash for Bounds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.edges().map(f64::to_bits).hash(state);
    }
}

/// One or more rectangles; a place has to be in any one of them. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Area(Arc<[Bounds]>);

impl Area {
    /// The area that these rectangles cover together; none of them covers nothing.
    pub fn new(rectangles: impl IntoIterator<Item = Bounds>) -> Self {
        Self(rectangles.into_iter().collect())
    }

    /// The rectangles.
    pub fn rectangles(&self) -> &[Bounds] {
        &self.0
    }

    /// Whether `place` lies in the area or on its edge.
    pub fn contains(&self, place: Place) -> bool {
        self.0.iter().any(|bounds| bounds.contains(place))
    }

    /// What both areas cover.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |two| (one, two)));
        Self::new(pairs.flat_map(|(one, two)| one.intersection(two)))
    }

    /// The area as corners that an R-tree can hold, see [`Bounds::corners`]. They may overlap.
    pub fn corners(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
        self.0.iter().flat_map(Bounds::corners)
    }
}

impl From<Bounds> for Area {
    fn from(bounds: Bounds) -> Self {
        Self::new([bounds])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_through_degrees() {
        for (latitude, longitude) in
            [(479_526_912, 671_416_320), (-1, 1), (900_000_000, -1_800_000_000)]
        {
            let place = Place::from_e7(latitude, longitude).unwrap();
            assert_eq!(Place::from_degrees(place.latitude(), place.longitude()), Ok(place));
        }
    }

    #[test]
    fn what_is_not_on_earth_is_no_place() {
        assert_eq!(Place::from_e7(900_000_001, 0), Err(OffTheGlobe));
        assert_eq!(Place::from_e7(0, i32::MIN), Err(OffTheGlobe));
        assert_eq!(Place::from_degrees(f64::NAN, 0.0), Err(OffTheGlobe));
        assert_eq!(Place::from_degrees(0.0, f64::INFINITY), Err(OffTheGlobe));
    }

    #[test]
    fn bounds_that_cross_the_antimeridian_hold_both_sides_of_it() {
        let fiji = Bounds::new(-10.0, -20.0, -170.0, 170.0).unwrap();
        assert!(fiji.contains(Place::from_degrees(-17.0, 179.0).unwrap()));
        assert!(fiji.contains(Place::from_degrees(-17.0, -179.0).unwrap()));
        assert!(!fiji.contains(Place::from_degrees(-17.0, 0.0).unwrap()));
        assert_eq!(fiji.corners().count(), 2);
    }

    #[test]
    fn whole_units_say_what_degrees_say() {
        let edges = [-180.0, -179.999_999_95, -0.1, 1e-9, 0.3, 12.345_678_949_9, 77.7, 180.0];
        for (west, east) in edges.iter().flat_map(|west| edges.map(|east| (*west, east))) {
            let bounds = Bounds::new(90.0, -90.0, east, west).unwrap();
            for near in edges {
                for unit in (-2..=2).map(|step| nearest_unit(near) + step) {
                    let Ok(place) = Place::from_e7(0, unit) else { continue };
                    let (span, beyond) = bounds.longitudes_e7();
                    let mut spans = std::iter::once(span).chain(beyond);
                    let within = spans.any(|(first, last)| (first..=last).contains(&unit));
                    assert_eq!(within, bounds.contains(place), "{unit} in {west}..{east}");
                }
            }
        }
        let arctic = Bounds::new(90.0, 66.500_000_04, 0.0, 0.0).unwrap();
        assert_eq!(arctic.latitudes_e7(), (665_000_001, 900_000_000));
    }

    #[test]
    fn bounds_hold_their_edges_and_the_poles() {
        let arctic = Bounds::new(90.0, 66.0, 180.0, -180.0).unwrap();
        assert!(arctic.contains(Place::from_degrees(90.0, -180.0).unwrap()));
        assert!(arctic.contains(Place::from_degrees(66.0, 180.0).unwrap()));
        assert!(!arctic.contains(Place::from_degrees(65.999_999_9, 0.0).unwrap()));
    }

    #[test]
    fn numbers_that_make_no_rectangle_are_refused() {
        assert_eq!(Bounds::new(1.0, 2.0, 0.0, 0.0), Err(InvalidBounds::UpsideDown));
        assert_eq!(Bounds::new(f64::NAN, 2.0, 0.0, 0.0), Err(InvalidBounds::OffTheGlobe));
        assert_eq!(Bounds::new(1.0, 0.0, 190.0, 0.0), Err(InvalidBounds::OffTheGlobe));
    }
}
