//! How long to wait before the next attempt to connect.

use std::{
    hash::{BuildHasher, BuildHasherDefault},
    time::Duration,
};

use rustc_hash::FxHasher;

/// The pause before the first attempt: a broker that restarts is back at once.
const FIRST: Duration = Duration::from_millis(200);
/// The pause before the second; each further one is twice as long.
const SECOND: Duration = Duration::from_secs(1);
/// No pause is longer, save for the jitter.
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted this long was a good one: the pauses begin again from the shortest.
/// Two clients with one name, who throw each other out, do not get there.
const GOOD: Duration = Duration::from_secs(10);

/// Growing pauses. Those of two clients differ, so that a broker that comes back is not met by
/// all of them at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    seed: u64,
}

impl Backoff {
    /// The pauses of the client with this name.
    pub(crate) fn new(client: &str) -> Self {
        let seed = BuildHasherDefault::<FxHasher>::default().hash_one(client);
        Self { attempts: 0, seed }
    }

    /// The next pause: within a quarter of its nominal length, up or down.
    pub(crate) fn pause(&mut self) -> Duration {
        let nominal = match self.attempts {
            0 => FIRST,
            attempts => SECOND.saturating_mul(1 << (attempts - 1).min(10)).min(LONGEST),
        };
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one((self.seed, self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        // The upper bits of the hash, as a share from 0 to 1.
        let share = f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        nominal.mul_f64(0.75 + share / 2.0)
    }

    /// Takes note of how long a connection lasted.
    pub(crate) fn lasted(&mut self, connected: Duration) {
        if connected >= GOOD {
            self.attempts = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_quick_one_to_half_a_minute() {
        let mut backoff = Backoff::new("geocast");
        let pauses: Vec<_> = (0..50).map(|_| backoff.pause()).collect();
        assert!(pauses[0] < Duration::from_millis(300));
        assert!(pauses[1] >= Duration::from_millis(750));
        assert!(pauses[1..6].is_sorted());
        assert!(pauses[6..].iter().all(|pause| (22_500..=37_500).contains(&pause.as_millis())));
    }

    #[test]
    fn only_a_connection_that_lasted_makes_them_short_again() {
        let mut backoff = Backoff::new("geocast");
        for _ in 0..5 {
            backoff.pause();
        }
        backoff.lasted(Duration::from_secs(1));
        assert!(backoff.pause() > SECOND);
        backoff.lasted(Duration::from_mins(1));
        assert!(backoff.pause() < SECOND);
    }

    #[test]
    fn two_clients_do_not_knock_at_the_same_time() {
        let pauses = |client| {
            let mut backoff = Backoff::new(client);
            (0..8).map(|_| backoff.pause()).collect::<Vec<_>>()
        };
        assert_ne!(pauses("geocast-1"), pauses("geocast-2"));
    }
}
