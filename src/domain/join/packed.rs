//! The places of one tick, packed into a tree that is built in one go.
//!
//! Rows stand in the order of a curve that visits near places one after the other (Morton's), in
//! blocks of [`FAN`]. Over each block stands the rectangle that it spans, over each block of
//! rectangles another, up to one. A block is laid out by columns, so that all of it is tested at once.

use super::{Motion, Span, States, is_near};
use crate::domain::geo::along_curve;

/// Rows or rectangles in a block.
const FAN: usize = 16;

/// A coordinate that lies in no span.
const ABSENT: i32 = i32::MIN;

type Column = [i32; FAN];

/// A tree of places.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Rows by the curve, as long as the tree is built.
    order: Vec<(u64, Row)>,
    rows: Vec<Rows>,
    /// From the rectangles over rows up to the one block over all.
    levels: Vec<Vec<Rectangles>>,
}

/// Where a node was and is. One that went far has a row for each.
#[derive(Clone, Copy, Debug)]
struct Row {
    change: u32,
    /// Latitude and longitude.
    before: (i32, i32),
    after: (i32, i32),
    /// Whether it is one of two.
    split: bool,
}

/// A block of rows.
#[derive(Clone, Debug)]
struct Rows {
    before: [Column; 2],
    after: [Column; 2],
    changes: [u32; FAN],
    split: [bool; FAN],
}

/// A block of rectangles.
#[derive(Clone, Debug)]
struct Rectangles {
    south: Column,
    north: Column,
    west: Column,
    east: Column,
}

/// What a span sees of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) change: u32,
    pub(super) states: States,
    /// Whether the other state of the change stands elsewhere, and may be found there.
    pub(super) split: bool,
}

impl Packed {
    /// Packs the places of these motions, and forgets those of the last ones.
    pub(super) fn pack(&mut self, motions: &[Motion]) {
        self.order.clear();
        self.order.extend((0..).zip(motions).flat_map(|(change, motion)| {
            let rows = rows_of(change, motion).into_iter().flatten();
            rows.map(|row| (along_curve(row.somewhere()), row))
        }));
        self.order.sort_unstable_by_key(|(key, row)| (*key, row.change));
        self.rows.clear();
        self.rows.extend(self.order.chunks(FAN).map(Rows::of));

        self.levels.iter_mut().for_each(Vec::clear);
        self.levels.resize_with(self.levels.len().max(1), Vec::new);
        self.levels[0].extend(self.rows.chunks(FAN).map(|rows| Rectangles::of(rows, Rows::span)));
        let mut top = 0;
        while self.levels[top].len() > 1 {
            self.levels.resize_with(self.levels.len().max(top + 2), Vec::new);
            let (lower, upper) = self.levels.split_at_mut(top + 1);
            let blocks = lower[top].chunks(FAN);
            upper[0].extend(blocks.map(|inner| Rectangles::of(inner, Rectangles::span)));
            top += 1;
        }
        self.levels.truncate(top + 1);
    }

    /// Calls `visit` for every row that `span` sees, in the order of the curve.
    pub(super) fn within(&self, span: Span, mut visit: impl FnMut(Found)) {
        if let Some(top) = self.levels.len().checked_sub(1).filter(|_| !self.rows.is_empty()) {
            self.descend(span, top, 0, &mut visit);
        }
    }

    fn descend(&self, span: Span, level: usize, block: usize, visit: &mut impl FnMut(Found)) {
        let meeting = self.levels[level][block].meeting(span);
        each(meeting, |inner| {
            let inner = block * FAN + inner;
            match level.checked_sub(1) {
                Some(below) => self.descend(span, below, inner, visit),
                None => self.rows[inner].visit(span, visit),
            }
        });
    }
}

