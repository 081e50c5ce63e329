//! Columns of whole numbers, packed as `geocast.v1.proto` says.

use super::messages::Column;

impl Column {
    /// Packs differences; none if every one is 0.
    pub(super) fn of(differences: impl IntoIterator<Item = i64>) -> Option<Self> {
        let naturals: Vec<u64> = differences.into_iter().map(natural).collect();
        if naturals.iter().all(|natural| *natural == 0) {
            return None;
        }
        let (shift, length_bits) = best_shift(&naturals);
        let mut bits = BitWriter::with_room_for(length_bits);
        for natural in naturals {
            bits.push_code(natural, shift);
        }
        Some(Self { shift, bits: bits.finish().into() })
    }

    /// Packs values as differences, each from the one before.
    pub(super) fn of_steps(values: impl IntoIterator<Item = i64>) -> Option<Self> {
        let mut before = 0;
        Self::of(values.into_iter().map(|value| {
            // Readers add in the same way, so that no two values are too far apart.
            let step = value.wrapping_sub(before);
            before = value;
            step
        }))
    }
}

/// Small numbers of either sign as small natural ones.
fn natural(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn digits(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// Digits of the upper part of a code, which is one more than that of the number.
fn digits_of_quotient(natural: u64, shift: u32) -> u32 {
    // Of the greatest number, that needs one bit more than there are.
    (natural >> shift).checked_add(1).map_or(u64::BITS + 1, digits)
}

fn bits_of_code(natural: u64, shift: u32) -> u64 {
    u64::from(2 * digits_of_quotient(natural, shift) - 1 + shift)
}

/// The shift with the shortest code for all, or nearly so, and how many bits that has.
///
/// A number's code grows by about a bit with each step of the shift above its own length, and by
/// as much with each step below: so the best shift is near the median of the lengths.
fn best_shift(naturals: &[u64]) -> (u32, u64) {
    let mut lengths = [0_usize; 65];
    for natural in naturals {
        lengths[digits(*natural) as usize] += 1;
    }
    let mut shorter = 0;
    let median = (0..64).find(|length| {
        shorter += lengths[*length as usize];
        shorter * 2 >= naturals.len()
    });
    let median: u32 = median.unwrap_or(63);
    let with = |shift: u32| (shift, naturals.iter().map(|u| bits_of_code(*u, shift)).sum::<u64>());
    let mut best = with(median);
    // Of numbers of one size, one shift may be no better than the next and the one after it be.
    for lower in (0..median).rev().map(with) {
        if lower.1 < best.1 {
            best = lower;
        } else if lower.0 + 1 < best.0 {
            break;
        }
    }
    if best.0 < median {
        return best;
    }
    let higher = with((median + 1).min(63));
    if higher.1 < best.1 { higher } else { best }
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// The last bits, fewer than a byte, in the lowest places.
    rest: u64,
    rest_bits: u32,
}

/// Bits that can be pushed at once, beside those of a byte that is not whole.
const MOST_BITS: u32 = u64::BITS - 8;

impl BitWriter {
    fn with_room_for(bits: u64) -> Self {
        let bytes = usize::try_from(bits.div_ceil(8)).unwrap_or_default();
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    fn push_code(&mut self, natural: u64, shift: u32) {
        let digits = digits_of_quotient(natural, shift);
        let lowest = natural & ((1 << shift) - 1);
        if 2 * digits - 1 + shift <= MOST_BITS {
            let quotient = (natural >> shift) + 1;
            // The zeros before the quotient are there by being asked for.
            self.push(quotient << shift | lowest, 2 * digits - 1 + shift);
        } else {
            self.push_long(0, digits - 1);
            self.push_long(u128::from(natural >> shift) + 1, digits);
            self.push_long(lowest.into(), shift);
        }
    }

    /// Writes the lowest `width` bits of `value`, the highest of them first.
    fn push_long(&mut self, value: u128, mut width: u32) {
        while width > 0 {
            let taken = width.min(32);
            width -= taken;
            let bits = (value >> width) & ((1 << taken) - 1);
            self.push(u64::try_from(bits).expect("at most 32 bits"), taken);
        }
    }

    /// The same for at most [`MOST_BITS`]; the value has no others.
    fn push(&mut self, value: u64, width: u32) {
        self.rest = self.rest << width | value;
        self.rest_bits += width;
        while self.rest_bits >= 8 {
            self.rest_bits -= 8;
            let [byte, ..] = (self.rest >> self.rest_bits).to_le_bytes();
            self.bytes.push(byte);
        }
    }

    /// Fills up the last byte with zeros.
    fn finish(mut self) -> Vec<u8> {
        if self.rest_bits > 0 {
            self.push(0, 8 - self.rest_bits);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::proto::reading::{differences, steps};

    #[test]
    fn the_examples_of_the_description_are_written_so() {
        let mut bits = BitWriter::default();
        for number in [0, -1, 1, -2] {
            bits.push_code(natural(number), 1);
        }
        assert_eq!(bits.finish(), [0b1011_0100, 0b0101_0000]);
    }

    #[test]
    fn nothing_but_zeros_needs_no_column() {
        assert_eq!(Column::of([]), None);
        assert_eq!(Column::of_steps([0, 0, 0]), None);
        assert_eq!(differences(None, 2), Some(vec![0, 0]));
    }

    #[test]
    fn numbers_of_one_size_take_little_more_than_their_digits() {
        let column = Column::of((0..1000).map(|i| (i * 7919 % 2001) - 1000)).unwrap();
        assert!(column.bits.len() * 8 <= 1000 * 13, "{} bytes", column.bits.len());
    }

    #[test]
    fn a_few_far_jumps_do_not_cost_those_who_rest() {
        let jumps = Column::of((0..100).map(|i| if i % 10 == 0 { 1 << 20 } else { 0 })).unwrap();
        assert!(jumps.bits.len() * 8 <= 90 + 10 * 44, "{} bytes", jumps.bits.len());
    }

    #[test]
    fn a_damaged_column_is_not_read() {
        let whole = Column::of([1 << 40, 5]).unwrap();
        let cut = Column { bits: whole.bits.slice(..3), ..whole.clone() };
        assert_eq!(differences(Some(&cut), 2), None);
        assert_eq!(differences(Some(&whole), 99), None);
        let absurd = Column { shift: u32::MAX, bits: vec![0xff; 9].into() };
        assert_eq!(differences(Some(&absurd), 1), None);
    }

    fn any_size() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
    }

    #[test]
    fn the_best_shift_is_found_behind_one_that_is_no_better() {
        let naturals = [0, 0, 256, 256, 256].map(natural);
        assert_eq!(best_shift(&naturals), (8, 51));
    }

    proptest! {
        #[test]
        fn every_list_comes_back_as_it_was(list in prop::collection::vec(any_size(), 0..100)) {
            let column = Column::of(list.iter().copied());
            prop_assert_eq!(differences(column.as_ref(), list.len()), Some(list.clone()));
            let column = Column::of_steps(list.iter().copied());
            prop_assert_eq!(steps(column.as_ref(), list.len()), Some(list));
        }

        #[test]
        fn no_other_shift_is_much_shorter(list in prop::collection::vec(any_size(), 1..100)) {
            let naturals: Vec<u64> = list.into_iter().map(natural).collect();
            let bits = |shift| naturals.iter().map(|u| bits_of_code(*u, shift)).sum::<u64>();
            let best = (0..64).map(bits).min().unwrap();
            let (shift, length_bits) = best_shift(&naturals);
            prop_assert_eq!(length_bits, bits(shift));
            prop_assert!(length_bits <= best + best / 50 + 2);
        }

        #[test]
        fn no_bytes_upset_a_reader(shift: u32, bits: Vec<u8>, count in 0..200_usize) {
            let _ = differences(Some(&Column { shift, bits: bits.into() }), count);
        }
    }
}
