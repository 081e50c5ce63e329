//! What a tick costs, counted and not timed: allocations, and bytes on the wire. The numbers are the
//! same on every machine, so a change that costs more is seen, however loaded the machine is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod house;
mod story;

use allocation_counter::measure;
use bytes::Bytes;
use geocast::{
    broadcast::{Encoding, Frame},
    domain::{Filter, MessageTypes},
};

use house::House;
use story::{Mesh, far_away, town, viewport};

const NODES: usize = 600;
const MOVING: usize = 300;
const TICKS: usize = 5;
/// Each with a viewport of its own.
const CLIENTS: u32 = 10;

fn positions_within(viewport: geocast::domain::Area) -> Filter {
    let types = MessageTypes::POSITION;
    Filter { bounds: Some(viewport), types, ..Filter::default() }
}

/// Position updates in frames of JSON.
fn updates(frames: &[Frame]) -> usize {
    let frames = frames
        .iter()
        .map(|frame| -> serde_json::Value { serde_json::from_slice(&frame.whole()).unwrap() });
    frames.map(|frame| frame["positions"].as_array().map_or(0, Vec::len)).sum()
}

/// What a story costs.
#[derive(Debug, Default)]
struct Cost {
    allocations: u64,
    bytes: usize,
    frames: usize,
    updates: usize,
}

/// Tells the story to clients that see about a quarter of the town each, to as many who all look at
/// all of it, and to `elsewhere` others who see nothing.
fn tell(encoding: Encoding, elsewhere: u32) -> Cost {
    let mut mesh = Mesh::new(NODES);
    let mut house = House::open(&mut mesh);
    for client in 0..CLIENTS {
        house.look(encoding, positions_within(viewport(client, 4)));
    }
    for _ in 0..CLIENTS {
        let types = MessageTypes::POSITION;
        house.look(encoding, Filter { types, ..Filter::default() });
    }
    for client in 0..elsewhere {
        house.look(encoding, positions_within(far_away(client)));
    }
    let seeing = 2 * CLIENTS as usize;
    // What stays allocated from tick to tick is there after the first.
    house.tick(mesh.moves(MOVING), seeing);
    let mut cost = Cost::default();
    for _ in 0..TICKS {
        let patches = mesh.moves(MOVING);
        let mut frames = Vec::new();
        cost.allocations += measure(|| frames = house.tick(patches, seeing)).count_total;
        cost.frames += frames.len();
        cost.bytes += frames.iter().map(Frame::payload_bytes).sum::<usize>();
        if encoding == Encoding::Json {
            cost.updates += updates(&frames);
        }
    }
    cost
}

fn assert_near(found: f64, recorded: f64, what: &str) {
    let tolerance = recorded * 0.03;
    assert!((found - recorded).abs() <= tolerance, "{what}: {found:.3}, recorded is {recorded}");
}

#[test]
fn a_tick_allocates_as_much_as_is_written_down() {
    let json = tell(Encoding::Json, 0);
    let proto = tell(Encoding::Proto, 0);
    let recorded = [(json.allocations, 1573.2, 0.419), (proto.allocations, 1292.8, 0.344)];
    for (cost, per_tick, per_update) in recorded {
        let found = cost as f64;
        assert_near(found / TICKS as f64, per_tick, "allocations per tick");
        assert_near(found / json.updates as f64, per_update, "allocations per delivered update");
    }
}

#[test]
fn clients_who_see_nothing_allocate_nothing() {
    let (few, many) = (tell(Encoding::Proto, 0), tell(Encoding::Proto, 500));
    assert_eq!(few.bytes, many.bytes);
    assert_eq!(few.allocations, many.allocations);
}

#[test]
fn the_story_has_as_many_bytes_on_the_wire_as_are_written_down() {
    let json = tell(Encoding::Json, 0);
    assert_eq!((json.updates, json.frames, json.bytes), (18_771, 112, 3_239_135));
    let proto = tell(Encoding::Proto, 0);
    assert_eq!((proto.frames, proto.bytes), (112, 144_429));
    assert!(json.updates / json.frames >= 50, "frames are too small to say much");
    let per_update = proto.bytes as f64 / json.updates as f64;
    assert!(per_update <= 12.0, "{per_update:.1} bytes per position update");
}

#[test]
fn a_picture_that_was_written_before_is_handed_out_without_a_copy() {
    let mut mesh = Mesh::new(NODES);
    let mut house = House::open(&mut mesh);
    let bytes = |parts: &[Bytes]| parts.iter().map(Bytes::len).sum::<usize>();
    let forms =
        [(Encoding::Json, false, 400), (Encoding::Proto, false, 110), (Encoding::Proto, true, 36)];
    for (encoding, in_columns, node_bytes) in forms {
        let whole = bytes(&house.picture(encoding, in_columns, Filter::default()));
        let each = whole / NODES;
        assert!((node_bytes / 2..=node_bytes).contains(&each), "{each} bytes a node");
        // Not the same view, and it shows all the same.
        let here = Filter { bounds: Some(town()), ..Filter::default() };
        let mut parts = Vec::new();
        let measured = measure(|| parts = house.picture(encoding, in_columns, here));
        assert_eq!(bytes(&parts), whole);
        let allocated = measured.bytes_total;
        assert!(allocated < 6_000, "{allocated} bytes for a picture of {whole}");
    }
}
