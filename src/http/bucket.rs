//! Token buckets: how often something may happen. Pure; the time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// How often something may happen in the long run, and how often at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The pause between two in the long run.
    pause: Duration,
    /// How many at once, after a quiet time.
    burst: u32,
}

impl Rate {
    /// `count` in each `span`, and `burst` of them at once; neither is less than one.
    pub fn new(count: u32, span: Duration, burst: u32) -> Self {
        Self { pause: span / count.max(1), burst: burst.max(1) }
    }

    /// How often at once, and how long it takes until that may happen again.
    pub(super) fn quota(self) -> (u32, Duration) {
        (self.burst, self.pause * self.burst)
    }
}

/// Tokens that are taken one by one and come back at their rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    level: Level,
}

/// How full a bucket is whose rate stands somewhere else: as when many have the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// When it will be full again, if no more are taken.
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) const fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: Level::full(now) }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.level.take(self.rate, now)
    }

    /// How many may be taken now, and how long it takes until it is full.
    pub(super) fn left(&self, now: Instant) -> (u32, Duration) {
        let missing = self.level.full_at.saturating_duration_since(now);
        let pause = self.rate.pause.as_nanos().max(1);
        let taken = u32::try_from(missing.as_nanos().div_ceil(pause)).unwrap_or(u32::MAX);
        (self.rate.burst.saturating_sub(taken), missing)
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.level.full_at <= now
    }
}

impl Level {
    /// That of a full one.
    pub(super) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + rate.pause;
        let missing = full_at - now;
        match missing.checked_sub(rate.pause * rate.burst) {
            None | Some(Duration::ZERO) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_at_once_and_the_next_waits_for_its_token() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Rate::new(10, SECOND, 3), now);
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        let wait = SECOND / 10;
        assert_eq!(bucket.take(now), Err(wait));
        assert_eq!(bucket.take(now + wait / 2), Err(wait / 2));
        assert_eq!(bucket.take(now + wait), Ok(()));
    }

    #[test]
    fn a_quiet_time_fills_it_and_no_more() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Rate::new(10, SECOND, 3), now);
        assert!(bucket.is_full(now));
        bucket.take(now).unwrap();
        assert!(!bucket.is_full(now));
        let later = now + 100 * SECOND;
        assert!(bucket.is_full(later));
        assert_eq!((0..10).filter(|_| bucket.take(later).is_ok()).count(), 3);
    }

    proptest! {
        #[test]
        fn in_any_window_passes_at_most_the_burst_and_the_rate(
            count in 1_u32..1000,
            burst in 1_u32..1000,
            steps_ms in prop::collection::vec(0_u64..200, 1..400),
        ) {
            let rate = Rate::new(count, SECOND, burst);
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, start);
            let mut now = start;
            let mut passed = Vec::new();
            for step in steps_ms {
                now += Duration::from_millis(step);
                if bucket.take(now).is_ok() {
                    passed.push(now);
                }
            }
            for (index, from) in passed.iter().enumerate() {
                for (more, to) in passed[index..].iter().enumerate() {
                    let allowed = rate.pause * burst + (*to - *from);
                    prop_assert!(rate.pause * u32::try_from(more + 1).unwrap() <= allowed);
                }
            }
        }

        #[test]
        fn who_waits_as_told_passes(
            count in 1_u32..1000,
            burst in 1_u32..20,
            steps_ms in prop::collection::vec(0_u64..50, 1..100),
        ) {
            let mut now = Instant::now();
            let mut bucket = Bucket::new(Rate::new(count, SECOND, burst), now);
            for step in steps_ms {
                now += Duration::from_millis(step);
                if let Err(wait) = bucket.take(now) {
                    prop_assert!(wait > Duration::ZERO && wait <= SECOND / count);
                    prop_assert!(bucket.take(now + wait - Duration::from_nanos(1)).is_err());
                    now += wait;
                    prop_assert_eq!(bucket.take(now), Ok(()));
                }
            }
        }
    }
}
