//! Bytes of a position update in frames of 50 and of 200 of them, by encoding: what the decision
//! for the binary encoding rests on.
//!
//! `cargo bench --bench position_bytes [-- RECORDING@START ..]`: recordings are .mpk files, begun
//! START seconds after 1970.

#![expect(clippy::cast_precision_loss, reason = "sizes are small")]

mod codes;
mod movement;

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use geocast::{
    broadcast::{Encoder as _, Encoding, View},
    domain::{Batch, MessageTypes, Sight, SightKind, Timestamp},
    http::TickEncoder,
};

use movement::Publish;

/// A minute past eight in the morning, when the demo's mesh is on its way.
const START: Timestamp = Timestamp::from_seconds(1_795_248_060);

fn main() -> Result<(), Box<dyn Error>> {
    say(
        "movement, updates per frame | updates | JSON | messages | varints | Rice | geocast.v1.proto",
    );
    measure("demo, 250 nodes", START, &movement::simulated(250, START, 1800)?);
    measure("demo, 5000 nodes", START, &movement::simulated(5000, START, 60)?);
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        let (path, start) = argument.split_once('@').ok_or("a recording is PATH@START")?;
        let path = Path::new(path);
        let start = Timestamp::from_seconds(start.parse()?);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        measure(&name, start, &movement::recorded(path, start)?);
    }
    Ok(())
}

fn measure(name: &str, since: Timestamp, publishes: &[Publish]) {
    for rows in [50, 200] {
        let batches = movement::ticks(publishes, since, rows);
        let updates: usize = batches.iter().map(|batch| batch.changes.len()).sum();
        if updates == 0 {
            continue;
        }
        let per_update = |bytes: usize| format!("{:.1}", bytes as f64 / updates as f64);
        let (json, json_time) = encoded(&batches, Encoding::Json);
        let (proto, proto_time) = encoded(&batches, Encoding::Proto);
        let alike = |size: fn(&[codes::Row]) -> usize| {
            let rows = batches.iter().map(codes::rows);
            per_update(rows.map(|rows| size(&rows)).sum())
        };
        say(&format!(
            "{name}, {rows} | {updates} | {} | {} | {} | {} | {}",
            per_update(json),
            alike(codes::messages),
            alike(codes::varints),
            alike(codes::rice),
            per_update(proto),
        ));
        let nanos = |time: Duration| time.as_nanos() / updates as u128;
        say(&format!(
            "    {} ns an update in JSON, {} ns in binary",
            nanos(json_time),
            nanos(proto_time)
        ));
    }
}

/// The bytes of all frames, and how long they took to write.
fn encoded(batches: &[Batch], encoding: Encoding) -> (usize, Duration) {
    let mut encoder = TickEncoder::default();
    let begun = Instant::now();
    let frames = batches.iter().flat_map(|batch| {
        let sights = (0..).take(batch.changes.len());
        let sights: Vec<_> =
            sights.map(|change| Sight { change, kind: SightKind::Update }).collect();
        let types = MessageTypes::POSITION;
        let view = View { encoding, types, sights: &sights, messages: &[], cells: &[] };
        encoder.encode(batch, &view).to_vec()
    });
    (frames.map(|frame| frame.payload_bytes()).sum(), begun.elapsed())
}

#[expect(clippy::print_stdout, reason = "what a benchmark is for")]
fn say(line: &str) {
    println!("{line}");
}
