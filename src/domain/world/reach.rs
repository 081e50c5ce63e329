//! Where a node may have been: enough to know where it was not.

use super::Revision;
use crate::domain::{Place, Span};

/// After so many moves the older rectangle is dropped, and a new one begun.
const MOVES: u8 = 32;

/// Two rectangles around every place that a node had, each since a revision of its own. A node that
/// travels leaves what is far behind it, and a client that was away for a while is still known not
/// to have seen it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    long: Around,
    short: Around,
    /// Moves since `short` began.
    moves: u8,
}

/// Around every place at this revision and later.
#[derive(Clone, Copy, Debug)]
struct Around {
    since: Revision,
    places: Span,
}

impl Reach {
    /// Of a node that has been here, or nowhere, since then.
    pub(super) fn of(place: Option<Place>, since: Revision) -> Self {
        let mut here = Around::from(since);
        here.places.take_in(place);
        Self { long: here, short: here, moves: 0 }
    }

    /// It is here, or nowhere, from this revision on.
    pub(super) fn move_to(&mut self, place: Option<Place>, at: Revision) {
        if self.moves >= MOVES {
            self.long = self.short;
            self.short = Around::from(at);
            self.moves = 0;
        }
        self.moves += 1;
        self.long.places.take_in(place);
        self.short.places.take_in(place);
    }

    /// Whether it may have been in this area at `revision` or later. What nobody knows may be.
    pub(super) fn may_have_touched(&self, area: &[Span], revision: Revision) -> bool {
        let Self { long, short, .. } = self;
        let known = if short.since <= revision { short } else { long };
        known.since > revision || area.iter().any(|span| span.meets(known.places))
    }
}

impl Around {
    fn from(since: Revision) -> Self {
        Self { since, places: Span::NOWHERE }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Area, Bounds};

    fn spans(area: &Area) -> Vec<Span> {
        area.spans().collect()
    }

    fn place() -> impl Strategy<Value = Option<Place>> {
        let degrees = (-90.0..=90.0, -180.0..=180.0);
        prop::option::weighted(
            0.9,
            degrees.prop_map(|(latitude, longitude)| {
                Place::from_degrees(latitude, longitude).unwrap()
            }),
        )
    }

    fn bounds() -> impl Strategy<Value = Bounds> {
        (-90.0..=90.0, -90.0..=90.0, -180.0..=180.0, -180.0..=180.0).prop_map(
            |(one, other, east, west): (f64, f64, f64, f64)| {
                Bounds::new(one.max(other), one.min(other), east, west).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn where_it_was_it_may_have_been(
            places in prop::collection::vec(place(), 1..200),
            bounds in bounds(),
            cursor in 0..220_u64,
        ) {
            let mut reach = Reach::of(places[0], Revision(10));
            for (place, revision) in places.iter().zip(10..).skip(1) {
                reach.move_to(*place, Revision(revision));
            }
            let area = Area::from(bounds);
            // What it was at the cursor, and after it.
            let at_cursor = usize::try_from(cursor.saturating_sub(10)).unwrap();
            let later = places.iter().skip(at_cursor.min(places.len() - 1)).flatten();
            let was_there = cursor < 10 || later.into_iter().any(|place| area.contains(*place));
            if was_there {
                prop_assert!(reach.may_have_touched(&spans(&area), Revision(cursor)));
            }
        }
    }

    #[test]
    fn who_travels_leaves_the_past_behind() {
        let at = |longitude| Place::from_degrees(50.0, longitude).ok();
        let mut reach = Reach::of(at(0.0), Revision(0));
        for step in 1..=100_u32 {
            reach.move_to(at(f64::from(step)), Revision(step.into()));
        }
        let start = Area::from(Bounds::new(51.0, 49.0, 1.0, -1.0).unwrap());
        let elsewhere = Area::from(Bounds::new(-49.0, -51.0, 180.0, -180.0).unwrap());
        let touched = |area: &Area, cursor| reach.may_have_touched(&spans(area), Revision(cursor));
        assert!(touched(&start, 0), "nobody knows any more");
        assert!(!touched(&start, 70));
        assert!(!touched(&elsewhere, 70));
        assert!(touched(&elsewhere, 0));
    }
}
