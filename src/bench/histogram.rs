//! Many durations in little memory: buckets that grow with what they hold.

use serde::{Deserialize, Serialize};

/// Buckets of each power of two: a bucket is at most 1/32 of its values wide.
const PER_POWER: u64 = 32;

/// Counts of durations in microseconds, exact below 64 and to 3 % above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn record(&mut self, us: u64) {
        let bucket = bucket_of(us);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub(super) fn max_us(&self) -> u64 {
        self.max_us
    }

    /// What this share of them, from 0 to 1, does not exceed; none of none.
    pub(super) fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut counted = 0;
        let at = self.buckets.iter().position(|bucket| {
            counted += bucket;
            counted >= wanted
        })?;
        Some(upper_end(at).min(self.max_us))
    }
}

fn bucket_of(us: u64) -> usize {
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(PER_POWER.ilog2() + 1);
    (u64::from(shift) * PER_POWER + (us >> shift)) as usize
}

/// The largest number in a bucket.
fn upper_end(bucket: usize) -> u64 {
    let shift = (bucket as u64 / PER_POWER).saturating_sub(1);
    let top = bucket as u64 - shift * PER_POWER;
    ((top + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_numbers_and_is_narrow(us in 0..1_u64 << 50) {
            let end = upper_end(bucket_of(us));
            prop_assert!(us <= end && end - us <= us / PER_POWER, "{us} of {end}");
            prop_assert_eq!(bucket_of(end), bucket_of(us));
            prop_assert_eq!(bucket_of(end + 1), bucket_of(us) + 1);
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut counted = Histogram::default();
        assert_eq!(counted.quantile_us(0.5), None);
        (1..=1000).rev().for_each(|us| counted.record(us));
        assert_eq!((counted.count(), counted.max_us()), (1000, 1000));
        for (share, exact) in [(0.001, 1), (0.5, 500), (0.99, 990), (1.0, 1000)] {
            let told = counted.quantile_us(share).unwrap();
            assert!(told >= exact && told - exact <= exact / 32 + 1, "{share}: {told}");
        }
    }
}
