//! The rectangles of watchers, and an R-tree of them.

use std::ops::ControlFlow;

use rstar::{
    AABB, Envelope as _, RTree, RTreeObject as _,
    primitives::{GeomWithData, Rectangle},
};

use super::{Marks, Motion, Pair, Span, States, Way, is_near, packed::Packed};
use crate::domain::{Area, Place, geo::UNITS_PER_DEGREE};

/// `[longitude, latitude]` in units of 1e-7 degrees, which are whole numbers: the tree tells
/// exactly what is inside.
type Viewport = GeomWithData<Rectangle<[f64; 2]>, u32>;

/// Watchers, named by small numbers, and the areas that they look at.
#[derive(Debug, Default)]
pub struct Viewports {
    tree: RTree<Viewport>,
    /// By watcher.
    looks: Vec<Look>,
    /// Kept between ticks, so that nothing is allocated anew.
    marks: Marks,
    packed: Packed,
}

/// What a watcher looks at.
#[derive(Clone, Debug, Default)]
pub(super) enum Look {
    #[default]
    Nowhere,
    Rectangle(Span),
    /// They may overlap.
    Several(Box<[Span]>),
}

impl Look {
    fn at(area: &Area) -> Self {
        let spans: Vec<_> = area.spans().collect();
        match spans[..] {
            [] => Self::Nowhere,
            [span] => Self::Rectangle(span),
            _ => Self::Several(spans.into()),
        }
    }

    fn spans(&self) -> &[Span] {
        match self {
            Self::Nowhere => &[],
            Self::Rectangle(span) => std::slice::from_ref(span),
            Self::Several(spans) => spans,
        }
    }

    fn sees(&self, motion: &Motion) -> States {
        let holds = |place: Option<Place>| {
            let at = place.map(|place| (place.latitude_e7(), place.longitude_e7()));
            at.is_some_and(|at| self.spans().iter().any(|span| span.holds(at)))
        };
        States::of(holds(motion.before), holds(motion.after))
    }
}

impl Viewports {
    /// `watcher`, who is new, looks at `area`. The numbers of watchers should be small.
    pub fn insert(&mut self, watcher: u32, area: &Area) {
        let look = Look::at(area);
        for span in look.spans() {
            self.tree.insert(viewport(*span, watcher));
        }
        let at = watcher as usize;
        if self.looks.len() <= at {
            self.looks.resize_with(at + 1, Look::default);
        }
        self.looks[at] = look;
    }

    /// `watcher`, who was inserted, looks no more.
    pub fn remove(&mut self, watcher: u32) {
        let Some(look) = self.looks.get_mut(watcher as usize).map(std::mem::take) else { return };
        for span in look.spans() {
            self.tree.remove(&viewport(*span, watcher));
        }
        while matches!(self.looks.last(), Some(Look::Nowhere)) {
            self.looks.pop();
        }
    }

    /// Whether nobody looks anywhere.
    pub fn is_empty(&self) -> bool {
        self.looks.is_empty()
    }

    /// Calls `visit` for everybody who looks at `place`; several times for those who do through
    /// several rectangles.
    pub fn at(&self, place: Place, mut visit: impl FnMut(u32)) {
        each_meeting(&self.tree, AABB::from_point(point(place)), |found| visit(found.data));
    }

    /// Calls `visit` for everybody who looks at some of a rectangle, given as its lower and upper
    /// corner (`[longitude, latitude]` in degrees); several times as [`Viewports::at`] does.
    pub fn meeting(&self, (lower, upper): ([f64; 2], [f64; 2]), mut visit: impl FnMut(u32)) {
        let [lower, upper] =
            [lower, upper].map(|corner| corner.map(|degrees| degrees * UNITS_PER_DEGREE));
        let rectangle = AABB::from_corners(lower, upper);
        each_meeting(&self.tree, rectangle, |found| visit(found.data));
    }

    /// Calls `visit` for every watcher and every motion that it sees, by the cheaper way. In a call,
    /// watchers who see the same get it in the same order.
    pub fn join(&mut self, motions: &[Motion], visit: impl FnMut(Pair)) {
        self.join_by(Way::for_so_many(self.looks.len(), motions.len()), motions, visit);
    }

