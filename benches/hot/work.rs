//! What is measured: each function with its input, made ready before.

use std::{cell::RefCell, hint::black_box, rc::Rc, time::Duration};

use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher};
use geocast::{
    broadcast::{Encoder as _, Encoding, View},
    demo::{model::Population, routes::Region, simulator::Simulator},
    domain::{
        Area, Batch, Bounds, Change, Filter, Lifetimes, MessageTypes, Motion, Network, NodeId,
        Patch, Place, Position, Sight, SightKind, Stamp, Timestamp, Viewports, Way, World,
    },
    http::TickEncoder,
    ingest::{ChannelKeys, Decode as _, Decoder},
};

/// Something to measure.
pub(crate) struct Work {
    /// Pieces that it works on.
    pub(crate) elements: u64,
    prepare: Prepare,
}

/// Makes the next run ready, which is then measured.
pub(crate) type Prepare = Box<dyn FnMut() -> Box<dyn FnOnce()>>;

impl Work {
    fn new(elements: u32, prepare: impl FnMut() -> Box<dyn FnOnce()> + 'static) -> Self {
        Self { elements: elements.into(), prepare: Box::new(prepare) }
    }

    pub(crate) fn prepare(self) -> Prepare {
        self.prepare
    }
}

/// A name, and how to make its work ready.
type Named = (&'static str, fn() -> Work);

pub(crate) const ALL: [Named; 10] = [
    ("decode", decode),
    ("decrypt", decrypt),
    ("merge", merge),
    ("seal", seal),
    ("match-sparse", || join(Way::Ask, 100)),
    ("match-dense", || join(Way::Pack, NODES)),
    ("encode-json", || encode(Encoding::Json)),
    ("encode-binary", || encode(Encoding::Proto)),
    ("columns", columns),
    ("catch-up", catch_up),
];

const NODES: u32 = 500;
const WATCHERS: u32 = 500;
const PACKETS: u32 = 100;
const START: Timestamp = Timestamp::from_seconds(1_795_248_060);
const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(24),
    forget_after: Duration::from_hours(24),
    tombstones: Duration::from_hours(24),
};

/// From encrypted publishes to reports.
fn decode() -> Work {
    let mut simulator =
        Simulator::new(Population::new(&Region::rhine().unwrap(), 200, 7), 7, START);
    let publishes: Rc<Vec<_>> = Rc::new(
        simulator
            .past()
            .iter()
            .flat_map(|event| simulator.publish(event))
            .map(|publication| publication.frame)
            .take(PACKETS as usize)
            .collect(),
    );
    Work::new(PACKETS, move || {
        let publishes = Rc::clone(&publishes);
        let decoder = Decoder::new(ChannelKeys::new([]));
        Box::new(move || {
            for publish in &*publishes {
                let _ = black_box(decoder.decode(&publish.topic, &publish.payload, START));
            }
        })
    })
}

/// AES in counter mode on as many bytes as a packet has.
fn decrypt() -> Work {
    Work::new(PACKETS, || {
        let mut packets = vec![[1_u8; 60]; PACKETS as usize];
        Box::new(move || {
            for packet in &mut packets {
                let mut cipher = ctr::Ctr128BE::<Aes128>::new(&[7; 16].into(), &[9; 16].into());
                cipher.apply_keystream(packet);
            }
            black_box(&packets);
        })
    })
}

/// Packets into the world.
fn merge() -> Work {
    let (world, mut turn) = (Rc::new(RefCell::new(full_world())), 0);
    Work::new(NODES, move || {
        turn += 1;
        world.borrow_mut().seal();
        let (world, patches) = (Rc::clone(&world), patches(turn));
        Box::new(move || {
            let mut world = world.borrow_mut();
            for patch in &patches {
                world.apply(patch, patch.heard);
            }
        })
    })
}

/// What is pending into a batch.
fn seal() -> Work {
    let (world, mut turn) = (Rc::new(RefCell::new(full_world())), 0);
    Work::new(NODES, move || {
        turn += 1;
        for patch in patches(turn) {
            world.borrow_mut().apply(&patch, patch.heard);
        }
        let world = Rc::clone(&world);
        Box::new(move || drop(black_box(world.borrow_mut().seal())))
    })
}

