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

pub use import::Recording;
pub use record::{RecordOptions, record};
pub use replay::{Guarantee, Pace, ReplayOptions, replay};

/// How long a broker may leave a question unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Counts messages and bytes, and shows them on a terminal.
struct Progress {
    bar: ProgressBar,
    messages: u64,
    bytes: u64,
}

impl Progress {
    /// A bar that fills up to `bytes`, or one without an end. Shown on a terminal only.
    fn new(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {percent}%  {msg}"),
            None => (ProgressBar::no_length(), "{spinner} {elapsed}  {msg}"),
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, messages: 0, bytes: 0 }
    }

    /// One more message with a payload of so many bytes, done at `position`.
    fn message(&mut self, bytes: usize, position: u64) {
        self.messages += 1;
        self.bytes += bytes as u64;
        self.bar.set_position(position);
        // The text costs more than the message; the bar itself draws 20 times a second at most.
        if !self.bar.is_hidden() && (self.messages < 100 || self.messages.is_multiple_of(100)) {
            self.show();
        }
    }

    fn show(&self) {
        let rate = count_per_second(self.messages, self.bar.elapsed());
        let bytes = HumanBytes(self.bytes);
        self.bar.set_message(format!("{} messages, {bytes}, {rate:.0}/s", self.messages));
    }

    /// Clears the bar away.
    fn summary(self, done: &'static str, elapsed: Duration, remark: Option<String>) -> Summary {
        self.bar.finish_and_clear();
        Summary { done, messages: self.messages, bytes: self.bytes, elapsed, remark }
    }
}

fn count_per_second(count: u64, elapsed: Duration) -> f64 {
    u32::try_from(count).map_or(0.0, f64::from) / elapsed.as_secs_f64().max(0.001)
}
