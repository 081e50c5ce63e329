//! Senders that wait for acknowledgements before they send more.

use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Job;

/// How often a rest is looked at, while somebody may wait for its end and while nobody does.
const CLOSE_LOOK: Duration = Duration::from_millis(1);
const LOOK: Duration = Duration::from_millis(5);

/// Who was silent for so many times as long as it is between two of its messages waits.
const GAPS: u32 = 8;

/// Messages that a broker sends before it waits, at least.
const WINDOW: usize = 10;

/// With so many, what was read of them comes in bursts.
const MANY: usize = 100;

/// Who is known to wait with fewer was silent for so long, and sent again so soon after an
/// acknowledgement.
const SILENT: Duration = Duration::from_millis(5);
const SOON: Duration = Duration::from_millis(100);

/// Who was silent for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(1);

/// What is known of the senders whose messages are acknowledged.
///
/// How many messages a sender has under way before it waits is its own affair, and not always the
/// same: brokers from ten to thousands, a tracker one. That it waits shows when it falls silent.
#[derive(Debug, Default)]
pub(super) struct Senders {
    each: FxHashMap<u64, Sender>,
    /// When the last rest ended, and what was gathered was acknowledged.
    ended_at: Option<Instant>,
    acknowledged_at: Option<Instant>,
}

#[derive(Debug)]
struct Sender {
    /// How many of its messages are gathered.
    gathered: usize,
    /// When the last of them came, and how long was looked in vain for another.
    came_at: Instant,
    silent: Duration,
    /// With how many it may wait, at least one.
    window: usize,
    /// How many were gathered when it fell silent before the last acknowledgement.
    silent_at: Option<usize>,
}

impl Senders {
    /// Takes note of jobs that came by now, after it was looked for them for so long.
    pub(super) fn note(&mut self, jobs: &[Job], now: Instant, look: Duration) {
        self.each.values_mut().for_each(|sender| sender.silent += look);
        let is_soon = self.acknowledged_at.is_some_and(|acknowledged| now - acknowledged <= SOON);
        for sender in jobs.iter().filter_map(|job| job.sender) {
            let sender = self.each.entry(sender).or_insert_with(|| Sender::new(now));
            if let Some(sent) = sender.silent_at.take().filter(|_| is_soon) {
                sender.window = sent.min(WINDOW);
            }
            sender.gathered += 1;
            sender.came_at = now;
            sender.silent = Duration::ZERO;
            sender.window = sender.window.max(sender.gathered.min(WINDOW));
        }
    }

    /// How long to wait before the next look.
    pub(super) fn look(&self) -> Duration {
        let shortest = self.each.values().filter_map(|sender| sender.patience(self.ended_at)).min();
        shortest.map_or(LOOK, |patience| (patience / 2).clamp(CLOSE_LOOK, LOOK))
    }

    /// Whether somebody waits.
    pub(super) fn somebody_waits(&self) -> bool {
        let is_silent = |sender: &Sender| {
            sender.patience(self.ended_at).is_some_and(|patience| sender.silent >= patience)
        };
        self.each.values().any(is_silent)
    }

    /// What was gathered during a rest of this length is to be committed.
    pub(super) fn end(&mut self, now: Instant, rest: Duration) {
        self.each.retain(|_, sender| now - sender.came_at < FORGET_AFTER);
        for sender in self.each.values_mut().filter(|sender| sender.gathered > 0) {
            let is_silent = now - sender.came_at >= SILENT.max(rest / 2);
            sender.silent_at = is_silent.then_some(sender.gathered);
            sender.gathered = 0;
        }
        self.ended_at = Some(now);
    }

    /// All that was gathered is acknowledged.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.acknowledged_at = Some(now);
    }
}

impl Sender {
    fn new(now: Instant) -> Self {
        let (gathered, silent, window, silent_at) = (0, Duration::ZERO, WINDOW, None);
        Self { gathered, came_at: now, silent, window, silent_at }
    }

    /// How long it can be silent without waiting, as it sent since then; none if it sent too little to
    /// wait. Who is known to wait with as few is not waited for.
    fn patience(&self, since: Option<Instant>) -> Option<Duration> {
        if self.gathered < self.window {
            return None;
        }
        let since = since.filter(|_| self.window == WINDOW);
        let sending = since.map_or(Duration::ZERO, |since| self.came_at - since);
        let gap = sending / u32::try_from(self.gathered).unwrap_or(u32::MAX);
        let least = if self.gathered < MANY { CLOSE_LOOK } else { LOOK };
        Some((gap * GAPS).max(least))
    }
}
