//! What stories are made of.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::HOUR;
use crate::domain::{
    Area, Bounds, Filter, Info, Link, Links, MessageTypes, Metric, Network, NodeId, Patch, Place,
    Position, Readings, Section, Stamp, Timestamp, Zoom,
};

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A packet is committed.
    Hear(Heard),
    /// Everything under way settles; those who read their sockets are compared with the oracle.
    Rest,
    /// Hours pass.
    Wait(u32),
    /// A client asks for another filter.
    Subscribe(usize, Filter),
    /// A client that is connected asks for another filter and names its cursor besides.
    Move(usize, Filter),
    /// A client has lost what it held, and asks for everything again.
    Snapshot(usize),
    /// A client asks for nothing more.
    Unsubscribe(usize),
    /// A client stops reading its socket.
    Stall(usize),
    /// It reads again.
    Drain(usize),
    /// Its connection breaks after some more frames of what is under way.
    Break(usize, usize),
    /// It connects again and goes on from its cursor, if it has one.
    Return(usize),
    /// The server stops in order, or dies, and starts again; every connection breaks.
    Restart { in_order: bool },
}

#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) node: u32,
    hours_ago: u64,
    name: Option<u8>,
    place: Option<(f64, f64)>,
    motion: Motion,
    battery: Option<u8>,
    neighbour: Option<u32>,
}

/// What a position may say besides the place.
#[derive(Clone, Debug)]
struct Motion {
    altitude_m: Option<i32>,
    ground_speed_kmh: Option<f32>,
    ground_track_deg: Option<f32>,
    sats_in_view: Option<u32>,
    precision_bits: Option<u8>,
}

impl Heard {
    pub(super) fn patch(&self, now: Timestamp) -> Patch {
        let heard = now.minus(HOUR * u32::try_from(self.hours_ago).unwrap());
        let stamp = Stamp::heard(heard);
        let mut patch = Patch::heard(NodeId::Radio(self.node), Network::Meshtastic, heard);
        patch.info =
            Info { long_name: self.name.map(|n| format!("n{n}").into()), ..Info::default() };
        patch.position = self.place.map(|(latitude, longitude)| Position {
            place: Place::from_degrees(latitude, longitude).unwrap(),
            altitude_m: self.motion.altitude_m,
            ground_speed_kmh: self.motion.ground_speed_kmh,
            ground_track_deg: self.motion.ground_track_deg,
            sats_in_view: self.motion.sats_in_view,
            precision_bits: self.motion.precision_bits,
            stamp,
        });
        let values = |battery| vec![(Metric::BatteryLevel, f64::from(battery))];
        patch.telemetry = self.battery.map(|battery| Readings {
            stamp,
            section: Section::Device,
            values: values(battery),
        });
        patch.links = self.neighbour.map(|neighbour| {
            let link = Link { id: NodeId::Radio(neighbour), snr_db: None };
            Arc::new(Links { stamp, neighbours: vec![link] })
        });
        patch
    }
}

const LATITUDES: [f64; 6] = [-90.0, -45.5, 0.0, 10.0, 45.5, 90.0];
const LONGITUDES: [f64; 8] = [-180.0, -179.5, -10.0, 0.0, 10.0, 100.0, 179.5, 180.0];

fn place() -> impl Strategy<Value = (f64, f64)> {
    (prop::sample::select(&LATITUDES[..]), prop::sample::select(&LONGITUDES[..]))
}

fn motion() -> impl Strategy<Value = Motion> {
    use prop::option::of;
    // The last is no short decimal fraction.
    let float = || prop::sample::select(&[0.0, 36.0, 182.65, 359.999_97, 0.1, 1e-9][..]);
    let rare = |float| prop::option::weighted(0.3, float);
    (of(-500..9000), rare(float()), rare(float()), of(0..3_u32), of(1..=32_u8)).prop_map(
        |(altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view, precision_bits)| Motion {
            altitude_m,
            ground_speed_kmh,
            ground_track_deg,
            sats_in_view,
            precision_bits,
        },
    )
}

pub(super) fn heard() -> impl Strategy<Value = Heard> {
    use prop::option::of;
    let place = (of(place()), motion());
    (0..6_u32, 0..7_u64, of(0..3_u8), place, of(0..3_u8), of(0..3_u32)).prop_map(
        |(node, hours_ago, name, (place, motion), battery, neighbour)| Heard {
            node,
            // Mostly now: packets heard late are the exception.
            hours_ago: hours_ago.saturating_sub(3),
            name,
            place,
            motion,
            battery,
            neighbour,
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let bounds = || {
        (place(), place())
            .prop_map(|((a, west), (b, east))| Bounds::new(a.max(b), a.min(b), east, west).unwrap())
    };
    let area = prop_oneof![
        5 => prop::collection::vec(bounds(), 1),
        2 => prop::collection::vec(bounds(), 0..4),
    ];
    let ids = || prop::collection::btree_set(0..6_u32, 0..4);
    let cells = (0..=14_u32).prop_map(|zoom| Zoom::new(zoom).unwrap());
    let kinds = [
        MessageTypes::NODE,
        MessageTypes::POSITION,
        MessageTypes::TELEMETRY,
        MessageTypes::STATUS,
        MessageTypes::MESSAGE,
    ];
    let types = prop::collection::vec(prop::sample::select(kinds.to_vec()), 0..4);
    let often = |all: f64| prop::bool::weighted(all);
    let parts = (
        prop::option::weighted(0.8, area),
        (often(0.2), ids()),
        (often(0.2), ids()),
        (often(0.3), types),
        prop::option::weighted(0.25, cells),
    );
    parts.prop_map(|(area, (by_id, ids), (with_others, others), (by_type, types), cells)| {
        let radios = |ids: BTreeSet<u32>| ids.into_iter().map(NodeId::Radio);
        let some = types.into_iter().fold(MessageTypes::NONE, MessageTypes::or);
        let filter = Filter {
            bounds: area.map(Area::new),
            types: if by_type { some } else { MessageTypes::ALL },
            cells,
            ..Filter::default()
        };
        let filter = if with_others { filter.with_also_ids(radios(others)) } else { filter };
        if by_id { filter.with_node_ids(radios(ids)) } else { filter }
    })
}

/// Something that happens to the server or to one of so many clients.
pub(super) fn step(clients: usize) -> impl Strategy<Value = Step> {
    let client = move || 0..clients;
    prop_oneof![
        12 => heard().prop_map(Step::Hear),
        4 => Just(Step::Rest),
        1 => (1..6_u32).prop_map(Step::Wait),
        4 => (client(), filter()).prop_map(|(client, filter)| Step::Subscribe(client, filter)),
        2 => (client(), filter()).prop_map(|(client, filter)| Step::Move(client, filter)),
        2 => client().prop_map(Step::Snapshot),
        1 => client().prop_map(Step::Unsubscribe),
        2 => client().prop_map(Step::Stall),
        2 => client().prop_map(Step::Drain),
        2 => (client(), 0..5_usize).prop_map(|(client, frames)| Step::Break(client, frames)),
        3 => client().prop_map(Step::Return),
        1 => prop::bool::weighted(0.7).prop_map(|in_order| Step::Restart { in_order }),
    ]
}
