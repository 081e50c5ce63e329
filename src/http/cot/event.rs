//! A node as an event of Cursor on Target 2.0, the XML that TAK clients speak.

use std::{fmt::Write as _, time::Duration};

use super::super::{rfc3339, xml::Escaped};
use crate::domain::{Metric, Node, NodeId, Timestamp};

/// What a node is: a friendly unit on the ground.
const TYPE: &str = "a-f-G-U-C";

/// What is said where nobody knows, in metres.
const UNKNOWN_M: &str = "9999999.0";

/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// Adds the event of a node; nothing for one without a position. It counts until `stale_after`.
pub(super) fn write(text: &mut String, node: &Node, now: Timestamp, stale_after: Duration) {
    let Some(position) = &node.position else { return };
    let id = node.id.to_string();
    let info = &node.info;
    let callsign = info.long_name.as_deref().or(info.short_name.as_deref()).unwrap_or(&id);
    let [longitude, latitude] = position.place.point();
    let height = position.altitude_m.map_or(UNKNOWN_M.to_owned(), |metres| format!("{metres}.0"));
    let error = error_m(position.precision_bits);
    let (start, how) = (rfc3339::write(position.stamp.time), "m-g");
    head(text, &node.id, TYPE, how, &start, now, stale_after);
    // To write into a string does not fail.
    let _ = write!(
        text,
        "<point lat=\"{latitude}\" lon=\"{longitude}\" hae=\"{height}\" ce=\"{error}\" \
         le=\"{UNKNOWN_M}\"/><detail><contact callsign=\"{}\"/>",
        Escaped(callsign),
    );
    if let Some(level) = node.telemetry.get(Metric::BatteryLevel) {
        let _ = write!(text, "<status battery=\"{}\"/>", level.clamp(0.0, 100.0).round());
    }
    if position.ground_speed_kmh.is_some() || position.ground_track_deg.is_some() {
        let metres_per_second = f64::from(position.ground_speed_kmh.unwrap_or_default()) / 3.6;
        let course = position.ground_track_deg.unwrap_or_default();
        let _ = write!(text, "<track speed=\"{metres_per_second:.2}\" course=\"{course:.1}\"/>");
    }
    let remarks = [
        Some(&*id),
        info.hw_model.as_deref(),
        info.role.as_deref(),
        Some(if node.status.online { "online" } else { "offline" }),
    ];
    let remarks: Vec<_> = remarks.into_iter().flatten().collect();
    let _ = writeln!(text, "<remarks>{}</remarks></detail></event>", Escaped(&remarks.join(", ")));
}

/// Adds the event that takes a node off the map.
pub(super) fn write_gone(text: &mut String, id: &NodeId, now: Timestamp, stale_after: Duration) {
    head(text, id, "t-x-d-d", "h-g-i-g-o", &rfc3339::write(now), now, stale_after);
    let uid = id.to_string();
    let _ = writeln!(
        text,
        "<point lat=\"0.0\" lon=\"0.0\" hae=\"{UNKNOWN_M}\" ce=\"{UNKNOWN_M}\" le=\"{UNKNOWN_M}\"/>\
         <detail><link uid=\"geocast-{}\" relation=\"p-p\" type=\"{TYPE}\"/></detail></event>",
        Escaped(&uid),
    );
}

fn head(
    text: &mut String,
    id: &NodeId,
    kind: &str,
    how: &str,
    start: &str,
    now: Timestamp,
    stale_after: Duration,
) {
    let gone = if kind == TYPE { "" } else { "gone-" };
    let (uid, time) = (id.to_string(), rfc3339::write(now));
    let stale = rfc3339::write(now.plus(stale_after));
    let _ = write!(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><event version=\"2.0\" \
         uid=\"geocast-{gone}{}\" type=\"{kind}\" how=\"{how}\" time=\"{time}\" start=\"{start}\" \
         stale=\"{stale}\">",
        Escaped(&uid),
    );
}

/// How far the node may be from the middle of the cell that is known of it, in metres.
fn error_m(precision_bits: Option<u8>) -> String {
    match precision_bits {
        Some(bits) if bits < 32 => {
            let half_edge_deg = f64::from(1_u32 << (32 - u32::from(bits.max(1)))) * 1e-7 / 2.0;
            format!("{:.1}", half_edge_deg * DEGREE_M * std::f64::consts::SQRT_2)
        }
        _ => UNKNOWN_M.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Info, Network, Patch, Place, Position, Stamp};

    const NOW: Timestamp = Timestamp::from_millis(1_763_766_000_000);

    fn event(precision_bits: Option<u8>, name: &str) -> String {
        let heard = Timestamp::from_millis(1_763_765_000_000);
        let position = Position {
            place: Place::from_degrees(52.5, -13.25).unwrap(),
            altitude_m: Some(34),
            ground_speed_kmh: Some(36.0),
            ground_track_deg: Some(90.0),
            sats_in_view: None,
            precision_bits,
            stamp: Stamp::heard(heard),
        };
        let info = Info { long_name: Some(name.into()), ..Info::default() };
        let id = NodeId::Radio(0xa1b2_c3d4);
        let patch = Patch {
            position: Some(position),
            info,
            ..Patch::heard(id, Network::Meshtastic, heard)
        };
        let mut node = Node::heard_first(&patch);
        node.merge(&patch);
        let mut text = String::new();
        write(&mut text, &node, NOW, Duration::from_mins(15));
        text
    }

    #[test]
    fn a_node_is_an_event_with_its_place_its_name_and_its_motion() {
        let text = event(Some(16), "<event uid=\"x\"/>");
        for part in [
            "uid=\"geocast-!a1b2c3d4\" type=\"a-f-G-U-C\"",
            "time=\"2025-11-21T23:00:00Z\" start=\"2025-11-21T22:43:20Z\" stale=\"2025-11-21T23:15:00Z\"",
            "<point lat=\"52.5\" lon=\"-13.25\" hae=\"34.0\" ce=\"515.9\" le=\"9999999.0\"/>",
            "<contact callsign=\"&lt;event uid=&quot;x&quot;/&gt;\"/>",
            "<track speed=\"10.00\" course=\"90.0\"/>",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert_eq!(text.matches("<event ").count(), 1, "names are data: {text}");
        assert!(event(None, "x").contains("ce=\"9999999.0\""));
        assert!(event(Some(32), "x").contains("ce=\"9999999.0\""));
        assert!(event(Some(0), "x").contains("ce=\""), "however coarse");
    }

    #[test]
    fn a_node_that_is_gone_is_taken_off_by_an_event_of_its_own() {
        let mut text = String::new();
        write_gone(&mut text, &NodeId::Radio(7), NOW, Duration::from_mins(15));
        assert!(text.contains("type=\"t-x-d-d\""), "{text}");
        assert!(text.contains("<link uid=\"geocast-!00000007\""), "{text}");
    }
}
