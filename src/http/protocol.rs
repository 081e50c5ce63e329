//! The whole conversation with a client: protocol 1, on one page.
//!
//! JSON text frames, camelCase names, times in milliseconds since 1970, places in degrees. A field
//! that is not known is absent. Both sides ignore fields that they do not know. What the messages
//! mean, and how a client applies them, stands in `docs/protocol.md`.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::value::RawValue;
#[cfg(test)]
use ts_rs::TS;

use super::{
    readings::TelemetryUpdate,
    records::{CellRecord, Id, MessageRecord, NodeRecord, PositionUpdate},
};

/// The version of the conversation.
pub(super) const PROTOCOL: u32 = 1;

/// What a client says.
#[derive(Debug, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    /// From now on, show what matches the filter; answered by a snapshot.
    Subscribe {
        #[cfg_attr(test, ts(optional))]
        filter: Option<Filter>,
        /// Go on from here instead of starting again. The filter must be the one that was held.
        #[cfg_attr(test, ts(optional))]
        resume: Option<Resume>,
        /// Snapshots may hold nodes in columns, where frames are binary.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        columns: bool,
    },
    /// Show nothing more.
    Unsubscribe,
    /// Show everything again; answered by a snapshot.
    RequestSnapshot,
    /// Answered by a pong with the same id.
    Ping {
        #[cfg_attr(test, ts(optional, type = "number"))]
        id: Option<serde_json::Number>,
    },
    /// Anything else: answered by an error, and the connection goes on.
    #[serde(other)]
    #[schemars(skip)]
    #[cfg_attr(test, ts(skip))]
    Unknown,
}

/// What a client wants to see. Every part given must match; no part given matches everything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Only nodes that are here: in one rectangle, or in any of up to eight. A node without a
    /// position is in no bounds.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(with = "Option<OneOrMore>")]
    #[cfg_attr(test, ts(optional, as = "Option<OneOrMore>"))]
    pub bounds: Option<Vec<Bounds>>,
    /// Only these nodes.
    #[cfg_attr(test, ts(optional))]
    pub node_ids: Option<Vec<String>>,
    /// These nodes as well, wherever they are.
    #[cfg_attr(test, ts(optional))]
    pub also_ids: Option<Vec<String>>,
    /// Only these groups of fields.
    #[cfg_attr(test, ts(optional))]
    pub message_types: Option<Vec<MessageType>>,
    /// Counts of nodes by map tile instead of nodes; those of `alsoIds` are sent all the same.
    #[cfg_attr(test, ts(optional))]
    pub cells: Option<Cells>,
}

/// Which cells a client wants counted.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
pub struct Cells {
    /// 0 to 14, as in map tiles.
    #[schemars(range(max = 14))]
    pub zoom: u32,
}

/// A rectangle in degrees, edges included. `west > east` crosses the antimeridian.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
pub struct Bounds {
    #[schemars(range(min = -90, max = 90))]
    pub north: f64,
    #[schemars(range(min = -90, max = 90))]
    pub south: f64,
    #[schemars(range(min = -180, max = 180))]
    pub east: f64,
    #[schemars(range(min = -180, max = 180))]
    pub west: f64,
}

/// A rectangle, or a list of them.
#[derive(JsonSchema)]
#[cfg_attr(test, derive(TS), ts(untagged))]
#[schemars(untagged)]
#[expect(dead_code, reason = "stands for the type in descriptions")]
enum OneOrMore {
    One(Bounds),
    More(Vec<Bounds>),
}

/// Reads a rectangle or a list of them, with the error of whichever was meant.
fn one_or_more<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<Bounds>>, D::Error> {
    struct Rectangles;
    impl<'de> Visitor<'de> for Rectangles {
        type Value = Option<Vec<Bounds>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a rectangle or a list of rectangles")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Bounds::deserialize(MapAccessDeserializer::new(map)).map(|one| Some(vec![one]))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list)).map(Some)
        }
    }
    source.deserialize_any(Rectangles)
}

/// What a client may ask to be told of.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// Names, hardware, role, firmware, channel, links.
    Node,
    /// Positions.
    Position,
    /// Telemetry.
    Telemetry,
    /// Texts and waypoints.
    Message,
    /// Online and last heard.
    Status,
}

