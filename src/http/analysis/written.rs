//! Tracks as other programs read them: GPX 1.1 and CSV (RFC 4180).

use std::io::Write as _;

use crate::{
    domain::{NodeId, Position},
    http::{rfc3339, streamed::Form, xml::Escaped},
};

/// A track of a node in one segment.
pub(super) struct Gpx(pub(super) NodeId);

impl Form<Position> for Gpx {
    const KIND: &'static str = "application/gpx+xml";
    const BETWEEN: &'static str = "";

    fn begin(&self, text: &mut Vec<u8>) {
        let node = self.0.to_string();
        let name = Escaped(&node);
        // To write into memory cannot fail.
        let _ = writeln!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <gpx version=\"1.1\" creator=\"geocast\" \
             xmlns=\"http://www.topografix.com/GPX/1/1\">\n\
             <trk><name>{name}</name><trkseg>",
        );
    }

    fn row(&mut self, position: &Position, text: &mut Vec<u8>) {
        let [longitude, latitude] = position.place.point();
        let _ = write!(text, "<trkpt lat=\"{latitude:.7}\" lon=\"{longitude:.7}\">");
        if let Some(altitude) = position.altitude_m {
            let _ = write!(text, "<ele>{altitude}</ele>");
        }
        let _ = write!(text, "<time>{}</time>", rfc3339::write(position.stamp.time));
        if let Some(satellites) = position.sats_in_view {
            let _ = write!(text, "<sat>{satellites}</sat>");
        }
        text.extend_from_slice(b"</trkpt>\n");
    }

    fn end(&self, _next: Option<&str>, text: &mut Vec<u8>) {
        text.extend_from_slice(b"</trkseg></trk>\n</gpx>\n");
    }
}

/// One line for each position, below a line of names.
pub(super) struct Csv;

impl Form<Position> for Csv {
    const KIND: &'static str = "text/csv; charset=utf-8; header=present";
    const BETWEEN: &'static str = "";

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(
            b"time,latitude,longitude,altitude,groundSpeed,groundTrack,satsInView,precisionBits\r\n",
        );
    }

    fn row(&mut self, position: &Position, text: &mut Vec<u8>) {
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

    fn end(&self, _next: Option<&str>, _text: &mut Vec<u8>) {}
}
