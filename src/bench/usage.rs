//! What a process uses, as Linux counts it: CPU time and memory.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of a process up to a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// All of it.
    pub total: Duration,
    /// What was spent in the kernel for it; in hundredths of a second.
    pub system: Duration,
    /// How long it could have run and no core was free.
    pub waited: Duration,
}

impl Cpu {
    /// What was spent since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            system: self.system.saturating_sub(earlier.system),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Everything of it that lies in memory.
    pub resident_bytes: u64,
    /// What it allocated itself: not the program and no files.
    pub own_bytes: u64,
}

/// CPU time that a process has spent: fields 14 and 15 of `proc_pid_stat(5)`, and the nanoseconds
/// of its tasks where the kernel counts those.
pub fn cpu_of(process: u32) -> anyhow::Result<Cpu> {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} cannot be watched: that needs Linux"))?;
    // The name in the second field may hold anything; what follows it is numbers.
    let (_, fields) = stat.rsplit_once(')').context("no name in its stat")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let mut time = || Some(TICK * ticks.next()?.ok()?);
    let (user, system) = time().zip(time()).context("no times in its stat")?;
    let (total, waited) = tasks_of(process).unwrap_or((user + system, Duration::ZERO));
    Ok(Cpu { total, system, waited })
}

/// The time that the tasks of a process ran, and that they waited for a core.
fn tasks_of(process: u32) -> Option<(Duration, Duration)> {
    let (mut ran, mut waited) = (Duration::ZERO, Duration::ZERO);
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        // A task that has just ended has no file any more.
        let path = task.ok()?.path().join("schedstat");
        let Ok(told) = fs::read_to_string(path) else { continue };
        let mut ns = told.split_whitespace().map(|ns| ns.parse().map(Duration::from_nanos));
        ran += ns.next()?.ok()?;
        waited += ns.next()?.ok()?;
    }
    (!ran.is_zero()).then_some((ran, waited))
}

/// The memory of a process now.
pub fn memory_of(process: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .with_context(|| format!("process {process} cannot be watched: that needs Linux"))?;
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib << 10)
    };
    let resident_bytes = bytes("VmRSS:").context("no VmRSS in its status")?;
    let own_bytes = bytes("RssAnon:").context("no RssAnon in its status")?;
    Ok(Memory { resident_bytes, own_bytes })
}

/// Nanoseconds on the clock that all processes of a machine share and nobody sets.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Lets this process and those it starts from now on open as many files and sockets as it may.
/// Answers how many that are.
pub fn open_many_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.or(limit.current).unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(_) => limit.current.unwrap_or(most),
    }
}

/// How many sockets a process may open, beside its database, its log and the like.
pub fn most_sockets() -> usize {
    const OTHERS: u64 = 100;
    open_many_files().saturating_sub(OTHERS).try_into().unwrap_or(usize::MAX)
}

/// Whether so many sockets can be open.
pub fn ensure_files(sockets: usize) -> anyhow::Result<()> {
    let most = most_sockets();
    ensure!(
        sockets <= most,
        "{sockets} connections are more than the {most} that a process may open here (ulimit -Hn)"
    );
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses_is_known() {
        let before = cpu_of(std::process::id()).unwrap();
        let began = now_ns();
        let mut held = vec![1_u8; 50 << 20];
        while cpu_of(std::process::id()).unwrap().since(before).total.is_zero() {
            for byte in &mut held {
                *byte ^= 1;
            }
        }
        assert!(now_ns() > began);
        let memory = memory_of(std::process::id()).unwrap();
        assert!(memory.own_bytes > 40 << 20 && memory.resident_bytes >= memory.own_bytes);
        assert!(held.iter().all(|byte| *byte <= 1));
    }
}

/// CPU time of this thread, in milliseconds.
pub(super) fn spent_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
