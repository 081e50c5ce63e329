//! What is said to everybody on a channel: texts and marked places.

use std::sync::Arc;

use meshtastic::protobufs::Waypoint as WaypointMessage;

use super::{header::Header, position, text};
use crate::{
    domain::{Message, Network, NodeId, Timestamp, Waypoint},
    ingest::Refusal,
};

/// Reads a text; none if it is for one node alone, or has nothing to show.
pub(super) fn text(header: &Header, packet_id: u64, said: &str) -> Option<Arc<Message>> {
    let words = text::words(said);
    (!words.is_empty()).then(|| message(header, packet_id, words, None)).flatten()
}

/// Reads a waypoint; none if it is for one node alone.
pub(super) fn waypoint(
    header: &Header,
    packet_id: u64,
    said: &WaypointMessage,
) -> Result<Option<Arc<Message>>, Refusal> {
    let waypoint = Waypoint {
        id: said.id,
        place: position::place(said.latitude_i, said.longitude_i)?,
        description: text::words(&said.description),
        icon: Some(said.icon).filter(|&icon| icon != 0),
        expires: Some(said.expire).filter(|&time| time != 0).map(Timestamp::from_seconds),
    };
    Ok(message(header, packet_id, text::words(&said.name), Some(waypoint)))
}

fn message(
    header: &Header,
    packet_id: u64,
    text: Box<str>,
    waypoint: Option<Waypoint>,
) -> Option<Arc<Message>> {
    header.is_broadcast().then(|| {
        Arc::new(Message {
            network: Network::Meshtastic,
            packet_id,
            from: NodeId::Radio(header.sender),
            channel: header.channel.clone(),
            text,
            time: header.heard,
            waypoint,
        })
    })
}