    /// The same, by this way.
    pub fn join_by(&mut self, way: Way, motions: &[Motion], visit: impl FnMut(Pair)) {
        match way {
            Way::Try => self.try_all(motions, visit),
            Way::Ask => self.ask(motions, visit),
            Way::Pack => self.pack(motions, visit),
        }
    }

    fn try_all(&self, motions: &[Motion], mut visit: impl FnMut(Pair)) {
        for (watcher, look) in (0..).zip(&self.looks) {
            for (change, motion) in (0..).zip(motions) {
                let states = look.sees(motion);
                if !states.is_empty() {
                    visit(Pair { watcher, change, states });
                }
            }
        }
    }

    fn ask(&mut self, motions: &[Motion], mut visit: impl FnMut(Pair)) {
        if self.tree.size() == 0 {
            return;
        }
        let Self { tree, looks, marks, .. } = self;
        marks.make_room(looks.len());
        for (change, motion) in (0..).zip(motions) {
            for (envelope, [before, after]) in asked(motion).into_iter().flatten() {
                each_meeting(tree, envelope, |found| {
                    let around = found.geom().envelope();
                    let holds =
                        |at: Option<[f64; 2]>| at.is_some_and(|at| around.contains_point(&at));
                    marks.add(found.data, States::of(holds(before), holds(after)));
                });
            }
            marks.take(|watcher, states| visit(Pair { watcher, change, states }));
        }
    }

    fn pack(&mut self, motions: &[Motion], mut visit: impl FnMut(Pair)) {
        let Self { looks, marks, packed, .. } = self;
        packed.pack(motions);
        marks.make_room(motions.len());
        for (watcher, look) in (0..).zip(looks) {
            let mut pair = |change, states| visit(Pair { watcher, change, states });
            match look {
                Look::Nowhere => continue,
                Look::Rectangle(span) => packed.within(*span, |found| {
                    if found.split {
                        marks.add(found.change, found.states);
                    } else {
                        pair(found.change, found.states);
                    }
                }),
                Look::Several(spans) => {
                    for span in spans {
                        packed.within(*span, |found| marks.add(found.change, found.states));
                    }
                }
            }
            marks.take(pair);
        }
    }

    /// Gives back what the last ticks needed and the next may not.
    pub fn shrink(&mut self) {
        self.marks = Marks::default();
        self.packed = Packed::default();
    }
}

/// Calls `visit` for every rectangle that shares a place with `envelope`.
fn each_meeting(
    tree: &RTree<Viewport>,
    envelope: AABB<[f64; 2]>,
    mut visit: impl FnMut(&Viewport),
) {
    let ControlFlow::Continue(()) = tree.locate_in_envelope_intersecting_int(envelope, |found| {
        visit(found);
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
}

/// An envelope to ask for, and the points in it: before and after.
type Asked = (AABB<[f64; 2]>, [Option<[f64; 2]>; 2]);

/// What to ask for a motion: both places together, unless they are far from each other.
fn asked(motion: &Motion) -> [Option<Asked>; 2] {
    let before = motion.before.map(point);
    let after = motion.after.map(point);
    match (before, after) {
        (Some(from), Some(to)) => {
            if motion.before.zip(motion.after).is_some_and(|(a, b)| is_near(a, b)) {
                [Some((AABB::from_corners(from, to), [before, after])), None]
            } else {
                let there = |at, points| Some((AABB::from_point(at), points));
                [there(from, [before, None]), there(to, [None, after])]
            }
        }
        (None, None) => [None, None],
        (Some(at), None) | (None, Some(at)) => {
            [Some((AABB::from_point(at), [before, after])), None]
        }
    }
}

fn viewport(span: Span, watcher: u32) -> Viewport {
    let corner = |latitude: i32, longitude: i32| [f64::from(longitude), f64::from(latitude)];
    let (lower, upper) = (corner(span.south, span.west), corner(span.north, span.east));
    GeomWithData::new(Rectangle::from_aabb(AABB::from_corners(lower, upper)), watcher)
}

fn point(place: Place) -> [f64; 2] {
    [f64::from(place.longitude_e7()), f64::from(place.latitude_e7())]
}
