//! The beat: moments that all connections share, so that what is due to many of them is done at once.

use std::time::Duration;

use tokio::time::Instant;

/// Steps in the time from one heartbeat to the next.
const STEPS: u32 = 30;

/// Moments at even distances. A timer for each connection at a moment of its own would wake the
/// server for each of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    began: Instant,
    step: Duration,
}

impl Beat {
    /// Begins now, in steps that are short beside `heartbeat`.
    pub(super) fn new(now: Instant, heartbeat: Duration) -> Self {
        Self { began: now, step: (heartbeat / STEPS).max(Duration::from_millis(1)) }
    }

    /// The first moment that is not before `due`.
    pub(super) fn at(&self, due: Instant) -> Instant {
        let since = due.saturating_duration_since(self.began);
        let over = since.as_nanos() % self.step.as_nanos();
        let wait = if over == 0 { 0 } else { self.step.as_nanos() - over };
        due + Duration::from_nanos(u64::try_from(wait).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_almost_the_same_time_is_done_at_once_and_not_too_early() {
        let now = Instant::now();
        let beat = Beat::new(now, Duration::from_secs(30));
        let at = |ms| beat.at(now + Duration::from_millis(ms)) - now;
        assert_eq!([0, 1, 500, 1000].map(at).map(|at| at.as_millis()), [0, 1000, 1000, 1000]);
        assert_eq!(at(30_001).as_secs(), 31);
        assert_eq!(beat.at(now - Duration::from_secs(9)), now - Duration::from_secs(9));
    }
}
