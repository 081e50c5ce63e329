//! How much one client may say.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    bucket::{Level, Rate},
    gate::Share,
    limits::Limits,
};

/// How often a client is told that it says too much.
const WARNINGS: (u32, Duration, u32) = (1, Duration::from_secs(1), 10);

/// A message that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// The client is told after how long it may say it again.
    Warn(Duration),
    /// It has been told often enough.
    Ignore,
    /// It does not listen.
    HangUp,
}

/// What one client has used up of the limits that are the same for all.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: Level,
    subscriptions: Level,
    /// As many messages may be refused as may be sent. So a client that sends a little too much
    /// loses what is too much, and one that does not care is hung up on.
    refusals: Level,
    warnings: Level,
    share: Option<Arc<Share>>,
}

impl Allowance {
    /// A full one, for a client that has this share of its address's.
    pub(super) fn new(share: Option<Arc<Share>>, now: Instant) -> Self {
        let full = Level::full(now);
        Self { messages: full, subscriptions: full, refusals: full, warnings: full, share }
    }

    /// Counts a message of any kind.
    pub(super) fn message(&mut self, limits: &Limits, now: Instant) -> Result<(), Excess> {
        let own = self.messages.take(limits.messages, now);
        let all = || self.share.as_ref().map_or(Ok(()), |share| share.message(now));
        own.and_then(|()| all()).map_err(|wait| self.refuse(wait, limits, now))
    }

    /// Counts a subscription, whose message is counted already.
    pub(super) fn subscription(&mut self, limits: &Limits, now: Instant) -> Result<(), Excess> {
        let own = self.subscriptions.take(limits.subscriptions, now);
        let all = || self.share.as_ref().map_or(Ok(()), |share| share.subscription(now));
        own.and_then(|()| all()).map_err(|wait| self.refuse(wait, limits, now))
    }

    fn refuse(&mut self, wait: Duration, limits: &Limits, now: Instant) -> Excess {
        let (count, span, burst) = WARNINGS;
        if self.refusals.take(limits.messages, now).is_err() {
            Excess::HangUp
        } else if self.warnings.take(Rate::new(count, span, burst), now).is_ok() {
            Excess::Warn(wait)
        } else {
            Excess::Ignore
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            messages: Rate::new(10, Duration::from_secs(1), 20),
            subscriptions: Rate::new(1, Duration::from_secs(1), 5),
            ..Limits::default()
        }
    }

    #[test]
    fn who_says_too_much_is_told_before_it_is_hung_up_on() {
        let now = Instant::now();
        let (limits, mut allowance) = (limits(), Allowance::new(None, now));
        let answers: Vec<_> = (0..41).map(|_| allowance.message(&limits, now)).collect();
        assert!(answers[..20].iter().all(Result::is_ok));
        assert_eq!(answers[20], Err(Excess::Warn(Duration::from_millis(100))));
        assert!(answers[30..40].iter().all(|answer| *answer == Err(Excess::Ignore)));
        assert_eq!(answers[40], Err(Excess::HangUp));
    }

    #[test]
    fn who_waits_as_told_is_heard() {
        let now = Instant::now();
        let (limits, mut allowance) = (limits(), Allowance::new(None, now));
        let refused = (0..).find_map(|_| allowance.subscription(&limits, now).err());
        let Some(Excess::Warn(wait)) = refused else { panic!("not told: {refused:?}") };
        assert_eq!(allowance.subscription(&limits, now + wait), Ok(()));
    }

    #[test]
    fn who_floods_is_hung_up_on_however_fast() {
        for per_second in [25, 100, 10_000_u32] {
            let mut now = Instant::now();
            let (limits, mut allowance) = (limits(), Allowance::new(None, now));
            let enough = (0..1_000_000).any(|_| {
                now += Duration::from_secs(1) / per_second;
                allowance.message(&limits, now) == Err(Excess::HangUp)
            });
            assert!(enough, "{per_second} a second");
        }
    }
}
