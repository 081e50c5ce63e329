//! Chance, from a seed: the same seed draws the same numbers on every machine.

/// The random numbers of one seed: splitmix64, a 64-bit counter whose every step is stirred.
/// Good enough for scenery, and of no use for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of `seed` for one purpose, independent of those for any other.
    pub(crate) fn of(seed: u64, purpose: u64) -> Self {
        Self(stir(seed ^ stir(purpose)))
    }

    /// The next number, any of 2^64.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        stir(self.0)
    }

    /// From 0 up to, but not, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        // The top bits become the fraction of a number from 1 to 2.
        f64::from_bits(0x3ff0_0000_0000_0000 | self.draw() >> 12) - 1.0
    }

    /// From `low` up to, but not, `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// From 0 up to, but not, `count`, which is not zero.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let scaled = (u128::from(self.draw()) * count as u128) >> 64;
        usize::try_from(scaled).expect("a share of a usize is smaller than it")
    }

    /// Whether something of this probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Roughly normal, of mean 0 and deviation 1, and never further out than 3.5.
    pub(crate) fn gauss(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.unit()).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// One of `items`, which are not none.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Spreads every bit of `number` over the whole of the result.
pub(crate) fn stir(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_published_numbers_of_splitmix64() {
        let mut random = Random(1_234_567);
        let drawn = [random.draw(), random.draw(), random.draw()];
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_stay_within_their_limits_and_fill_them() {
        let mut random = Random(7);
        let units: Vec<f64> = (0..10_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(units.iter().any(|unit| *unit < 0.01) && units.iter().any(|unit| *unit > 0.99));
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert!((0..10_000).all(|_| random.gauss().abs() < 3.5));
    }
}
