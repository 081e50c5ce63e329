//! Moments, and the rule that decides which of two statements is the newer one.

use std::{sync::Arc, time::Duration};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `seconds` seconds after 1970, as radios state theirs.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(seconds as i64 * 1000)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `span` later; the end of time if that is nearer.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where rooms read the time: an argument, so that tests can hold the hands.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that shows what `read` returns.
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// When a statement about a node was true, and by whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The source time: the node's own, or `heard` where it stated none that is plausible.
    pub time: Timestamp,
    /// When the packet was heard, by the clock of the gateway or of this server.
    pub heard: Timestamp,
    /// Whether `time` is by the node's own clock.
    pub own_clock: bool,
}

impl Stamp {
    /// A statement without a time of its own.
    pub const fn heard(heard: Timestamp) -> Self {
        Self { time: heard, heard, own_clock: false }
    }

    /// A statement that the node itself dated.
    pub const fn dated(time: Timestamp, heard: Timestamp) -> Self {
        Self { time, heard, own_clock: true }
    }

    /// Whether a statement with this stamp replaces one with `held`: the newest source time wins,
    /// and of two equal ones the later to arrive.
    ///
    /// Two times are compared only when one kind of clock made both. A node whose clock runs a
    /// month behind would otherwise stand still from its first undated position on.
    pub fn supersedes(&self, held: &Self) -> bool {
        if self.own_clock == held.own_clock {
            self.time >= held.time
        } else {
            self.heard >= held.heard
        }
    }
}
