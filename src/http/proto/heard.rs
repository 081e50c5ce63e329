//! What clients say in protocol buffers, made into what they say in JSON.

use prost::Message as _;
use serde_json::Number;

use super::messages::{self, ClientKind};
use crate::http::protocol::{Bounds, Cells, ClientMessage, Filter, MessageType, Resume};

/// The message in a frame, or why it cannot be read.
pub(in crate::http) fn decode(frame: &[u8]) -> Result<ClientMessage, String> {
    let message = messages::ClientMessage::decode(frame).map_err(|error| error.to_string())?;
    Ok(match message.kind {
        Some(ClientKind::Subscribe(subscribe)) => ClientMessage::Subscribe {
            filter: subscribe.filter.map(Filter::try_from).transpose()?,
            resume: subscribe
                .resume
                .map(|resume| Resume { epoch: resume.epoch, revision: resume.revision }),
            columns: subscribe.columns,
        },
        Some(ClientKind::Unsubscribe(_)) => ClientMessage::Unsubscribe,
        Some(ClientKind::RequestSnapshot(_)) => ClientMessage::RequestSnapshot,
        Some(ClientKind::Ping(ping)) => {
            ClientMessage::Ping { id: ping.id.and_then(Number::from_f64) }
        }
        // A kind of a later version.
        None => ClientMessage::Unknown,
    })
}

impl TryFrom<messages::Filter> for Filter {
    type Error = String;

    fn try_from(filter: messages::Filter) -> Result<Self, String> {
        let types = |types: messages::MessageTypes| types.types.into_iter().map(named).collect();
        Ok(Self {
            bounds: filter.bounds.map(|area| area.rectangles.into_iter().map(bounds).collect()),
            node_ids: filter.node_ids.map(|ids| ids.ids),
            also_ids: filter.also_ids.map(|ids| ids.ids),
            message_types: filter.message_types.map(types).transpose()?,
            cells: filter.cells.map(|cells| Cells { zoom: cells.zoom }),
        })
    }
}

fn bounds(bounds: messages::Bounds) -> Bounds {
    let messages::Bounds { north, south, east, west } = bounds;
    Bounds { north, south, east, west }
}

fn named(kind: i32) -> Result<MessageType, String> {
    use messages::MessageType::{Message, Node, Position, Status, Telemetry, Unspecified};
    match messages::MessageType::try_from(kind) {
        Ok(Node) => Ok(MessageType::Node),
        Ok(Position) => Ok(MessageType::Position),
        Ok(Telemetry) => Ok(MessageType::Telemetry),
        Ok(Message) => Ok(MessageType::Message),
        Ok(Status) => Ok(MessageType::Status),
        Ok(Unspecified) | Err(_) => Err(format!("there is no message type {kind}")),
    }
}
