//! The plan of the house, enforced: who may import whom, and who may say the name of which crate.
//!
//! Plain text matching: it sees `crate::room::..` and `geocast::room::..`, nested or not, outside
//! comments, strings and inline tests. It does not see `super::super::` or what macros expand to.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every room, and the doors that it may use: a room, or one item of a room.
const PLAN: &[(&str, &str)] = &[
    ("main", "app bench config domain::Clock domain::Timestamp maintenance telemetry"),
    (
        "app",
        "capture config demo domain http ingest rooms storage telemetry::Counters warden wiring",
    ),
    ("wiring", "broadcast config domain http ingest rooms storage warden"),
    ("warden", "domain ingest storage"),
    ("bench", "broadcast capture config demo domain http ingest storage"),
    ("maintenance", "capture config domain ingest storage wiring"),
    ("rooms", ""),
    ("select", ""),
    ("outbound", ""),
    ("http", "broadcast domain outbound storage"),
    ("broadcast", "domain"),
    ("ingest", "domain storage::Job storage::Outcome storage::Settle"),
    ("storage", "domain"),
    ("capture", "domain ingest::Decode ingest::Intake ingest::MqttUrl ingest::mqtt storage::Job"),
    ("demo", "domain"),
    ("domain", ""),
    ("config", ""),
    ("telemetry", "config domain::Clock outbound"),
];

/// Crates that only these files say the name of.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rumqttc", MQTT),
    ("mqtt5", MQTT),
    ("sqlx", &["storage/sql/", "storage/sqlite/", "storage/postgres/"]),
    ("axum", &["http/"]),
    ("hyper", &["http/", "outbound", "telemetry/export"]),
    ("tokio_tungstenite", &["http/"]),
    ("tungstenite", &["http/"]),
];
const MQTT: &[&str] = &["ingest/mqtt", "ingest/broker", "capture", "demo"];

/// What the pure room may use of what Cargo.toml names; everything else there is forbidden.
const PURE_CRATES: &[&str] = &["geo", "rstar", "rustc_hash", "thiserror"];
/// And of the language and its library.
const IMPURE: &[&str] = &["async", "await", "SystemTime", "Instant", "fs", "net", "env", "thread"];

