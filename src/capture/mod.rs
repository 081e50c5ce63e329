//! Capture: records what a broker says into a file, and says it again, to a broker or to storage.
//!
//! Recordings are for tests, demonstrations and the study of a problem. The format stands in
//! [`mpk`] and in `docs/capture.md`.

mod import;
pub mod mpk;
mod record;
mod replay;

use std::{fmt, time::Duration};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tracing::info;

pub use import::Recording;
pub use record::{RecordOptions, record};
pub use replay::{Guarantee, Pace, ReplayOptions, replay};

/// How long a broker may leave a question unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two lines about the progress where no bar can be seen.
const LINES_APART: Duration = Duration::from_secs(10);

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `recorded`, `published` or `imported`.
    pub done: &'static str,
    /// How many messages.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What else there is to know, for people.
    pub remark: Option<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, messages, elapsed, remark, .. } = self;
        write!(f, "{done} {messages} messages in {:.1} s", elapsed.as_secs_f64())?;
        match remark {
            Some(remark) => write!(f, " ({remark})"),
            None => Ok(()),
        }
    }
}

/// Counts messages and bytes, and shows them on a terminal. Elsewhere, what has an end is told in
/// lines of the log.
struct Progress {
    bar: ProgressBar,
    messages: u64,
    bytes: u64,
    told: Duration,
}

impl Progress {
    /// A bar that fills up to `bytes`, or one without an end.
    fn new(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {percent}%  {msg}"),
            None => (ProgressBar::no_length(), "{spinner} {elapsed}  {msg}"),
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, messages: 0, bytes: 0, told: Duration::ZERO }
    }

    /// One more message with a payload of so many bytes, done at `position`.
    fn message(&mut self, bytes: usize, position: u64) {
        self.messages += 1;
        self.bytes += bytes as u64;
        self.bar.set_position(position);
        // The text costs more than the message; the bar itself draws 20 times a second at most.
        if self.messages < 100 || self.messages.is_multiple_of(100) {
            if self.bar.is_hidden() {
                self.tell();
            } else {
                self.show();
            }
        }
    }

    fn show(&self) {
        self.bar.set_message(self.to_string());
    }

    fn tell(&mut self) {
        let elapsed = self.bar.elapsed();
        if let Some(length) = self.bar.length()
            && elapsed >= self.told + LINES_APART
        {
            self.told = elapsed;
            let percent = self.bar.position() * 100 / length.max(1);
            info!("{percent}%: {self}");
        }
    }

    /// Clears the bar away.
    fn summary(self, done: &'static str, elapsed: Duration, remark: Option<String>) -> Summary {
        self.bar.finish_and_clear();
        Summary { done, messages: self.messages, bytes: self.bytes, elapsed, remark }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = count_per_second(self.messages, self.bar.elapsed());
        write!(f, "{} messages, {}, {rate:.0}/s", self.messages, HumanBytes(self.bytes))
    }
}

fn count_per_second(count: u64, elapsed: Duration) -> f64 {
    u32::try_from(count).map_or(0.0, f64::from) / elapsed.as_secs_f64().max(0.001)
}