/// At most two rows.
fn rows_of(change: u32, motion: &Motion) -> [Option<Row>; 2] {
    let at = |place: Option<crate::domain::Place>| {
        place.map_or((ABSENT, ABSENT), |place| (place.latitude_e7(), place.longitude_e7()))
    };
    let (before, after) = (at(motion.before), at(motion.after));
    let absent = (ABSENT, ABSENT);
    match (motion.before, motion.after) {
        (None, None) => [None, None],
        (Some(from), Some(to)) if !is_near(from, to) => [
            Some(Row { change, before, after: absent, split: true }),
            Some(Row { change, before: absent, after, split: true }),
        ],
        _ => [Some(Row { change, before, after, split: false }), None],
    }
}

impl Row {
    fn somewhere(&self) -> (i32, i32) {
        if self.after.0 == ABSENT { self.before } else { self.after }
    }
}

impl Rows {
    fn of(rows: &[(u64, Row)]) -> Self {
        let mut block = Self {
            before: [[ABSENT; FAN]; 2],
            after: [[ABSENT; FAN]; 2],
            changes: [0; FAN],
            split: [false; FAN],
        };
        for (at, (_, row)) in rows.iter().enumerate().take(FAN) {
            (block.before[0][at], block.before[1][at]) = row.before;
            (block.after[0][at], block.after[1][at]) = row.after;
            block.changes[at] = row.change;
            block.split[at] = row.split;
        }
        block
    }

    fn span(&self) -> Span {
        let mut span = Span::NOWHERE;
        for [latitudes, longitudes] in [&self.before, &self.after] {
            let places = latitudes.iter().zip(longitudes).map(|(a, b)| (*a, *b));
            places.filter(|(latitude, _)| *latitude != ABSENT).for_each(|at| span.add(at));
        }
        span
    }

    fn visit(&self, span: Span, visit: &mut impl FnMut(Found)) {
        let mut found = [0_u8; FAN];
        for (at, found) in found.iter_mut().enumerate() {
            let holds = |[latitudes, longitudes]: &[Column; 2]| {
                u8::from(span.holds((latitudes[at], longitudes[at])))
            };
            *found = holds(&self.before) | holds(&self.after) << 1;
        }
        each(found, |at| {
            visit(Found {
                change: self.changes[at],
                states: States(found[at]),
                split: self.split[at],
            });
        });
    }
}

impl Rectangles {
    fn of<T>(inner: &[T], span: impl Fn(&T) -> Span) -> Self {
        let Span { south, north, west, east } = Span::NOWHERE;
        let mut block =
            Self { south: [south; FAN], north: [north; FAN], west: [west; FAN], east: [east; FAN] };
        for (at, span) in inner.iter().map(span).enumerate().take(FAN) {
            block.south[at] = span.south;
            block.north[at] = span.north;
            block.west[at] = span.west;
            block.east[at] = span.east;
        }
        block
    }

    /// The rectangle around all of them.
    fn span(&self) -> Span {
        let least = |column: &Column| column.iter().copied().min().unwrap_or(i32::MAX);
        let most = |column: &Column| column.iter().copied().max().unwrap_or(i32::MIN);
        Span {
            south: least(&self.south),
            north: most(&self.north),
            west: least(&self.west),
            east: most(&self.east),
        }
    }

    /// 1 for those that share a place with `span`.
    #[expect(clippy::needless_bitwise_bool, reason = "without jumps, all are tested at once")]
    fn meeting(&self, span: Span) -> [u8; FAN] {
        let mut meeting = [0; FAN];
        for (at, meeting) in meeting.iter_mut().enumerate() {
            *meeting = u8::from(
                (span.south <= self.north[at])
                    & (self.south[at] <= span.north)
                    & (span.west <= self.east[at])
                    & (self.west[at] <= span.east),
            );
        }
        meeting
    }
}

/// Calls `visit` with the index of each byte that is not 0.
fn each(bytes: [u8; FAN], mut visit: impl FnMut(usize)) {
    // Every byte is below 128, so this leaves its highest bit set where it was not 0.
    let mut set = (u128::from_le_bytes(bytes) + u128::MAX / 255 * 127) & (u128::MAX / 255 * 128);
    while set != 0 {
        visit((set.trailing_zeros() / 8) as usize);
        set &= set - 1;
    }
}
