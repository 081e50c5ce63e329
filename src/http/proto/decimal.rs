//! Floats as the decimal fractions that they were written as.

use super::messages::{Column, Decimals};

/// Powers of ten by the number of decimals. What a radio computes as a 32-bit float has nine digits,
/// some of them behind two or three zeros.
const WIDE_POWERS: [f64; 13] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/// The same of what is written down; more are not tried, since a 32-bit float of a usual size has
/// fewer.
const POWERS: &[f64] = WIDE_POWERS.split_at(7).0;

/// Larger floats are not tried. The units of others are few enough to stay exact when a client
/// multiplies and divides in 64-bit floats.
const LARGEST: f32 = 1e7;

/// A decimal fraction: a whole number of units of `10^-decimals`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decimal {
    units: f64,
    decimals: usize,
}

impl Decimal {
    /// The fraction with the fewest decimals that is `value` as a 32-bit float; none if it has too
    /// many, or is too large.
    pub(super) fn of(value: f32) -> Option<Self> {
        let sized = Some(f64::from(value)).filter(|_| value.abs() <= LARGEST)?;
        POWERS.iter().enumerate().find_map(|(decimals, power)| {
            // Of two fractions as near, the even one, as in JSON. Adding zero takes the sign from zero.
            let units = (sized * power).round_ties_even() + 0.0;
            #[expect(clippy::cast_possible_truncation, reason = "rounded, as a reader would")]
            let read = (units / power) as f32;
            #[expect(clippy::float_cmp, reason = "the very same float is meant")]
            (read == value).then_some(Self { units, decimals })
        })
    }

    /// How many decimals it has.
    pub(super) fn decimals(self) -> usize {
        self.decimals
    }

    /// How many units of so many decimals it is; none if they are fewer than its own, or more than
    /// any fraction has.
    pub(super) fn units(self, decimals: usize) -> Option<i64> {
        POWERS.get(decimals)?;
        let finer = POWERS.get(decimals.checked_sub(self.decimals)?)?;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, of 10^13 at most")]
        Some((self.units * finer) as i64)
    }
}

/// Readings have fewer units than these, 2^51. So the step between two is less than 2^52, and its code
/// less than 2^53: a client that has no whole numbers but 64-bit floats reads it as it is.
const MOST_UNITS: f64 = 2_251_799_813_685_248.0;

/// Readings in a column, each the difference from the one before.
pub(super) fn decimals(readings: &[f64]) -> Option<Decimals> {
    let units = |reading: f64, power: f64| {
        // Adding zero takes the sign from zero, which no whole number has.
        let units = (reading * power).round_ties_even() + 0.0;
        let is_exact = (units / power).to_bits() == reading.to_bits();
        #[expect(clippy::cast_possible_truncation, reason = "checked just here")]
        (is_exact && units.abs() < MOST_UNITS).then_some(units as i64)
    };
    // A fraction is one of more decimals as well, so they are tried on from where the last one was.
    let mut powers = WIDE_POWERS.iter().enumerate();
    let mut finest = powers.next();
    for reading in readings {
        while let Some((_, power)) = finest
            && units(*reading, *power).is_none()
        {
            finest = powers.next();
        }
    }
    let column = finest.and_then(|(decimals, power)| {
        let units = readings.iter().map(|reading| units(*reading, *power));
        let units = units.collect::<Option<Vec<_>>>()?;
        let decimals = u32::try_from(decimals).ok()?;
        Some(Decimals { decimals, values: Column::of_steps(units), exact: Vec::new() })
    });
    let decimals =
        column.unwrap_or_else(|| Decimals { exact: readings.to_vec(), ..Decimals::default() });
    (decimals != Decimals::default()).then_some(decimals)
}

/// A float as the 64-bit one that looks the same in decimals, which is how JSON has it: 182.65, not
/// 182.649993896484375.
pub(super) fn as_written(value: f32) -> f64 {
    match Decimal::of(value) {
        Some(found) => found.units / POWERS[found.decimals],
        None => value.to_string().parse().unwrap_or(f64::from(value)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "of numbers that fit")]
    #![expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "nothing may be lost")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_float_is_the_shortest_fraction_that_it_can_be_read_from() {
        assert_eq!(as_written(182.65).to_string(), "182.65");
        assert_eq!(as_written(58.0).to_string(), "58");
        assert_eq!(Decimal::of(182.65).unwrap().units(5), Some(18_265_000));
        assert_eq!(Decimal::of(182.65).unwrap().units(1), None);
    }

    #[test]
    fn what_is_no_short_fraction_is_none() {
        for value in [f32::NAN, f32::INFINITY, f32::MAX, 1e-9, f32::MIN_POSITIVE, 1e8] {
            assert_eq!(Decimal::of(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_reader_gets_the_very_same_float(value: f32, decimals in 0..9_usize) {
            let read = as_written(value) as f32;
            prop_assert!(read == value || read.is_nan() && value.is_nan());
            let in_json = serde_json::to_string(&value).unwrap();
            prop_assert!(!value.is_finite() || as_written(value) == in_json.parse::<f64>().unwrap());
            let Some(decimal) = Decimal::of(value) else { return Ok(()) };
            if let Some(units) = decimal.units(decimals) {
                let read = units as f64 / POWERS[decimals];
                prop_assert_eq!(read.to_bits(), as_written(value).to_bits());
                // What a client that holds it takes for the number of units.
                prop_assert_eq!((read * POWERS[decimals]).round() as i64, units);
            }
        }

        #[test]
        fn a_fraction_of_a_few_digits_is_found_as_it_was_written(
            units in 0..1_000_000_i32, decimals in 0..6_usize
        ) {
            let written = f64::from(units) / POWERS[decimals];
            prop_assert_eq!(as_written(written as f32).to_bits(), written.to_bits());
        }
    }
}
