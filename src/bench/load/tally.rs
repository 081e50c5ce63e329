//! What clients count: frames, bytes, and how many updates there are in them, found with a glance
//! at each frame. To read them all would take longer than to write them.

use serde::{Deserialize, Serialize};

use crate::{bench::histogram::Histogram, broadcast::Encoding};

/// What many clients have received since they began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Frames with anything but a ping.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Positions in frames of positions.
    pub(crate) positions: u64,
    /// Bytes of those frames.
    pub(crate) position_bytes: u64,
    /// The same of frames of 50 and more.
    pub(crate) dense_positions: u64,
    pub(crate) dense_position_bytes: u64,
    /// Nodes that came into view.
    pub(crate) entered: u64,
    /// Changes of status.
    pub(crate) statuses: u64,
    pub(crate) pings: u64,
    /// Connections that ended before they should.
    pub(crate) lost: u64,
    /// When the last frame came.
    pub(crate) last_frame_ns: u64,
    /// From when an update was due to when a client of the sample had it.
    pub(crate) latency: Histogram,
}

impl Tally {
    /// What was received since `earlier`. The latencies are those of all.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            frames: self.frames - earlier.frames,
            bytes: self.bytes - earlier.bytes,
            positions: self.positions - earlier.positions,
            position_bytes: self.position_bytes - earlier.position_bytes,
            dense_positions: self.dense_positions - earlier.dense_positions,
            dense_position_bytes: self.dense_position_bytes - earlier.dense_position_bytes,
            entered: self.entered - earlier.entered,
            statuses: self.statuses - earlier.statuses,
            pings: self.pings - earlier.pings,
            lost: self.lost - earlier.lost,
            last_frame_ns: self.last_frame_ns,
            latency: self.latency.clone(),
        }
    }

    /// Updates of nodes: where they are now, or that they are in view.
    pub(crate) fn deliveries(&self) -> u64 {
        self.positions + self.entered
    }

    /// Takes in a frame.
    pub(super) fn count(&mut self, frame: &[u8], glance: &Glance) {
        let bytes = frame.len() as u64;
        self.frames += 1;
        self.bytes += bytes;
        match *glance {
            Glance::Positions(count) => {
                self.positions += count;
                self.position_bytes += bytes;
                if count >= 50 {
                    self.dense_positions += count;
                    self.dense_position_bytes += bytes;
                }
            }
            Glance::Entered(count) => self.entered += count,
            Glance::Statuses(count) => self.statuses += count,
            Glance::Snapshot { .. } | Glance::Other => {}
        }
    }
}

/// What a frame is, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// So many positions.
    Positions(u64),
    /// So many nodes that came into view.
    Entered(u64),
    /// So many changes of status.
    Statuses(u64),
    /// Part of a picture.
    Snapshot { more: bool },
    /// Anything else.
    Other,
}

impl Glance {
    /// Looks at a frame.
    pub(super) fn at(encoding: Encoding, frame: &[u8]) -> Self {
        match encoding {
            Encoding::Json => Self::at_json(frame),
            Encoding::Proto => Self::at_proto(frame).unwrap_or(Self::Other),
        }
    }

    fn at_json(frame: &[u8]) -> Self {
        // Flat records: each has one brace, beside that of the message.
        #[expect(clippy::naive_bytecount, reason = "the compiler makes it fast enough")]
        let records = || (frame.iter().filter(|byte| **byte == b'{').count() as u64).max(1) - 1;
        let is = |kind: &str| {
            let after = frame.strip_prefix(b"{\"type\":\"").unwrap_or_default();
            after.starts_with(kind.as_bytes())
        };
        if is("position_update\"") {
            Self::Positions(records())
        } else if is("node_status\"") {
            Self::Statuses(records())
        } else if is("snapshot\"") {
            Self::Snapshot { more: frame.ends_with(b"\"more\":true}") }
        } else if is("node_enter\"") {
            Self::Entered(whole_records(frame))
        } else {
            Self::Other
        }
    }

    /// The fields of `geocast.v1.proto` by their numbers.
    fn at_proto(frame: &[u8]) -> Option<Self> {
        let mut message = Fields(frame);
        let (kind, Field::Bytes(content)) = message.next()? else { return None };
        let number = |wanted| {
            Fields(content).find_map(|(field, value)| match value {
                Field::Number(number) if field == wanted => Some(number),
                _ => None,
            })
        };
        Some(match kind {
            2 => Self::Snapshot { more: number(9) == Some(1) },
            3 => Self::Entered(Fields(content).filter(|(field, _)| *field == 3).count() as u64),
            5 => Self::Positions(number(3).unwrap_or(0)),
            7 => Self::Statuses(number(3).unwrap_or(0)),
            _ => Self::Other,
        })
    }
}

/// Objects in the list of a message, at the second depth. Braces in texts count as well, which come
/// in pairs or not at all in what the load publishes.
fn whole_records(frame: &[u8]) -> u64 {
    let mut depth = 0_u32;
    let mut records = 0;
    for byte in frame {
        match byte {
            b'{' => {
                depth += 1;
                records += u64::from(depth == 2);
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    records
}

/// The fields of a protobuf message.
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                self.0 = self.0.get(8..)?;
                Field::Fixed
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => {
                self.0 = self.0.get(4..)?;
                Field::Fixed
            }
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_tells_what_a_frame_of_json_holds() {
        let at = |text: &str| Glance::at(Encoding::Json, text.as_bytes());
        let positions = r#"{"type":"position_update","revision":7,"positions":[{"id":"!1","latitude":1},{"id":"!2","latitude":2}]}"#;
        assert_eq!(at(positions), Glance::Positions(2));
        let entered = r#"{"type":"node_enter","revision":7,"nodes":[{"id":"!1","position":{"latitude":1},"telemetry":{"voltage":3}},{"id":"!2"}],"more":true}"#;
        assert_eq!(at(entered), Glance::Entered(2));
        let status = r#"{"type":"node_status","revision":7,"nodes":[{"id":"!1","online":true}]}"#;
        assert_eq!(at(status), Glance::Statuses(1));
        for more in [true, false] {
            let part = format!(r#"{{"type":"snapshot","nodes":[],"removed":[],"more":{more}}}"#);
            assert_eq!(at(&part), Glance::Snapshot { more });
        }
        for other in ["", "{", r#"{"type":"hello"}"#] {
            assert_eq!(at(other), Glance::Other);
        }
    }

    #[test]
    fn a_glance_tells_what_a_binary_frame_holds() {
        let at = |kind: u8, content: &[u8]| {
            let frame = [&[kind << 3 | 2, content.len() as u8], content].concat();
            Glance::at(Encoding::Proto, &frame)
        };
        // Field 1 is a revision above 127, field 6 is a column.
        assert_eq!(at(5, b"\x08\xff\x01\x18\x05\x32\x02\x18\x09"), Glance::Positions(5));
        assert_eq!(at(7, b"\x18\x03"), Glance::Statuses(3));
        assert_eq!(at(3, b"\x08\x07\x1a\x01a\x1a\x00\x1a\x01b"), Glance::Entered(3));
        assert_eq!(at(2, b"\x48\x01"), Glance::Snapshot { more: true });
        assert_eq!(at(2, b"\x09abcdefgh"), Glance::Snapshot { more: false });
        assert_eq!(at(1, b""), Glance::Other);
        assert_eq!(Glance::at(Encoding::Proto, b"\x2a\x7fx"), Glance::Other);
    }
}
