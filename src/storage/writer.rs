//! The writer: collects what arrives during a commit and commits it at once.

use crate::domain::{Filed, Patch, Report};

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk.
    Filed(Filed),
    /// There was nothing to store: the message was refused before.
    Refused,
}

/// Called once, when the job's batch is on disk and never before: acknowledges the message.
pub type Settle = Box<dyn FnOnce(Outcome) + Send>;

/// One MQTT message on its way to the disk.
pub struct Job {
    /// What it says; none when it was refused and only waits for its turn to be acknowledged, as
    /// acknowledgements go out in the order of arrival.
    pub report: Option<Report>,
    /// How to acknowledge it.
    pub settle: Settle,
}

/// What a commit adds to the world: the patches of the packets that were new, in order.
#[derive(Debug)]
pub struct Committed {
    /// What they say.
    pub patches: Vec<Patch>,
}
