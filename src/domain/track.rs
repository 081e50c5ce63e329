//! Tracks: how far it is between places, and lines with fewer points.

use geo::{Distance, Haversine, Point};

use super::Place;

/// The mean radius of the Earth, as the distance along its surface has it.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// The distance along the surface of the Earth, taken as a sphere, in metres.
pub fn distance_m(from: Place, to: Place) -> f64 {
    Haversine.distance(Point::from(from.point()), Point::from(to.point()))
}

/// Which places to keep so that the line through them passes every other one within
/// `tolerance_m` metres: the first, the last, and those between that the line would miss
/// (Ramer, Douglas and Peucker). Lines are straight in space: neither the antimeridian nor a pole
/// is anything special, and where legs are very long more is kept than would have to be.
pub fn simplify(places: &[Place], tolerance_m: f64) -> Vec<usize> {
    let points: Vec<_> = places.iter().map(|place| in_space(*place)).collect();
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let mut kept = vec![false; points.len()];
    kept[0] = true;
    kept[last] = true;
    let mut legs = vec![(0, last)];
    while let Some((first, last)) = legs.pop() {
        let between = (first + 1)..last;
        let missed = between.map(|at| (at, to_leg_m(points[at], points[first], points[last])));
        let farthest = missed.max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((at, _)) = farthest.filter(|(_, missed_m)| *missed_m > tolerance_m) {
            kept[at] = true;
            legs.extend([(first, at), (at, last)]);
        }
    }
    (0..points.len()).filter(|at| kept[*at]).collect()
}

type Vector = [f64; 3];

/// The place in metres from the middle of the Earth.
fn in_space(place: Place) -> Vector {
    let (sin_lat, cos_lat) = place.latitude().to_radians().sin_cos();
    let (sin_lon, cos_lon) = place.longitude().to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat].map(|part| part * EARTH_RADIUS_M)
}

/// How far a point is from the nearest one between two others, in metres.
fn to_leg_m(point: Vector, from: Vector, to: Vector) -> f64 {
    let (leg, way) = (minus(to, from), minus(point, from));
    let length = dot(leg, leg);
    let share = if length > 0.0 { (dot(way, leg) / length).clamp(0.0, 1.0) } else { 0.0 };
    let off = minus(way, leg.map(|part| part * share));
    dot(off, off).sqrt()
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Place {
        Place::from_degrees(latitude, longitude).unwrap()
    }

    #[test]
    fn a_degree_of_latitude_is_what_it_is() {
        let degree = distance_m(at(49.5, 8.5), at(50.5, 8.5));
        assert!((degree - 111_195.0).abs() < 1.0, "{degree}");
        let across = distance_m(at(0.0, 179.5), at(0.0, -179.5));
        assert!((across - 111_195.0).abs() < 1.0, "{across}");
    }

    #[test]
    fn what_lies_on_a_line_is_left_out_and_a_corner_is_kept() {
        let path = [at(0.0, 179.8), at(0.0, 179.9), at(0.0, -179.9), at(0.1, -179.9)];
        assert_eq!(simplify(&path, 50.0), [0, 2, 3], "across the antimeridian");
        assert_eq!(simplify(&path, 0.0).len(), 4);
        assert_eq!(simplify(&path[..1], 50.0), [0]);
        assert_eq!(simplify(&[], 50.0), [0; 0]);
        let still = [at(1.0, 1.0); 4];
        assert_eq!(simplify(&still, 0.0), [0, 3]);
    }

    fn near_anywhere() -> impl Strategy<Value = Place> {
        let steps = (-50_000..50_000_i32, -50_000..50_000_i32);
        steps.prop_map(|(latitude, longitude)| {
            let edge = 1_800_000_000;
            let wrapped = if longitude > 0 { longitude - edge } else { longitude + edge };
            Place::from_e7(latitude, wrapped).unwrap()
        })
    }

    proptest! {
        #[test]
        fn no_place_is_farther_from_the_line_than_it_may_be(
            path in prop::collection::vec(near_anywhere(), 0..60),
            tolerance_m in 0.0..2000.0,
        ) {
            let kept = simplify(&path, tolerance_m);
            prop_assert!(kept.is_sorted());
            prop_assert_eq!(kept.first().copied(), (!path.is_empty()).then_some(0));
            prop_assert_eq!(kept.last().copied(), path.len().checked_sub(1));
            for leg in kept.windows(2) {
                let [first, last] = [leg[0], leg[1]].map(|end| in_space(path[end]));
                for place in &path[leg[0]..=leg[1]] {
                    let off = to_leg_m(in_space(*place), first, last);
                    prop_assert!(off <= tolerance_m, "{off}");
                }
            }
        }
    }
}
