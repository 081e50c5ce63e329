//! Cells of a precision: places told no more exactly than is allowed.

use crate::domain::{Place, Position};

/// Bits of a coordinate, and of a place that is exact.
pub(super) const ALL_BITS: u8 = 32;

/// The middle of the cell of `2^(32 - bits)` units that a place lies in, as radios compute it.
/// Where that lies beyond the edge of the globe, the edge.
pub(super) fn middle(place: Place, bits: u8) -> Place {
    if bits >= ALL_BITS {
        return place;
    }
    let bits = u32::from(bits.max(1));
    let mask = u32::MAX << (32 - bits);
    let half = 1_i64 << (31 - bits);
    let middle = |units: i32, edge: i64| {
        let lower = i64::from((units.cast_unsigned() & mask).cast_signed());
        (lower + half).clamp(-edge, edge)
    };
    let e7 = |units: i64| i32::try_from(units).unwrap_or(i32::MAX);
    let (latitude, longitude) = (place.latitude_e7(), place.longitude_e7());
    let told =
        Place::from_e7(e7(middle(latitude, 900_000_000)), e7(middle(longitude, 1_800_000_000)));
    told.unwrap_or(place)
}

/// The position told no more exactly than `finest` bits. What stands beside a coarsened place, as
/// its height and its course, would tell it again, so that goes.
///
/// A place that claims to be coarse and is not is taken at its word. All positions of a cell come to
/// the same but for their times, and one that was coarsened is not changed again.
pub(super) fn coarsened(position: &Position, finest: u8) -> Position {
    if finest >= ALL_BITS {
        return *position;
    }
    let bits = position.precision_bits.unwrap_or(ALL_BITS).min(finest).max(1);
    let place = middle(position.place, bits);
    if place == position.place && position.precision_bits == Some(bits) {
        return *position;
    }
    Position {
        place,
        altitude_m: None,
        ground_speed_kmh: None,
        ground_track_deg: None,
        sats_in_view: None,
        precision_bits: Some(bits),
        stamp: position.stamp,
    }
}