#[test]
fn every_room_is_planned_and_uses_only_the_doors_it_was_given() {
    let mut wrong = Vec::new();
    for file in sources() {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        if room == "lib" {
            continue;
        }
        let Some((_, allowed)) = PLAN.iter().find(|(planned, _)| *planned == room) else {
            wrong.push(format!("src/{file}: nobody planned a room {room}"));
            continue;
        };
        for door in doors(&read(&format!("src/{file}"))) {
            let through = |way: &str| door == way || door.starts_with(&format!("{way}::"));
            if !allowed.split(' ').chain([room]).any(through) {
                wrong.push(format!("src/{file}: {room} may not use {door}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_files_at_a_border_say_the_name_of_what_lies_beyond() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = code(&read(&format!("src/{file}")));
        for (name, places) in ONLY_IN {
            let at_the_border = places.iter().any(|place| file.starts_with(place));
            if !at_the_border && says(&text, &format!("{name}::")) {
                wrong.push(format!("src/{file}: only {places:?} may say {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn routes_are_made_in_their_table_only_where_each_states_its_rule() {
    let makers = sources().into_iter().filter(|file| {
        let text = code(&read(&format!("src/{file}")));
        text.contains("Router::new(") || text.contains("Router::default(")
    });
    // The others show nothing of the map: one is for tests of sockets alone, and one answers while
    // there is no database.
    let expected = ["http/access/routes.rs", "http/echo.rs", "http/waiting.rs"];
    assert_eq!(makers.collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies(&read("Cargo.toml"));
    assert!(dependencies.contains("tokio"), "Cargo.toml was not understood: {dependencies:?}");
    let mut wrong = Vec::new();
    let is_pure = |file: &&String| file.starts_with("domain/") && !file.ends_with("/tests.rs");
    for file in sources().iter().filter(is_pure) {
        let text = code(&read(&format!("src/{file}")));
        let foreign = dependencies.iter().filter(|name| !PURE_CRATES.contains(&name.as_str()));
        let forbidden = foreign.map(|name| format!("{name}::"));
        for name in forbidden.chain(IMPURE.iter().copied().map(str::to_owned)) {
            if says(&text, &name) {
                wrong.push(format!("src/{file}: domain may not say {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let names = names_in("docs/decisions");
    let numbers: Vec<_> = names.iter().map(|name| name.split('-').next().unwrap_or("")).collect();
    let wanted: Vec<_> = (1..=names.len()).map(|number| format!("{number:04}")).collect();
    assert_eq!(numbers, wanted, "in docs/decisions");
}

#[test]
fn the_migrations_of_both_databases_carry_the_same_names() {
    if root().join("migrations/postgres").exists() {
        assert_eq!(names_in("migrations/sqlite"), names_in("migrations/postgres"));
    }
}

#[test]
fn a_forbidden_door_is_found_however_it_is_written() {
    let text = "use crate::{a::{B, c::{D,},}, e,}; // crate::f\n\
        pub(crate) fn g() -> crate::h::I { \"crate::j\"; geocast::k::L }\n\
        #[cfg(test)]\nmod tests { use crate::m; }";
    assert_eq!(doors(text), ["a::B", "a::c::D", "e", "h::I", "k::L"]);
}

#[test]
fn a_name_is_found_as_a_word_and_not_in_comments_or_strings() {
    let text =
        code("a('\"'); r#\"sqlx \" sqlx\"#; /* sqlx */ \"\\\"sqlx\"; my_sqlx; x.await?; // sqlx");
    assert!(!says(&text, "sqlx"), "{text}");
    assert!(says(&text, "await"), "{text}");
}

/// The paths behind every `crate::` and `geocast::`, groups spread out.
fn doors(text: &str) -> Vec<String> {
    let text = code(text);
    let mut doors = Vec::new();
    for root in ["crate::", "geocast::"] {
        for (at, _) in text.match_indices(root) {
            if !text[..at].ends_with(in_a_word) {
                spread(&text[at + root.len()..], "", &mut doors);
            }
        }
    }
    doors
}

/// Adds the paths of one use tree; answers with what follows it.
fn spread<'a>(tree: &'a str, before: &str, doors: &mut Vec<String>) -> &'a str {
    let tree = tree.trim_start();
    if let Some(mut group) = tree.strip_prefix('{') {
        loop {
            group = spread(group, before, doors).trim_start();
            match group.strip_prefix(',') {
                Some(rest) => match rest.trim_start().strip_prefix('}') {
                    Some(after) => return after,
                    None => group = rest,
                },
                None => return group.strip_prefix('}').unwrap_or(group),
            }
        }
    }
    let (word, rest) = tree.split_at(tree.find(|c| !in_a_word(c)).unwrap_or(tree.len()));
    let path = format!("{before}{word}");
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|c| in_a_word(c) || c == '{') => {
            spread(rest, &format!("{path}::"), doors)
        }
        _ => {
            doors.push(path);
            // Past `as name` and the like, to what ends this branch.
            &rest[rest.find([',', '}', ';']).unwrap_or(rest.len())..]
        }
    }
}

/// A source without its comments, the contents of its strings, and its inline tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let ends = |open: usize, end: &str| {
            rest[open..].find(end).map_or(rest.len(), |at| open + at + end.len())
        };
        let skipped = if rest.starts_with("//") {
            ends(2, "\n") - 1
        } else if rest.starts_with("/*") {
            ends(2, "*/")
        } else if rest.starts_with("r#\"") {
            ends(3, "\"#")
        } else if rest.starts_with("'\"'") {
            3
        } else if c == '"' {
            let mut escaped = false;
            let close = rest[1..].find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            close.map_or(rest.len(), |at| at + 2)
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// Whether a word, or the name of a crate with `::` behind it, stands in a text and not as a part
/// of a longer word.
fn says(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = &text[at + word.len()..];
        !text[..at].ends_with(in_a_word) && (word.ends_with(':') || !after.starts_with(in_a_word))
    })
}

fn in_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The names that Cargo.toml gives to dependencies of any kind, as code says them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            names.insert(name.replace('-', "_"));
        }
    }
    names
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of what stands in a folder, in order.
fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<_> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// Every Rust file below src, as a path from there.
fn sources() -> Vec<String> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    assert!(!files.is_empty(), "no sources in {}", src.display());
    files.iter().filter_map(|f| f.strip_prefix(&src).ok()?.to_str().map(str::to_owned)).collect()
}
