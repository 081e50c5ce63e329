//! CPU time of processes, as Linux counts it.

use std::{
    error::Error,
    time::{Duration, Instant},
};

/// What something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Of all threads, user and system.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// Counts from now on.
pub(crate) struct Meter {
    process: String,
    cpu: Duration,
    begun: Instant,
}

impl Meter {
    /// Of the process with this id, or of this one as `self`.
    pub(crate) fn of(process: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self { cpu: spent(process)?, process: process.to_owned(), begun: Instant::now() })
    }

    pub(crate) fn read(&self) -> Result<Cost, Box<dyn Error>> {
        let cpu = spent(&self.process)?.saturating_sub(self.cpu);
        Ok(Cost { cpu, wall: self.begun.elapsed() })
    }
}

/// Fields 14 and 15 of `proc_pid_stat(5)`, in hundredths of a second.
fn spent(process: &str) -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in the second field may hold anything; what follows it is numbers.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
