//! What the targets begin with.

use std::{collections::BTreeSet, fs, path::Path};

const MAX_BYTES: u64 = 100_000;

#[test]
fn every_target_has_seeds_and_they_are_small() {
    let targets: BTreeSet<_> = names_in("fuzz_targets")
        .iter()
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .collect();
    let seeded: BTreeSet<_> = names_in("seeds").into_iter().collect();
    assert_eq!(seeded, targets);
    let size = |target, seed: String| {
        let path = root().join(format!("seeds/{target}/{seed}"));
        fs::metadata(&path).expect("it was listed").len()
    };
    let bytes: u64 = targets
        .iter()
        .flat_map(|target| {
            let seeds = names_in(&format!("seeds/{target}"));
            assert!(!seeds.is_empty(), "{target} has no seed");
            seeds.into_iter().map(move |seed| size(target, seed))
        })
        .sum();
    assert!(bytes <= MAX_BYTES, "{bytes} bytes of seeds");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect(folder);
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
