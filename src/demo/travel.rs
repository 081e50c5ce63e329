//! Movement: where something on a route is at a given time. No state and no clock: a position is
//! a function of the time, so the past can be asked as well.

use std::{f64::consts::TAU, sync::Arc};

use geo::{Bearing, Destination, Distance, Haversine, InterpolatePoint, LineString, Point};

use super::numbers::{fraction, whole};
use crate::domain::Timestamp;

/// How much faster and slower than its mean speed a traveller gets, as a share of it.
const CHANGE_OF_PACE: f64 = 0.3;

/// Seconds from one change of pace to the next, about.
const PACE_SECONDS: f64 = 180.0;

/// Metres from a turning point within which a traveller comes back to the middle of the way.
const MERGE_METRES: f64 = 400.0;

/// A line measured once, so that the place after so many metres is found quickly.
#[derive(Clone, Debug)]
pub struct Course {
    points: Vec<Point<f64>>,
    /// Metres from the beginning, by point.
    reached_m: Vec<f64>,
    round: bool,
}

impl Course {
    /// Measures `line`, which has at least two points; `round` when it is travelled in circles.
    pub fn new(line: &LineString<f64>, round: bool) -> Self {
        let points: Vec<Point<f64>> = line.points().collect();
        let mut length_m = 0.0;
        let mut reached_m = vec![0.0];
        for pair in points.windows(2) {
            length_m += Haversine.distance(pair[0], pair[1]);
            reached_m.push(length_m);
        }
        Self { points, reached_m, round }
    }

    /// Its length, in metres.
    pub fn length_m(&self) -> f64 {
        self.reached_m.last().copied().unwrap_or_default()
    }

    /// The place `metres` from the beginning and the direction there, degrees clockwise from north.
    pub fn at(&self, metres: f64) -> (Point<f64>, f64) {
        let after = self.reached_m.partition_point(|reached| *reached <= metres);
        let after = after.clamp(1, self.points.len() - 1);
        let (from, to) = (self.points[after - 1], self.points[after]);
        let span_m = self.reached_m[after] - self.reached_m[after - 1];
        let share = if span_m > 0.0 { (metres - self.reached_m[after - 1]) / span_m } else { 0.0 };
        let place = Haversine.point_at_ratio_between(from, to, share.clamp(0.0, 1.0));
        (place, Haversine.bearing(from, to))
    }
}

/// How one traveller uses a course: round and round, or back and forth with a rest at each end.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The way.
    pub course: Arc<Course>,
    /// The stretch of it that is travelled, in metres from its beginning.
    pub stretch_m: (f64, f64),
    /// Mean speed, metres a second.
    pub speed_mps: f64,
    /// Rest at each end, or once in a round, in seconds.
    pub rest_seconds: f64,
    /// Metres to the right of the middle of the way.
    pub right_m: f64,
    /// How far into its timetable the traveller is at time zero.
    pub phase_millis: i64,
}

/// Where a traveller is, and how it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    /// Longitude first.
    pub place: Point<f64>,
    /// Degrees clockwise from north, 0 to 360.
    pub track_deg: f64,
    /// Metres a second; zero at rest.
    pub speed_mps: f64,
}

impl Journey {
    /// Seconds from one end of the stretch to the other.
    fn leg_seconds(&self) -> f64 {
        (self.stretch_m.1 - self.stretch_m.0) / self.speed_mps
    }

    /// Where the traveller is at `time`.
    pub fn at(&self, time: Timestamp) -> Fix {
        let leg = self.leg_seconds();
        let turn = leg + self.rest_seconds;
        let legs = if self.course.round { 1.0 } else { 2.0 };
        let timetable_millis = i64::from(whole(turn * legs * 1000.0).max(1));
        let into = (time.as_millis() + self.phase_millis).rem_euclid(timetable_millis);
        let into = fraction(into) / 1000.0;
        let back = !self.course.round && into >= turn;
        self.on_leg(if back { into - turn } else { into }, leg, back)
    }

    /// Where the traveller is `into` seconds after it set out on a leg.
    fn on_leg(&self, into: f64, leg: f64, back: bool) -> Fix {
        let length_m = self.stretch_m.1 - self.stretch_m.0;
        let rests = into >= leg;
        // The pace swings whole times within a leg, so that the leg still ends on time.
        let swing = TAU * (leg / PACE_SECONDS).round().max(1.0) / leg;
        let gone_s = into.min(leg);
        let gone_m = self.speed_mps * (gone_s - CHANGE_OF_PACE / swing * (swing * gone_s).sin());
        let haste = 1.0 - CHANGE_OF_PACE * (swing * gone_s).cos();
        let along_m = if back { self.stretch_m.1 - gone_m } else { self.stretch_m.0 + gone_m };
        let (middle, bearing) = self.course.at(along_m);
        let track_deg = (if back { bearing + 180.0 } else { bearing }).rem_euclid(360.0);
        let merge = (gone_m.min(length_m - gone_m) / MERGE_METRES).clamp(0.0, 1.0);
        let place = Haversine.destination(middle, track_deg + 90.0, self.right_m * merge);
        Fix { place, track_deg, speed_mps: if rests { 0.0 } else { self.speed_mps * haste } }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use geo::line_string;
    use proptest::prelude::*;

    use super::*;

    fn journey(round: bool) -> Journey {
        let line = line_string![(x: 7.0, y: 50.0), (x: 7.1, y: 50.0), (x: 7.1, y: 50.1)];
        let course = Arc::new(Course::new(&line, round));
        Journey {
            stretch_m: (0.0, course.length_m()),
            course,
            speed_mps: 10.0,
            rest_seconds: 120.0,
            right_m: 0.0,
            phase_millis: 0,
        }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_traveller_goes_to_the_end_rests_and_comes_back() {
        let journey = journey(false);
        let leg = journey.leg_seconds();
        let ends = [Point::new(7.0, 50.0), Point::new(7.1, 50.1)];
        for (time, end) in [(0.0, 0), (leg, 1), (leg + 119.0, 1), (leg * 2.0 + 130.0, 0)] {
            let fix = journey.at(at(time));
            assert!(Haversine.distance(fix.place, ends[end]) < 100.0, "{time}: {fix:?}");
        }
        assert!(journey.at(at(leg + 60.0)).speed_mps < f64::EPSILON);
        let back = journey.at(at(leg + 120.0 + leg / 4.0));
        assert!((back.track_deg - 180.0).abs() < 1.0, "{back:?}");
    }

    #[test]
    fn a_round_begins_again_where_it_began() {
        let journey = journey(true);
        let round = journey.leg_seconds() + 120.0;
        let (first, second) = (journey.at(at(30.0)), journey.at(at(30.0 + round)));
        assert!(Haversine.distance(first.place, second.place) < 1.0);
    }

    proptest! {
        #[test]
        fn the_place_moves_as_fast_as_the_speed_says(seconds in 0.0..5000.0_f64) {
            let journey = journey(false);
            let (now, next) = (journey.at(at(seconds)), journey.at(at(seconds + 1.0)));
            let moved = Haversine.distance(now.place, next.place);
            let fastest = journey.speed_mps * (1.0 + CHANGE_OF_PACE);
            prop_assert!(moved <= fastest * 1.01, "{moved} m in a second");
            prop_assert!(now.speed_mps <= fastest * 1.01);
            if now.speed_mps > 0.0 && next.speed_mps > 0.0 {
                prop_assert!((moved - now.speed_mps).abs() < 3.5, "{moved} at {}", now.speed_mps);
            }
        }
    }
}
