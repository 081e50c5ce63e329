//! Tracks as other programs read them: GPX 1.1 and CSV (RFC 4180).

use std::fmt::Write as _;

use crate::{
    domain::{NodeId, Position},
    http::{rfc3339, xml::Escaped},
};

/// A track of one segment, the oldest point first.
pub(super) fn gpx(node: &NodeId, positions: &[Position]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"geocast\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n",
    );
    let node = node.to_string();
    let name = Escaped(&node);
    // To write into a text cannot fail.
    let _ = writeln!(text, "<trk><name>{name}</name><trkseg>");
    for position in positions.iter().rev() {
        let [longitude, latitude] = position.place.point();
        let _ = write!(text, "<trkpt lat=\"{latitude:.7}\" lon=\"{longitude:.7}\">");
        if let Some(altitude) = position.altitude_m {
            let _ = write!(text, "<ele>{altitude}</ele>");
        }
        let _ = write!(text, "<time>{}</time>", rfc3339::write(position.stamp.time));
        if let Some(satellites) = position.sats_in_view {
            let _ = write!(text, "<sat>{satellites}</sat>");
        }
        text.push_str("</trkpt>\n");
    }
    text.push_str("</trkseg></trk>\n</gpx>\n");
    text
}

/// One line for each position, the newest first, below a line of names.
pub(super) fn csv(positions: &[Position]) -> String {
    let mut text = String::from(
        "time,latitude,longitude,altitude,groundSpeed,groundTrack,satsInView,precisionBits\r\n",
    );
    for position in positions {
        let known = [
            position.altitude_m.map(|value| value.to_string()),
            position.ground_speed_kmh.map(|value| value.to_string()),
            position.ground_track_deg.map(|value| value.to_string()),
            position.sats_in_view.map(|value| value.to_string()),
            position.precision_bits.map(|value| value.to_string()),
        ];
        let known = known.map(Option::unwrap_or_default).join(",");
        let [longitude, latitude] = position.place.point();
        let time = rfc3339::write(position.stamp.time);
        let _ = write!(text, "{time},{latitude:.7},{longitude:.7},{known}\r\n");
    }
    text
}