/// Viewports and changes.
fn join(way: Way, changes: u32) -> Work {
    let mut viewports = Viewports::default();
    for watcher in 0..WATCHERS {
        viewports.insert(watcher, &viewport(watcher));
    }
    let viewports = Rc::new(RefCell::new(viewports));
    Work::new(changes, move || {
        let viewports = Rc::clone(&viewports);
        let motions: Vec<_> = (0..changes)
            .map(|node| Motion { before: Some(place(node, 1)), after: Some(place(node, 2)) })
            .collect();
        Box::new(move || {
            let mut pairs = 0;
            viewports.borrow_mut().join_by(way, &motions, |pair| pairs += black_box(pair).change);
            black_box(pairs);
        })
    })
}

/// The frames of a view of moved nodes.
fn encode(encoding: Encoding) -> Work {
    let mut world = full_world();
    for patch in patches(1) {
        world.apply(&patch, patch.heard);
    }
    let batch: Rc<Batch> = Rc::new(world.seal().unwrap());
    let sights = (0..)
        .zip(&batch.changes)
        .map(|(change, _): (u32, &Change)| Sight { change, kind: SightKind::Update });
    let sights: Rc<[Sight]> = sights.collect();
    Work::new(NODES, move || {
        let (batch, sights) = (Rc::clone(&batch), Rc::clone(&sights));
        let mut encoder = TickEncoder::default();
        Box::new(move || {
            let types = MessageTypes::POSITION;
            let view = View { encoding, types, sights: &sights, messages: &[], cells: &[] };
            black_box(encoder.encode(&batch, &view));
        })
    })
}

/// Whole records of all nodes, as they stand in a picture.
fn columns() -> Work {
    let nodes: Rc<Vec<_>> = Rc::new(full_world().nodes().cloned().collect());
    Work::new(NODES, move || {
        let nodes = Rc::clone(&nodes);
        Box::new(move || {
            for page in nodes.chunks(100) {
                black_box(TickEncoder::columns(page.iter().map(|node| &**node)));
            }
        })
    })
}

/// What a client misses who was away for a turn.
fn catch_up() -> Work {
    let mut world = full_world();
    let cursor = world.revision();
    for patch in patches(1) {
        world.apply(&patch, patch.heard);
    }
    world.seal();
    let world = Rc::new(world);
    let filter = Filter { bounds: Some(viewport(7)), ..Filter::default() };
    Work::new(NODES, move || {
        let (world, filter) = (Rc::clone(&world), filter.clone());
        Box::new(move || drop(black_box(world.missed(&filter, &filter, cursor))))
    })
}

fn full_world() -> World {
    let mut world = World::new(LIFETIMES);
    for patch in patches(0) {
        world.apply(&patch, patch.heard);
    }
    world.seal();
    world
}

/// What every node says in its turn.
fn patches(turn: u32) -> Vec<Patch> {
    let heard = START.plus(Duration::from_secs(turn.into()));
    let patch = |node| {
        let mut patch = Patch::heard(NodeId::Radio(node), Network::Meshtastic, heard);
        patch.position = Some(Position {
            place: place(node, turn),
            altitude_m: Some(100),
            ground_speed_kmh: Some(12.0),
            ground_track_deg: u16::try_from(dice(node, turn, 2) % 36_000)
                .ok()
                .map(|hundredths| f32::from(hundredths) / 100.0),
            sats_in_view: Some(5 + dice(node, turn, 3) % 8),
            precision_bits: Some(32),
            stamp: Stamp::heard(heard),
        });
        patch
    };
    (0..NODES).map(patch).collect()
}

/// Around a town, and some metres on with each turn.
fn place(node: u32, turn: u32) -> Place {
    let at = |middle: i32, axis| {
        let home = dice(node, 0, axis) % 4_000_000;
        middle + (home + dice(node, turn, axis + 10) % 6_000).cast_signed()
    };
    Place::from_e7(at(523_000_000, 0), at(132_000_000, 1)).unwrap()
}

/// A part of the town, another one for each number.
fn viewport(number: u32) -> Area {
    let (south, west) = (place(number, 7).latitude(), place(number, 7).longitude());
    let side = 0.01 + f64::from(dice(number, 0, 5) % 100) / 2000.0;
    Bounds::new(south + side, south, west + side, west).unwrap().into()
}

/// Numbers that look as if they were thrown.
fn dice(node: u32, turn: u32, axis: u32) -> u32 {
    let seed = u64::from(node) << 32 | u64::from(turn) << 8 | u64::from(axis);
    fastrand::Rng::with_seed(seed).u32(..)
}
