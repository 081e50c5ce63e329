//! The conversions between whole numbers and fractions, in one place.

/// `number` as a fraction, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
pub(super) fn fraction(number: i64) -> f64 {
    number as f64
}

/// The nearest whole number; the nearest that there is for what does not fit.
#[expect(clippy::cast_possible_truncation, reason = "`as` keeps to the limits of the type")]
pub(super) fn whole(number: f64) -> i32 {
    number.round() as i32
}

/// The nearest whole number that is not negative.
pub(super) fn count(number: f64) -> u32 {
    whole(number).max(0).unsigned_abs()
}

/// `number` with the precision that radios send.
#[expect(clippy::cast_possible_truncation, reason = "readings need no more than seven digits")]
pub(super) fn short(number: f64) -> f32 {
    number as f32
}

/// The lower half of `number`.
pub(super) fn low_half(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).expect("masked to 32 bits")
}
