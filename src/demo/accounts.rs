//! What nodes say of themselves and mark on the map, undated.

use meshtastic::protobufs::{
    MapReport, Position, User, Waypoint, config::lo_ra_config::RegionCode,
};

use super::{
    model::Node,
    names,
    numbers::{count, low_half},
    packets::shared_place,
    random::{Random, stir},
};
use crate::domain::Timestamp;

pub(super) fn user(node: &Node) -> User {
    User {
        id: format!("!{:08x}", node.number),
        long_name: node.long_name.to_string(),
        short_name: node.short_name.to_string(),
        hw_model: node.hardware.into(),
        role: node.role.into(),
        ..User::default()
    }
}

pub(super) fn position(node: &Node, at: Timestamp, random: &mut Random) -> Position {
    let fix = node.at(at);
    let (latitude, longitude) = shared_place(fix.place, node.precision_bits);
    let moves = node.journey.is_some();
    Position {
        latitude_i: Some(latitude),
        longitude_i: Some(longitude),
        altitude: Some(node.altitude_m),
        // Kilometres an hour, and 1e-5 degrees.
        ground_speed: moves.then(|| count(fix.speed_mps * 3.6)),
        ground_track: moves.then(|| count(fix.track_deg * 1e5)),
        sats_in_view: if moves { 7 + count(random.between(0.0, 7.0)) } else { 0 },
        precision_bits: node.precision_bits,
        ..Position::default()
    }
}

pub(super) fn waypoint(node: &Node, at: Timestamp, random: &mut Random) -> Waypoint {
    let (name, description, icon) = *random.pick(names::WAYPOINTS);
    let (latitude, longitude) = shared_place(node.at(at).place, 32);
    Waypoint {
        // The same mark by the same node keeps its number, so that it moves instead of multiplying.
        id: low_half(stir(u64::from(node.number) ^ u64::from(u32::from(icon)))).max(1),
        latitude_i: Some(latitude),
        longitude_i: Some(longitude),
        name: name.to_owned(),
        description: description.to_owned(),
        icon: icon.into(),
        ..Waypoint::default()
    }
}

pub(super) fn map_report(node: &Node, random: &mut Random) -> MapReport {
    let (latitude_i, longitude_i) = shared_place(node.home, node.precision_bits);
    MapReport {
        long_name: node.long_name.to_string(),
        short_name: node.short_name.to_string(),
        role: node.role.into(),
        hw_model: node.hardware.into(),
        firmware_version: "2.7.15.567b8ea".to_owned(),
        region: RegionCode::Eu868.into(),
        has_default_channel: true,
        latitude_i,
        longitude_i,
        altitude: node.altitude_m,
        position_precision: node.precision_bits,
        num_online_local_nodes: count(random.between(25.0, 90.0)),
        has_opted_report_location: true,
        ..MapReport::default()
    }
}
