//! The hot functions, each on work that is always the same.
//!
//! `cargo bench --bench hot [-- NAME]` times them. `--once NAME` does one piece of work once, within a
//! function called `measured`: `scripts/test-cost` counts its instructions.

#![expect(clippy::unwrap_used, reason = "what is made up is as it was made up")]

mod work;

use criterion::{BatchSize, Criterion, Throughput};

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--names") => work::ALL.iter().for_each(|(name, _)| say(name)),
        Some("--once") => {
            let name = arguments.next().unwrap_or_default();
            let (_, work) = work::ALL.iter().find(|(known, _)| *known == name).unwrap();
            let run = work().prepare()();
            measured(run);
        }
        _ => time(&mut Criterion::default().configure_from_args()),
    }
}

fn time(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot");
    for (name, work) in work::ALL {
        let work = work();
        group.throughput(Throughput::Elements(work.elements));
        let mut prepare = work.prepare();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(&mut prepare, |run| run(), BatchSize::LargeInput);
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Its name is what callgrind looks for.
#[inline(never)]
fn measured(run: Box<dyn FnOnce()>) {
    run();
}

#[expect(clippy::print_stdout, reason = "a script reads it")]
fn say(line: &str) {
    println!("{line}");
}
