//! JSON as firmware and meshtasticd publish it (`MeshPacketSerializer` in the firmware), made into
//! the messages that it was made from.

mod fields;
mod telemetry;

use meshtastic::protobufs::{
    MeshPacket, Neighbor, NeighborInfo, Paxcount, Position, RouteDiscovery, User, Waypoint,
};
use serde_json::Value;

use self::fields::Fields;
use super::{content::Content, header::Header, text, topic::Uplink};
use crate::{
    domain::{NodeId, Report, Timestamp},
    ingest::{Refusal, Sender},
};

/// Reads JSON of the topic `<root>/2/json/<channel>/<!gateway>`.
pub(super) fn read(
    uplink: Uplink<'_>,
    payload: &[u8],
    arrived: Timestamp,
) -> Result<Report, Refusal> {
    let value: Value = serde_json::from_slice(payload).map_err(|_error| Refusal::Malformed)?;
    let fields = Fields::of(&value).ok_or(Refusal::Malformed)?;
    let packet = packet(fields)?;
    let header = Header::read(&packet, text::name(uplink.channel), uplink.gateway, arrived)?;
    let content = content(fields)?;
    let payload = content.encode();
    let said = content.say(&header, &payload)?;
    Ok(header.report(content.port() as u16, payload, said))
}

/// Who sent it, if it says.
pub(super) fn origin(payload: &[u8], gateway: NodeId) -> Option<Sender> {
    let from = Fields::of(&serde_json::from_slice(payload).ok()?)?.u32("from")?;
    let node = NodeId::Radio(from);
    Some(Sender { node, gateway: Some(gateway), port: None, channel_hash: None })
}

/// When the gateway says that it heard the packet, in seconds since 1970.
pub(super) fn rx_time(payload: &[u8]) -> Option<u32> {
    Fields::of(&serde_json::from_slice(payload).ok()?)?.u32("timestamp")
}

/// The packet around the content. What is zero was left out.
fn packet(fields: Fields<'_>) -> Result<MeshPacket, Refusal> {
    let hop_start = fields.u32("hop_start").unwrap_or_default();
    Ok(MeshPacket {
        from: fields.u32("from").ok_or(Refusal::Malformed)?,
        to: fields.u32("to").unwrap_or_default(),
        id: fields.u32("id").unwrap_or_default(),
        rx_time: fields.u32("timestamp").unwrap_or_default(),
        rx_snr: fields.f32("snr").unwrap_or_default(),
        rx_rssi: fields.i32("rssi").unwrap_or_default(),
        hop_start,
        hop_limit: hop_start.saturating_sub(fields.u32("hops_away").unwrap_or_default()),
        ..MeshPacket::default()
    })
}

fn content(fields: Fields<'_>) -> Result<Content, Refusal> {
    let kind = fields.text("type").ok_or(Refusal::Malformed)?;
    let payload = fields.value("payload").unwrap_or(&Value::Null);
    let object = Fields::of(payload).ok_or(Refusal::Malformed);
    Ok(match kind {
        "text" => Content::Text(said(payload)?),
        // The serializer for nRF52 calls waypoints positions, too.
        "position" if object.is_ok_and(|object| object.has("locked_to")) => waypoint(object?),
        "position" => position(object?),
        "nodeinfo" => user(object?),
        "waypoint" => waypoint(object?),
        "telemetry" => Content::Telemetry(Box::new(telemetry::read(object?))),
        "paxcounter" => paxcount(object?),
        "neighborinfo" => neighbours(object?)?,
        // It names its hops by their long names, which are not unique.
        "traceroute" => Content::Traceroute { route: RouteDiscovery::default(), reply: true },
        _ => return Err(Refusal::UnknownPort),
    })
}

/// A text that happens to be JSON is published as that and not as a string.
fn said(payload: &Value) -> Result<String, Refusal> {
    match payload {
        Value::Null => Err(Refusal::Malformed),
        Value::Object(object) if object.contains_key("text") => {
            object["text"].as_str().map(str::to_owned).ok_or(Refusal::Malformed)
        }
        json => Ok(json.to_string()),
    }
}

fn position(fields: Fields<'_>) -> Content {
    let number = |name| fields.u32(name).unwrap_or_default();
    let precision_bits = fields.u32("precision_bits");
    let position = Position {
        latitude_i: fields.i32("latitude_i"),
        longitude_i: fields.i32("longitude_i"),
        altitude: fields.i32("altitude"),
        time: number("time"),
        timestamp: number("timestamp"),
        ground_speed: fields.u32("ground_speed"),
        ground_track: fields.u32("ground_track"),
        sats_in_view: number("sats_in_view"),
        pdop: number("PDOP"),
        hdop: number("HDOP"),
        vdop: number("VDOP"),
        precision_bits: number("precision_bits"),
        ..Position::default()
    };
    Content::Position { position, precision_bits }
}

fn user(fields: Fields<'_>) -> Content {
    Content::NodeInfo(User {
        id: fields.string("id"),
        long_name: fields.string("longname"),
        short_name: fields.string("shortname"),
        hw_model: fields.i32("hardware").unwrap_or_default(),
        role: fields.i32("role").unwrap_or_default(),
        ..User::default()
    })
}

fn waypoint(fields: Fields<'_>) -> Content {
    let number = |name| fields.u32(name).unwrap_or_default();
    Content::Waypoint(Waypoint {
        id: number("id"),
        latitude_i: fields.i32("latitude_i"),
        longitude_i: fields.i32("longitude_i"),
        expire: number("expire"),
        locked_to: number("locked_to"),
        name: fields.string("name"),
        description: fields.string("description"),
        ..Waypoint::default()
    })
}

fn paxcount(fields: Fields<'_>) -> Content {
    let number = |name| fields.u32(name).unwrap_or_default();
    let (wifi, ble, uptime) = (number("wifi_count"), number("ble_count"), number("uptime"));
    Content::Paxcounter(Paxcount { wifi, ble, uptime })
}

fn neighbours(fields: Fields<'_>) -> Result<Content, Refusal> {
    let listed = fields.value("neighbors").and_then(Value::as_array).ok_or(Refusal::Malformed)?;
    let neighbour = |value| {
        let fields = Fields::of(value).ok_or(Refusal::Malformed)?;
        let node_id = fields.u32("node_id").ok_or(Refusal::Malformed)?;
        let snr = fields.f32("snr").unwrap_or(f32::NAN);
        Ok(Neighbor { node_id, snr, ..Neighbor::default() })
    };
    Ok(Content::Neighbours(NeighborInfo {
        node_id: fields.u32("node_id").unwrap_or_default(),
        last_sent_by_id: fields.u32("last_sent_by_id").unwrap_or_default(),
        node_broadcast_interval_secs: fields
            .u32("node_broadcast_interval_secs")
            .unwrap_or_default(),
        neighbors: listed.iter().map(neighbour).collect::<Result<_, _>>()?,
    }))
}
