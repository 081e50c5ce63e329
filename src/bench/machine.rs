//! The machine that measures: its cores, and who runs on which.

use std::{fs, io, thread};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
};

/// The core of the server under test.
pub const SERVER_CORE: usize = 0;

/// The core of everything that loads it.
pub const LOAD_CORE: usize = 1;

/// How many cores this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What kind of cores they are, where the system says.
pub fn model() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown", |(_, model)| model).to_owned()
}

/// Keeps this thread, and whatever it starts from now on, on one core. Answers whether it is: a
/// machine with fewer cores has no such place, nor has one that does not let programs choose.
#[cfg(target_os = "linux")]
pub fn pin(core: usize) -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return false };
    if core >= CpuSet::MAX_CPU || !allowed.is_set(core) {
        return false;
    }
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).is_ok()
}

/// This system does not let programs choose.
#[cfg(not(target_os = "linux"))]
pub fn pin(_core: usize) -> bool {
    false
}

/// Starts a program on one core, as far as the machine has it. It is killed when dropped.
pub fn start_on(core: usize, mut program: Command) -> io::Result<Child> {
    let name = program.as_std().get_program().to_string_lossy().into_owned();
    let runtime = Handle::current();
    // A child inherits the core of the thread that starts it.
    let start = || {
        let _entered = runtime.enter();
        pin(core);
        program.kill_on_drop(true).spawn()
    };
    let started = thread::scope(|scope| scope.spawn(start).join());
    let started = started.unwrap_or_else(|_panic| Err(io::Error::other("did not start")));
    started.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_no_place() {
        assert!(!pin(usize::MAX));
        assert!(!pin(1000));
    }
}