/// Where a client left off.
#[derive(Debug, Deserialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
pub(super) struct Resume {
    /// From the last snapshot or hello.
    pub epoch: String,
    /// The last revision of which the client has applied every frame.
    pub revision: u64,
}

/// What the server says. Frames of one tick bear one revision, and all but the last say `more`.
#[derive(Debug, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(super) enum ServerMessage<'a> {
    /// First on every connection.
    Hello {
        protocol: u32,
        server: &'a str,
        epoch: &'a str,
        revision: u64,
        tick_ms: u64,
        heartbeat_ms: u64,
        timeout_ms: u64,
    },
    /// The answer to a subscription. A full one replaces everything from its first part on; `more`
    /// says that parts follow. Its nodes are whole records.
    Snapshot {
        epoch: &'a str,
        revision: u64,
        full: bool,
        #[cfg_attr(test, ts(as = "Vec<NodeRecord>"))]
        #[schemars(with = "Vec<NodeRecord<'a>>")]
        nodes: Items<'a, NodeRecord<'a>>,
        #[cfg_attr(test, ts(as = "Vec<String>"))]
        removed: Vec<Id<'a>>,
        messages: Vec<MessageRecord<'a>>,
        /// Present if the filter asks for cells. A full picture replaces them too.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        cells: Option<Vec<CellRecord>>,
        more: bool,
    },
    /// Nodes that come into the filter: whole records.
    NodeEnter {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<NodeRecord>"))]
        #[schemars(with = "Vec<NodeRecord<'a>>")]
        nodes: Items<'a, NodeRecord<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Fields of the node group to merge.
    NodeUpdate {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<NodeRecord>"))]
        #[schemars(with = "Vec<NodeRecord<'a>>")]
        nodes: Items<'a, NodeRecord<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Positions that replace those held.
    PositionUpdate {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<PositionUpdate>"))]
        #[schemars(with = "Vec<PositionUpdate<'a>>")]
        positions: Items<'a, PositionUpdate<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Readings to merge.
    TelemetryUpdate {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<TelemetryUpdate>"))]
        #[schemars(with = "Vec<TelemetryUpdate<'a>>")]
        telemetry: Items<'a, TelemetryUpdate<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Fields of the status group to merge.
    NodeStatus {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<NodeRecord>"))]
        #[schemars(with = "Vec<NodeRecord<'a>>")]
        nodes: Items<'a, NodeRecord<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Nodes to drop; one that is not held is no mistake.
    NodeLeave {
        revision: u64,
        #[cfg_attr(test, ts(as = "Vec<String>"))]
        ids: Vec<Id<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// Cells with other counts; one without nodes is to be dropped.
    CellUpdate {
        revision: u64,
        cells: Vec<CellRecord>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// What was said.
    Message {
        revision: u64,
        messages: Vec<MessageRecord<'a>>,
        #[serde(skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        more: bool,
    },
    /// The answer to a ping.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        id: Option<serde_json::Number>,
        time: i64,
    },
    /// The client's last message was not understood, or was one too many; the connection goes on.
    Error {
        code: ErrorCode,
        message: String,
        /// After how long it may be said again.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional, type = "number"))]
        retry_after_ms: Option<u64>,
    },
}

/// What was wrong with a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[cfg_attr(test, derive(TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not an object with a `type` that can be read, or its fields are not as described.
    InvalidMessage,
    /// A `type` that the server does not know.
    UnknownType,
    /// Bounds that are no rectangle on Earth.
    InvalidBounds,
    /// Ids that name no node, or too many of them.
    InvalidNodeIds,
    /// Cells of a zoom that there is not.
    InvalidCells,
    /// A snapshot is asked for without a subscription.
    NotSubscribed,
    /// A binary frame, where text is spoken.
    BinaryFrame,
    /// More messages or subscriptions than a client may send; this one is not acted upon.
    RateLimited,
}

impl ErrorCode {
    /// The code as clients read it.
    pub(super) fn name(self) -> String {
        let name = serde_json::to_value(self).ok().and_then(|name| Some(name.as_str()?.to_owned()));
        name.unwrap_or_default()
    }
}

/// Why the server hangs up. Numbers from 4000 to 4499 mean "come back after a pause", from 4500
/// on "do not".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum CloseReason {
    /// The server stops; come back.
    GoingAway = 1001,
    /// No sign of life from the client, or it takes nothing.
    TimedOut = 4408,
    /// Too many messages, and more after it was told so.
    RateLimited = 4429,
    /// What came is no WebSocket message (RFC 6455).
    Violation = 1002,
    /// What came as text is no UTF-8 (RFC 6455).
    NotUtf8 = 1007,
    /// A message longer than one may be.
    TooLong = 4500,
    /// What the client was let in by is void: its token was revoked, say, or has expired.
    Dismissed = 4503,
}

impl CloseReason {
    /// Every reason.
    pub(super) const ALL: [Self; 7] = [
        Self::GoingAway,
        Self::Violation,
        Self::NotUtf8,
        Self::TimedOut,
        Self::RateLimited,
        Self::TooLong,
        Self::Dismissed,
    ];

    /// The close code.
    pub(super) const fn code(self) -> u16 {
        self as u16
    }

    /// The reason in words.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::GoingAway => "the server is stopping, come back",
            Self::TimedOut => "no sign of life",
            Self::RateLimited => "too many messages",
            Self::Violation => "not a WebSocket message",
            Self::NotUtf8 => "text that is not UTF-8",
            Self::TooLong => "a message that is too long",
            Self::Dismissed => "access ended, sign in again",
        }
    }
}

/// Records, each to be written out or written out before and shared.
pub(super) type Items<'a, T> = Vec<Item<'a, T>>;

/// One record of a list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Item<'a, T> {
    /// To be written out.
    Record(T),
    /// Written out before.
    Encoded(&'a RawValue),
}

impl<T> From<T> for Item<'_, T> {
    fn from(record: T) -> Self {
        Self::Record(record)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use ts_rs::{Config, TS};

    use super::*;
    use crate::{
        domain::Metric,
        http::{
            readings::TELEMETRY_TYPES,
            records::{
                CellRecord, LinkRecord, MessageRecord, NodeRecord, PositionRecord, WaypointRecord,
            },
        },
    };

    /// Writes the types that the web map is built with. A change shows up in version control.
    #[test]
    fn the_typescript_types_are_generated_from_these() {
        let config = Config::new().with_large_int("number");
        let types = [
            Bounds::decl(&config),
            OneOrMore::decl(&config),
            Cells::decl(&config),
            MessageType::decl(&config),
            Filter::decl(&config),
            Resume::decl(&config),
            ClientMessage::decl(&config),
            PositionRecord::decl(&config),
            PositionUpdate::decl(&config),
            TELEMETRY_TYPES[0].to_owned(),
            TELEMETRY_TYPES[1].to_owned(),
            LinkRecord::decl(&config),
            NodeRecord::decl(&config),
            WaypointRecord::decl(&config),
            MessageRecord::decl(&config),
            CellRecord::decl(&config),
            ErrorCode::decl(&config),
            ServerMessage::decl(&config),
        ];
        let mut text =
            String::from("// Generated from src/http/protocol.rs by `cargo test`. Do not edit.\n");
        for declaration in types {
            text.push_str("\nexport ");
            text.push_str(&declaration.replace(" \n", "\n"));
            text.push('\n');
        }
        text.push_str("\n/** The metrics by their numbers in the binary encoding; there is none with number 0. */\n");
        text.push_str("export const METRICS: readonly (string | undefined)[] = [\n\tundefined,\n");
        text.extend(Metric::ALL.iter().map(|metric| format!("\t'{}',\n", metric.name())));
        text.push_str("];\n");
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/client/src/protocol.gen.ts");
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(&path, text).unwrap();
        }
    }

    #[test]
    fn an_unknown_type_is_told_from_a_malformed_message() {
        let unknown = serde_json::from_str(r#"{"type":"dance","with":"me"}"#);
        assert!(matches!(unknown, Ok(ClientMessage::Unknown)));
        assert!(
            serde_json::from_str::<ClientMessage>(r#"{"type":"subscribe","filter":7}"#).is_err()
        );
        assert!(serde_json::from_str::<ClientMessage>("[]").is_err());
    }
}
