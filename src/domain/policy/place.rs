//! Where positions are withheld, and where the map ends.

use geo::{Coord, Distance, Haversine, Intersects, LineString, Point, Polygon};
use thiserror::Error;

use crate::domain::{NodeId, Place};

/// A circle in which positions are withheld.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeZone {
    /// Its middle.
    pub middle: Place,
    /// Its radius in metres.
    pub radius_m: f64,
    /// Whose positions; everybody's if none is named.
    pub node: Option<NodeId>,
}

impl HomeZone {
    /// Whether `node` is not to be shown at `place`.
    pub fn hides(&self, node: &NodeId, place: Place) -> bool {
        let [middle, place] = [self.middle, place].map(|place| Point::from(place.point()));
        self.node.as_ref().is_none_or(|whose| whose == node)
            && Haversine.distance(middle, place) <= self.radius_m
    }
}

/// Why corners make no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a region needs three corners at least")]
pub struct InvalidRegion;

/// A polygon. It may cross the antimeridian, and holds no pole.
#[derive(Clone, Debug, PartialEq)]
pub struct Region(Polygon);

impl Region {
    /// The polygon with these corners, in order.
    pub fn new(corners: impl IntoIterator<Item = Place>) -> Result<Self, InvalidRegion> {
        let mut ring: Vec<Coord> = Vec::new();
        for corner in corners {
            let [mut x, y] = corner.point();
            // The shorter way from the corner before: beyond 180 degrees if that leads there.
            if let Some(before) = ring.last() {
                x += ((before.x - x) / 360.0).round() * 360.0;
            }
            ring.push(Coord { x, y });
        }
        if ring.first() == ring.last() {
            ring.pop();
        }
        if ring.len() < 3 {
            return Err(InvalidRegion);
        }
        Ok(Self(Polygon::new(LineString::new(ring), Vec::new())))
    }

    /// Whether `place` lies in the region or on its edge.
    pub fn contains(&self, place: Place) -> bool {
        let [x, y] = place.point();
        [-360.0, 0.0, 360.0].iter().any(|turn| self.0.intersects(&Point::new(x + turn, y)))
    }
}
