//! Attempts that failed, by address: so that nobody guesses for long.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Denied;
use crate::http::{
    bucket::{Bucket, Rate},
    client::network_of,
};

/// Attempts of one address that may fail: so many at once, and one more in each of these spans.
const BURST: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);

/// Most addresses that are remembered. When there are more, the rested are forgotten, and if that
/// is not enough, all.
const MOST: usize = 10_000;

/// What each address may still get wrong.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, Bucket>>);

impl Failures {
    /// Whether an address may try again, or after how long.
    pub(super) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Denied> {
        let bucket = self.lock().get(&network_of(address)).copied();
        let Some(mut bucket) = bucket else { return Ok(()) };
        // Looked at, and not taken from.
        bucket.take(now).map_err(Denied::TooManyAttempts)
    }

    /// An attempt failed.
    pub(super) fn count(&self, address: IpAddr, now: Instant) {
        let mut buckets = self.lock();
        if buckets.len() >= MOST {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= MOST {
                buckets.clear();
            }
        }
        let full = || Bucket::new(Rate::new(1, PAUSE, BURST), now);
        // One that is empty already stays so.
        let _ = buckets.entry(network_of(address)).or_insert_with(full).take(now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Bucket>> {
        // Nothing that is done under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_has_to_wait_and_others_do_not() {
        let failures = Failures::default();
        let now = Instant::now();
        let [guesser, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        for _ in 0..BURST {
            assert_eq!(failures.check(guesser, now), Ok(()));
            failures.count(guesser, now);
        }
        assert_eq!(failures.check(guesser, now), Err(Denied::TooManyAttempts(PAUSE)));
        assert_eq!(failures.check(other, now), Ok(()));
        assert_eq!(failures.check(guesser, now + PAUSE), Ok(()));
    }
}
